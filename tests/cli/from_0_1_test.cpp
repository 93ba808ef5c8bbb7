// Files that version 0.1 wrote (tests/reference/from_0_1: `rapt train --task reverse --max-length 3
// --layers 1 --width 8 --heads 2 --batch 4 --steps 6 --save-every 3 --threads 1`) are still read,
// and its run goes on: three more steps bring the weights that 0.1 brought.

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "../support/tensors.h"
#include "program.h"
#include "rapt/data/safetensors.h"
#include "runs.h"

namespace rapt::cli {
namespace {

const std::string written = RAPT_REFERENCE_DIR "/from_0_1/";

TEST(From01, ACheckpointGoesOnAndEndsWithTheSameWeights) {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  std::filesystem::create_directory(run);
  std::filesystem::copy_file(written + "step-000000003.rapt", run + "/step-000000003.rapt");
  std::filesystem::copy_file(written + "metrics.jsonl", run + "/metrics.jsonl");
  const Outcome outcome = run_program({"train", "--resume", "--threads", "1", "--out", run});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const NamedTensors wanted = data::load_safetensors(written + "model.safetensors");
  const NamedTensors found = data::load_safetensors(run + "/model.safetensors");
  ASSERT_EQ(found.size(), wanted.size());
  for (const auto& [name, weights] : wanted) {
    EXPECT_TRUE(tests::close(found[name], weights, 1e-5)) << name;
  }
  // The file of the last step holds the same, for whoever reads it today.
  EXPECT_EQ(run_program({"eval", "--count", "10", run}).status, 0);
}

}  // namespace
}  // namespace rapt::cli
