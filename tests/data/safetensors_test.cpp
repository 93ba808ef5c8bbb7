#include "rapt/data/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "tensor_files.h"

namespace rapt::data {
namespace {

/// A file with this header, as any other program might write it.
std::string file_of(std::string_view json, std::string_view elements) {
  const uint64_t size = json.size();
  std::string out(reinterpret_cast<const char*>(&size), 8);
  return out.append(json).append(elements);
}

/// The header's JSON, without the spaces behind it.
std::string json_of(const std::string& bytes) {
  uint64_t size;
  std::memcpy(&size, bytes.data(), 8);
  const std::string json = bytes.substr(8, size);
  return json.substr(0, json.find_last_not_of(' ') + 1);
}

TEST(Safetensors, GivesBackEveryKindOfTensorAndTheMetadata) {
  const TemporaryFolder folder;
  const Values metadata{{"format", "pt"}, {"a \"quoted\" \u00e9", "line\n"}};
  save_safetensors(folder / "m.safetensors", all_kinds(), metadata);
  Values loaded;
  expect_same(load_safetensors(folder / "m.safetensors", &loaded), all_kinds());
  EXPECT_EQ(loaded, metadata);
  EXPECT_EQ(folder.count(), 1);
}

TEST(Safetensors, MayBeEmpty) {
  const TemporaryFolder folder;
  save_safetensors(folder / "m", {});
  EXPECT_TRUE(load_safetensors(folder / "m").empty());
}

TEST(Safetensors, WritesWhatTheFormatAsksFor) {
  const TemporaryFolder folder;
  save_safetensors(folder / "m",
                   {{"flag", ones({3}, Dtype::b8)},
                    {"x", tensor({{1, 2}})},
                    {"n", from_values(std::vector<int64_t>{-1}, Shape{})}},
                   {{"by", "rapt"}});
  const std::string bytes = read_bytes(folder / "m");
  const std::string json = json_of(bytes);
  uint64_t size;
  std::memcpy(&size, bytes.data(), 8);
  EXPECT_EQ(size % 8, 0u);
  EXPECT_EQ(json[0], '{');
  // Names in their order; elements by their width, so that each lies on a multiple of its own.
  EXPECT_PRED2(has, json,
               R"("flag":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]},)"
               R"("x":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},)"
               R"("n":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})");
  EXPECT_PRED2(has, json, R"({"__metadata__":{"by":"rapt","rapt.crc32.flag":")");
  EXPECT_EQ(bytes.substr(8 + size),
            std::string(8, '\xff') + std::string("\0\0\x80\x3f\0\0\0\x40", 8) + "\1\1\1");
}

TEST(Safetensors, TheChecksumsAreWhatIsWrittenDown) {
  // Computed with Python, as FORMAT.md describes: zlib.crc32 of the elements, and of
  // json.dumps(header without offsets and without "rapt.crc32", sort_keys=True,
  // separators=(",", ":"), ensure_ascii=False).
  const TemporaryFolder folder;
  save_safetensors(folder / "m", {{"\u00e9", tensor({1, 2})}, {"b", zeros({0, 3}, Dtype::b8)}},
                   {{"z", "1"}, {"a", "\u4e2d"}});
  const std::string json = json_of(read_bytes(folder / "m"));
  EXPECT_PRED2(has, json, "\"rapt.crc32.\u00e9\":\"2e3fa576\"");
  EXPECT_PRED2(has, json, "\"rapt.crc32.b\":\"00000000\"");
  EXPECT_PRED2(has, json, "\"rapt.crc32\":\"43fa6cd9\"");
}

TEST(Safetensors, ReadsFilesOfOthers) {
  const TemporaryFolder folder;
  // No checksums, spaces and line ends in the JSON, elements in another order than the names.
  write_bytes(folder / "m", file_of(R"({ "b" : {"shape": [2], "data_offsets": [4, 8],
      "dtype": "F16"}, "a": {"dtype": "BF16", "shape": [2, 1], "data_offsets": [0, 4]},
      "none": {"dtype":"F64","shape":[0, 5],"data_offsets":[8,8]} }   )",
                                    std::string("\x80\x3f\x00\xc0\x00\x3c\x00\xc1", 8)));
  expect_same(load_safetensors(folder / "m"), {{"b", tensor({1, -2.5})},
                                               {"a", reshape(tensor({1, -2}), {2, 1})},
                                               {"none", zeros({0, 5}, Dtype::f64)}});
}

