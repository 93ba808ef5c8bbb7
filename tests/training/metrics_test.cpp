#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <csignal>
#include <filesystem>

#include "../data/files.h"
#include "rapt/training/metrics.h"

namespace rapt::training {
namespace {

using data::read_bytes;
using data::TemporaryFolder;
using data::write_bytes;

const std::string two_lines =
    "{\"step\":1,\"loss\":0.1}\n{\"step\":2,\"loss\":0.30000000000000004}\n";

TEST(Metrics, DropsWhatCameAfterTheCheckpointAndCutLines) {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  write_bytes(path,
              two_lines + "{\"step\":3,\"loss\":1}\n[]\n\n{\"loss\":1}\n{\"step\":\"x\"}\n{\"st");
  Metrics metrics(folder.path(), 2);
  EXPECT_EQ(read_bytes(path), two_lines);
  metrics.write(3, {{"loss", 0.5}, {"lr", std::nan("")}});
  metrics.sync();
  EXPECT_EQ(read_bytes(path), two_lines + "{\"step\":3,\"loss\":0.5,\"lr\":null}\n");
}

TEST(Metrics, ADamagedLineBeforeOthersIsAnErrorThatChangesNothing) {
  for (const std::string damage : {"{\"step\":1,\"lo", "[]", "", "{\"step\":9}"}) {
    const TemporaryFolder folder;
    const std::string path = folder / "metrics.jsonl", bytes = damage + "\n" + two_lines;
    write_bytes(path, bytes);
    EXPECT_ERROR("metrics.jsonl: line 1 is damaged or of a later step", Metrics(folder.path(), 2));
    EXPECT_EQ(read_bytes(path), bytes);
    EXPECT_EQ(folder.count(), 1);
  }
}

TEST(Metrics, WantsARegularFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_ERROR("metrics.jsonl: wanted a regular file", Metrics(folder.path(), 0));
  EXPECT_TRUE(std::filesystem::is_fifo(path));
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_ERROR("metrics.jsonl: wanted a regular file", Metrics(folder.path(), 0));
}

TEST(Metrics, TellsOfAFullDisk) {
  const TemporaryFolder folder;
  Metrics metrics(folder.path(), 0);
  // The limit on a file's size stands in for the disk's.
  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit tiny = {16, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tiny);
  metrics.write(1, {{"loss", 0.5}, {"lr", 0.25}});
  EXPECT_ERROR("metrics.jsonl: could not be written: File too large", metrics.flush());
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  metrics.write(2, {{"loss", 0.5}});
  metrics.flush();  // nothing is lost, nothing comes twice
  EXPECT_EQ(read_bytes(folder / "metrics.jsonl"),
            "{\"step\":1,\"loss\":0.5,\"lr\":0.25}\n{\"step\":2,\"loss\":0.5}\n");
}

}  // namespace
}  // namespace rapt::training
