#include "rapt/data/checkpoint.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <new>

#include <zlib.h>

#include <sys/wait.h>
#include <unistd.h>

#include "tensor_files.h"

namespace rapt::data {
namespace {

TEST(Checkpoint, GivesBackEveryKindOfTensorAndValue) {
  const TemporaryFolder folder;
  Checkpoint saved{all_kinds(), {{"task", "reverse"}, {"", ""}, {"text", "line\n\0end"}}};
  saved.values.set("step", 1200);
  save_checkpoint(folder / "c.rapt", saved);
  const Checkpoint loaded = load_checkpoint(folder / "c.rapt");
  expect_same(loaded.tensors, saved.tensors);
  EXPECT_EQ(loaded.values, saved.values);
  EXPECT_EQ(folder.count(), 1);
}

TEST(Checkpoint, MayBeEmpty) {
  const TemporaryFolder folder;
  save_checkpoint(folder / "c.rapt", {});
  EXPECT_TRUE(load_checkpoint(folder / "c.rapt").tensors.empty());
  EXPECT_TRUE(load_checkpoint(folder / "c.rapt").values.empty());
}

TEST(Checkpoint, SavesParametersAndResultsAsTheirValues) {
  const TemporaryFolder folder;
  Tensor weight = tensor({1, 2, 3});
  weight.set_requires_grad();
  save_checkpoint(folder / "c.rapt", {{{"weight", weight}, {"result", weight * 2.0}}, {}});
  expect_same(load_checkpoint(folder / "c.rapt").tensors,
              {{"weight", tensor({1, 2, 3})}, {"result", tensor({2, 4, 6})}});
}

TEST(Checkpoint, HoldsTensorsLargerThanAnyBuffer) {
  const TemporaryFolder folder;
  const NamedTensors tensors{{"a", arange(300'000)}, {"b", arange(3)}, {"c", arange(200'000)}};
  save_checkpoint(folder / "c.rapt", {tensors, {}});
  expect_same(load_checkpoint(folder / "c.rapt").tensors, tensors);
}

TEST(Checkpoint, TheSameContentsGiveTheSameBytes) {
  const TemporaryFolder folder;
  const Checkpoint checkpoint{all_kinds(), {{"step", "1"}}};
  save_checkpoint(folder / "a", checkpoint);
  save_checkpoint(folder / "b", load_checkpoint(folder / "a"));
  EXPECT_EQ(read_bytes(folder / "a"), read_bytes(folder / "b"));
}

TEST(Checkpoint, MaySaveOverTheFileItWasLoadedFrom) {
  const TemporaryFolder folder;
  save_checkpoint(folder / "c.rapt", {{{"x", arange(1000)}}, {}});
  Checkpoint loaded = load_checkpoint(folder / "c.rapt");
  loaded.tensors.add("y", arange(5));
  save_checkpoint(folder / "c.rapt", loaded);
  expect_same(load_checkpoint(folder / "c.rapt").tensors, {{"x", arange(1000)}, {"y", arange(5)}});
}

TEST(Checkpoint, EveryDamageIsNoticed) {
  const TemporaryFolder folder;
  save_checkpoint(folder / "c.rapt",
                  {{{"w", tensor({1, 2})}, {"m", ones({3}, Dtype::b8)}}, {{"step", "7"}}});
  expect_damage_is_noticed(folder / "c.rapt",
                           [](const std::string& path) { load_checkpoint(path); });
}

TEST(Checkpoint, SaysWhatIsDamaged) {
  const TemporaryFolder folder;
  const std::string path = folder / "c.rapt";
  save_checkpoint(path, {{{"weight", tensor({1, 2})}}, {{"step", "7"}}});
  const std::string bytes = read_bytes(path);
  const auto damaged = [&](size_t at) {
    std::string out = bytes;
    out[at] = static_cast<char>(out[at] ^ 1);
    write_bytes(path, out);
  };
  damaged(0);
  EXPECT_ERROR("load_checkpoint: " + path + ": wanted a rapt checkpoint", load_checkpoint(path));
  damaged(30);
  EXPECT_ERROR("damaged: the checksum of the header is wrong", load_checkpoint(path));
  damaged(bytes.size() - 1);
  EXPECT_ERROR("damaged: the checksum of \"weight\" is wrong", load_checkpoint(path));
  write_bytes(path, bytes.substr(0, 10));
  EXPECT_ERROR("wanted a rapt checkpoint; got a file of 10 bytes", load_checkpoint(path));
  write_bytes(path, bytes + "x");
  EXPECT_ERROR("damaged: wanted " + std::to_string(bytes.size()) + " bytes", load_checkpoint(path));
  EXPECT_ERROR("could not open " + (folder / "none"), load_checkpoint(folder / "none"));
  EXPECT_ERROR("a folder", load_checkpoint(folder.path()));
}

/// A checkpoint file made by hand, byte by byte as FORMAT.md says, with correct checksums: what
/// whoever wants to break the reader would write.
class Forged {
 public:
  template <class T>
  Forged& number(T value) {
    body_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Forged& text(std::string_view value) {
    number<uint64_t>(value.size());
    body_ += value;
    return *this;
  }
  Forged& tensor(std::string_view name, uint8_t dtype, const std::vector<int64_t>& shape,
                 std::string_view elements) {
    text(name).number(dtype).number(static_cast<uint8_t>(shape.size()));
    for (const int64_t length : shape) number(length);
    number(static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(elements.data()),
                                       static_cast<uInt>(elements.size()))));
    elements_ += elements;
    return *this;
  }
  std::string bytes(uint32_t version = 1) const {
    std::string rest(12, '\0');
    const uint64_t size = body_.size();
    std::memcpy(rest.data(), &version, 4);
    std::memcpy(rest.data() + 4, &size, 8);
    rest += body_;
    rest.resize((12 + rest.size() + 63) / 64 * 64 - 12, '\0');
    const auto crc = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(rest.data()), static_cast<uInt>(rest.size())));
    std::string out = "RAPTCKPT";
    out.append(reinterpret_cast<const char*>(&crc), 4);
    return out + rest + elements_;
  }

 private:
  std::string body_ = std::string(1, '\x01');  // cereal's mark for little-endian
  std::string elements_;
};