TEST(Safetensors, AcceptsRaptsFilesWrittenAgainByAnother) {
  // The same names, tensors and metadata in another order and spelling: still the same contents.
  const TemporaryFolder folder;
  save_safetensors(folder / "m", {{"x", tensor({1, 2})}}, {{"step", "7"}});
  const std::string bytes = read_bytes(folder / "m");
  const std::string json = json_of(bytes);
  const std::string metadata = json.substr(0, json.find("},") + 1);
  write_bytes(folder / "again",
              file_of("{\"\\u0078\": {\"data_offsets\":[0,8], \"dtype\":\"F32\", \"shape\":[2]}, " +
                          metadata.substr(1) + "}",
                      bytes.substr(bytes.size() - 8)));
  Values loaded;
  expect_same(load_safetensors(folder / "again", &loaded), {{"x", tensor({1, 2})}});
  EXPECT_EQ(loaded, (Values{{"step", "7"}}));
}

TEST(Safetensors, EveryDamageIsNoticed) {
  const TemporaryFolder folder;
  save_safetensors(folder / "m",
                   {{"w", tensor({1, 2})}, {"m", ones({3}, Dtype::b8)}, {"e", zeros({0, 3})}},
                   {{"step", "7"}});
  expect_damage_is_noticed(folder / "m", [](const std::string& path) { load_safetensors(path); });
}

