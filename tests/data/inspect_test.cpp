#include "rapt/data/inspect.h"

#include <gtest/gtest.h>

#include <cstring>

#include "rapt/data/checkpoint.h"
#include "rapt/data/safetensors.h"
#include "tensor_files.h"

namespace rapt::data {
namespace {

std::string listed(const FileInfo& info) {
  std::string out = info.format;
  for (const TensorInfo& t : info.tensors) {
    out += text("; ", t.name, " ", t.dtype, t.shape, " ", t.bytes);
  }
  return out;
}

const NamedTensors tensors{{"flag", ones({3}, Dtype::b8)}, {"x", zeros({2, 5})}, {"e", zeros({0})}};

TEST(Inspect, ListsACheckpoint) {
  const TemporaryFolder folder;
  save_checkpoint(folder / "c", {tensors, {{"step", "7"}}});
  const FileInfo info = inspect(folder / "c");
  EXPECT_EQ(listed(info), "rapt checkpoint; flag b8[3] 3; x f32[2, 5] 40; e f32[0] 0");
  EXPECT_EQ(info.values, (Values{{"step", "7"}}));
  EXPECT_EQ(info.bytes, static_cast<int64_t>(read_bytes(folder / "c").size()));
}

TEST(Inspect, ListsSafetensorsWithoutItsChecksums) {
  const TemporaryFolder folder;
  save_safetensors(folder / "m", tensors, {{"format", "pt"}});
  const FileInfo info = inspect(folder / "m");
  EXPECT_EQ(listed(info), "safetensors; flag BOOL[3] 3; x F32[2, 5] 40; e F32[0] 0");
  EXPECT_EQ(info.values, (Values{{"format", "pt"}}));
}

TEST(Inspect, ListsDtypesThatAreNotLoaded) {
  const TemporaryFolder folder;
  const std::string json = R"({"i":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},)"
                           R"("new":{"dtype":"F4","shape":[4],"data_offsets":[8,10]}})";
  const uint64_t size = json.size();
  write_bytes(folder / "m",
              std::string(reinterpret_cast<const char*>(&size), 8) + json + "0123456789");
  EXPECT_EQ(listed(inspect(folder / "m")), "safetensors; i I32[2] 8; new F4[4] 2");
}

TEST(Inspect, LooksAtTheHeaderOnly) {
  const TemporaryFolder folder;
  save_checkpoint(folder / "c", {{{"x", zeros({1000})}}, {}});
  std::string bytes = read_bytes(folder / "c");
  bytes.back() = 1;
  write_bytes(folder / "c", bytes);
  EXPECT_ERROR("the checksum of \"x\" is wrong", load_checkpoint(folder / "c"));
  EXPECT_EQ(listed(inspect(folder / "c")), "rapt checkpoint; x f32[1000] 4000");
  bytes[30] = static_cast<char>(bytes[30] ^ 1);
  write_bytes(folder / "c", bytes);
  EXPECT_ERROR("inspect: " + (folder / "c") + ": damaged: the checksum of the header",
               inspect(folder / "c"));
}

TEST(Inspect, RefusesOtherFiles) {
  const TemporaryFolder folder;
  EXPECT_ERROR("could not open", inspect(folder / "none"));
  write_bytes(folder / "text", "once upon a time there was a file that held no tensor");
  EXPECT_ERROR("inspect: " + (folder / "text") + ": wanted", inspect(folder / "text"));
  write_bytes(folder / "short", "RAPT");
  EXPECT_ERROR("wanted a safetensors file; got one of 4 bytes", inspect(folder / "short"));
}

}  // namespace
}  // namespace rapt::data
