#include <gtest/gtest.h>

#include <cmath>

#include "cli/metrics.h"
#include "runs.h"

namespace rapt::cli {
namespace {

TEST(Metrics, DropsWhatCameAfterTheCheckpointAndCutLines) {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  const std::string kept = "{\"step\":1,\"loss\":0.1}\n{\"step\":2,\"loss\":0.30000000000000004}\n";
  write_bytes(path, kept + "{\"step\":3,\"loss\":1}\n[]\n\n{\"loss\":1}\n{\"step\":\"x\"}\n{\"st");
  Metrics metrics(folder.path(), 2);
  EXPECT_EQ(read_bytes(path), kept);
  metrics.write(3, {{"loss", 0.5}, {"lr", std::nan("")}});
  metrics.flush();
  EXPECT_EQ(read_bytes(path), kept + "{\"step\":3,\"loss\":0.5,\"lr\":null}\n");
}

}  // namespace
}  // namespace rapt::cli