TEST(Safetensors, SaysWhatIsDamaged) {
  const TemporaryFolder folder;
  const std::string path = folder / "m";
  save_safetensors(path, {{"weight", tensor({1, 2})}}, {{"step", "7"}});
  std::string bytes = read_bytes(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_bytes(path, bytes);
  EXPECT_ERROR("load_safetensors: " + path + ": the checksum of \"weight\" is wrong",
               load_safetensors(path));
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  bytes[bytes.find("step")] = 's' ^ 1;
  write_bytes(path, bytes);
  EXPECT_ERROR("the checksum of the header is wrong", load_safetensors(path));
  EXPECT_ERROR("could not open", load_safetensors(folder / "none"));
  EXPECT_ERROR("a folder", load_safetensors(folder.path()));
}

TEST(Safetensors, RefusesWhatTheFormatForbids) {
  const std::string x = R"("x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const auto tensor = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return text(R"({"x":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets,
                "}}");
  };
  const std::string four = "1234";
  const std::string_view none = "";
  const struct {
    std::string bytes;
    const char* message;
  } cases[] = {
      {"1234567", "wanted a safetensors file; got one of 7 bytes"},
      {std::string(8, '\xff'), "within the file's 8; got 18446744073709551615"},
      {std::string("\x09\0\0\0\0\0\0\0", 8) + "12345678", "within the file's 16; got 9"},
      {file_of("", none), "wanted a header that begins with '{'"},
      {file_of(" {}", none), "wanted a header that begins with '{'"},
      {file_of("[]", none), "wanted a header that begins with '{'"},
      {file_of("{", none), "wanted JSON"},
      {file_of("{}}", none), "wanted JSON"},
      {file_of(std::string("{}\0", 3), none), "got a zero byte in the header"},
      {file_of("{\"\xff\":{}}", none), "wanted JSON"},
      {file_of("{" + x + "," + x + "}", four), "the header has two tensors or fields named \"x\""},
      {file_of(R"({"__metadata__":{"a":"1","a":"2"}})", none), "two metadata named \"a\""},
      {file_of(R"({"__metadata__":{},"__metadata__":{}})", none),
       "two tensors or fields named \"__metadata__\""},
      {file_of(R"({"__metadata__":{"a":1}})", none), "a number where the format has none"},
      {file_of(R"({"__metadata__":{"a":{}}})", none), "an object where the format has none"},
      {file_of(R"({"__metadata__":[]})", none), "a list where the format has none"},
      {file_of(R"({"x":null})", none), "null where the format has none"},
      {file_of(R"({"x":"F32"})", none), "a text where the format has none"},
      {file_of(R"({"x":true})", none), "a truth value where the format has none"},
      {file_of(R"({"x":{"dtype":"F32","shape":[0]}})", none),
       "wanted dtype, shape and data_offsets"},
      {file_of(R"({"x":{}})", none), "wanted dtype, shape and data_offsets for \"x\""},
      {file_of(R"({"x":{"dtype":"F32","dtype":"F32"}})", none), "the field \"dtype\""},
      {file_of(R"({"x":{"device":"cpu"}})", none), "the field \"device\""},
      {file_of(tensor("F32", "[1]", "[0]"), four), "one of two data_offsets"},
      {file_of(tensor("F32", "[1]", "[0,4,4]"), four), "a number where the format has none"},
      {file_of(tensor("F32", "[-1]", "[0,4]"), four), "a negative number"},
      {file_of(tensor("F32", "[1.5]", "[0,4]"), four), "a fraction"},
      {file_of(tensor("F32", "[[1]]", "[0,4]"), four), "a list where"},
      {file_of(tensor("F32", "[18446744073709551615]", "[0,4]"), four), "a huge number"},
      {file_of(tensor("F32", "[184467440737095516160]", "[0,4]"), four), "a fraction"},
      {file_of(tensor("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), four), "at most 8 axes"},
      {file_of(tensor("F32", "[2]", "[0,4]"), four), "wanted the bytes of F32[2] for \"x\"; got 4"},
      {file_of(tensor("F32", "[0,4611686018427387904,4611686018427387904]", "[0,0]"), none),
       "wanted the bytes of F32"},
      {file_of(tensor("F32", "[4611686018427387904,4]", "[0,0]"), none), "wanted the bytes of F32"},
      {file_of(tensor("F32", "[1]", "[4,0]"), four), "wanted \"x\" inside the 4 bytes of data"},
      {file_of(tensor("F32", "[2]", "[0,8]"), four), "wanted \"x\" inside the 4 bytes of data"},
      {file_of(tensor("F32", "[1]", "[4,8]"), "12345678"), "a gap before \"x\""},
      {file_of("{" + x + R"(,"y":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})", "123456"),
       "an overlap with \"y\""},
      {file_of("{" + x + R"(,"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four),
       "an overlap with \"y\""},
      {file_of("{" + x + "}", "12345"), "wanted 4 bytes of data; got 5"},
      {file_of(tensor("BOOL", "[4]", "[0,4]"), "\1\1\1\2"),
       "only 0 and 1 in the BOOL tensor \"x\""},
      {file_of(tensor("I32", "[1]", "[0,4]"), four),
       "wanted F32, F64, I64, BOOL, F16 or BF16 for \"x\"; got I32"},
      {file_of(tensor("Q7", "[9]", "[0,4]"), four), "for \"x\"; got Q7"},
      {file_of(R"({"__metadata__":{"rapt.crc32.x":"00000000"},)" + x + "}", four),
       "the checksum of the header is wrong"},
  };
  const TemporaryFolder folder;
  for (const auto& c : cases) {
    write_bytes(folder / "bad", c.bytes);
    EXPECT_ERROR(c.message, load_safetensors(folder / "bad"));
  }
}

TEST(Safetensors, DeepNestingAndLongListsAreRefusedAtOnce) {
  const TemporaryFolder folder;
  write_bytes(folder / "deep", file_of(R"({"x":)" + std::string(1'000'000, '['), ""));
  EXPECT_ERROR("a list where the format has none", load_safetensors(folder / "deep"));
  write_bytes(folder / "long", file_of(R"({"x":{"shape":[1)" + std::string(1'000'000, ','), ""));
  EXPECT_ERROR("wanted JSON", load_safetensors(folder / "long"));
}

TEST(Safetensors, RefusesNamesThatItCannotWrite) {
  const TemporaryFolder folder;
  const std::string path = folder / "m";
  const Tensor x = tensor({1, 2});
  EXPECT_ERROR("names other than __metadata__", save_safetensors(path, {{"__metadata__", x}}));
  EXPECT_ERROR("names and metadata in UTF-8", save_safetensors(path, {{"\xff", x}}));
  EXPECT_ERROR("names and metadata in UTF-8", save_safetensors(path, {}, {{"a", "\xff"}}));
  EXPECT_ERROR("do not begin with rapt.crc32; got \"rapt.crc32.x\"",
               save_safetensors(path, {}, {{"rapt.crc32.x", ""}}));
  EXPECT_ERROR("got \"x\" undefined", save_safetensors(path, {{"x", Tensor()}}));
  EXPECT_EQ(folder.count(), 0);
}

TEST(Safetensors, MaySaveOverTheFileItWasLoadedFrom) {
  const TemporaryFolder folder;
  save_safetensors(folder / "m", {{"x", arange(300'000)}});
  save_safetensors(folder / "m", load_safetensors(folder / "m"));
  expect_same(load_safetensors(folder / "m"), {{"x", arange(300'000)}});
}

}  // namespace
}  // namespace rapt::data