TEST(Checkpoint, TheFormatIsWhatIsWrittenDown) {
  const TemporaryFolder folder;
  Forged forged;
  forged.number<uint64_t>(2);
  forged.tensor("flag", 3, {2}, std::string("\0\1", 2));
  forged.tensor("n", 2, {}, std::string("\x07\0\0\0\0\0\0\0", 8));
  forged.number<uint64_t>(1).text("step").text("12");
  save_checkpoint(folder / "c.rapt", {{{"flag", from_values(std::vector<bool>{false, true})},
                                       {"n", from_values(std::vector<int64_t>{7}, Shape{})}},
                                      {{"step", "12"}}});
  EXPECT_EQ(read_bytes(folder / "c.rapt"), forged.bytes());
}

TEST(Checkpoint, AForgedFileIsAnErrorAndNeverAHugeAllocation) {
  constexpr int64_t huge = int64_t{1} << 62;
  constexpr uint64_t endless = ~uint64_t{0};
  const auto one = [](uint8_t dtype, const std::vector<int64_t>& shape, std::string_view elements) {
    return Forged().number<uint64_t>(1).tensor("x", dtype, shape, elements).number<uint64_t>(0);
  };
  const struct {
    std::string bytes;
    const char* message;
  } cases[] = {
      {one(0, {1}, "1234").bytes(2), "wanted version 1 of the format; got 2"},
      {Forged().number(endless).bytes(), "a count of 18446744073709551615 that it has no room for"},
      {Forged().number<uint64_t>(1).number(endless).number(endless).bytes(),
       "a length of 18446744073709551615 where 8"},
      {Forged().number<uint64_t>(1).number<uint64_t>(9).number(uint64_t{0}).bytes(),
       "a length of 9 where 8 bytes are left"},
      {one(4, {1}, "1234").bytes(), "an unknown dtype, 4, for \"x\""},
      {one(0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "1234").bytes(), "9 axes for \"x\""},
      {one(0, {-1}, "").bytes(), "a shape, [-1], for \"x\""},
      {one(0, {-2, -2}, "1234567812345678").bytes(), "a shape, [-2, -2]"},
      {one(0, {huge}, "").bytes(), "the file is too short"},
      {one(0, {1 << 30}, "").bytes(), "the file is too short"},
      {one(0, {huge, huge, huge}, "").bytes(), "the file is too short"},
      {one(0, {0, huge, huge}, "").bytes(), "the file is too short"},  // strides would overflow
      {one(0, {2}, "1234").bytes(), "the file is too short"},
      {one(0, {1}, "12345").bytes(), "damaged: wanted"},
      {one(3, {2}, "\1\2").bytes(), "wanted only 0 and 1 in the b8 tensor \"x\""},
      {one(0, {1}, "1234").number(uint8_t{0}).bytes(), "bytes behind its last field"},
      {Forged()
           .number<uint64_t>(2)
           .tensor("x", 0, {1}, "1234")
           .tensor("x", 0, {1}, "1234")
           .number<uint64_t>(0)
           .bytes(),
       "two tensors named \"x\""},
      {Forged()
           .number<uint64_t>(0)
           .number<uint64_t>(2)
           .text("a")
           .text("")
           .text("a")
           .text("")
           .bytes(),
       "two values named \"a\""},
      {Forged().number<uint64_t>(0).number(endless).bytes(), "a count of 18446744073709551615"},
      {Forged().bytes(), "a length of 8 where 0 bytes are left"},
  };
  const TemporaryFolder folder;
  for (const auto& c : cases) {
    write_bytes(folder / "forged", c.bytes);
    EXPECT_ERROR(c.message, load_checkpoint(folder / "forged"));
  }
  // Lengths of the header itself, which its checksum covers only once it has been read.
  for (const uint64_t size : {endless, uint64_t{1} << 62, uint64_t{0}, uint64_t{1000}}) {
    std::string bytes = one(0, {1}, "1234").bytes();
    std::memcpy(bytes.data() + 16, &size, 8);
    write_bytes(folder / "forged", bytes);
    EXPECT_ERROR("damaged: the header would have", load_checkpoint(folder / "forged"));
  }
}

TEST(Checkpoint, SurvivesKillAtAnyMoment) {
  const TemporaryFolder folder;
  const std::string path = folder / "c.rapt";
  const auto save = [&](int64_t step) {
    Checkpoint checkpoint{{{"x", full({20'000}, static_cast<double>(step))}}, {}};
    checkpoint.values.set("step", step);
    save_checkpoint(path, checkpoint);
  };
  save(0);
  for (int trial = 0; trial < 20; ++trial) {
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) {
      for (int64_t step = 1;; ++step) save(step);
    }
    usleep(static_cast<useconds_t>(500 + trial * 331));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const Checkpoint loaded = load_checkpoint(path);
    const auto step = static_cast<float>(loaded.values.integer("step"));
    EXPECT_EQ(loaded.tensors["x"].values<float>(), std::vector<float>(20'000, step));
  }
}

TEST(Checkpoint, RefusesATensorThatIsNone) {
  const TemporaryFolder folder;
  EXPECT_ERROR("got \"x\" undefined", save_checkpoint(folder / "c", {{{"x", Tensor()}}, {}}));
  EXPECT_EQ(folder.count(), 0);
}

}  // namespace
}  // namespace rapt::data
