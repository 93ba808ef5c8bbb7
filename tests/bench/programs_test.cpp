// The benchmarks as their users see them: every key is there, and bad flags are refused. What the
// clock says is nobody's business here.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "../support/command.h"

namespace rapt {
namespace {

using tests::CommandResult;
using tests::run_command;

/// The step benchmarks that this build has: rapt's, and libtorch's where that is installed.
const std::vector<std::string>& programs() {
  static const std::vector<std::string> programs = {
      RAPT_BENCH_PROGRAM,
#ifdef RAPT_TORCH_BENCH_PROGRAM
      RAPT_TORCH_BENCH_PROGRAM,
#endif
  };
  return programs;
}

/// The report of a short run of the smallest model. Standard output is JSON and nothing else.
nlohmann::json report_of(const std::string& program, const std::string& flags) {
  const CommandResult r =
      run_command(program + " train --config tiny --steps 2 --warmup 1 --json " + flags);
  EXPECT_EQ(r.status, 0) << r.output;
  return nlohmann::json::parse(r.output);
}

TEST(BenchPrograms, TheReportHasEveryKey) {
  const std::set<std::string> texts = {"engine", "blas", "config"};
  const std::set<std::string> numbers = {"context",
                                         "width",
                                         "batch",
                                         "threads",
                                         "steps",
                                         "parameters",
                                         "ms_per_step_median",
                                         "ms_per_step_min",
                                         "tokens_per_second",
                                         "gflops",
                                         "sgemm_peak_gflops",
                                         "share_of_sgemm_peak",
                                         "start_rss_mb",
                                         "peak_rss_mb",
                                         "peak_above_start_mb"};
  for (const std::string& program : programs()) {
    const nlohmann::json report = report_of(program, "--threads 1");
    for (const std::string& key : texts) EXPECT_TRUE(report.at(key).is_string()) << key;
    for (const std::string& key : numbers) EXPECT_GT(report.at(key), 0) << key;
    EXPECT_EQ(report.at("tied_head"), false);
    EXPECT_GE(report.at("heap_allocations_per_step"), 0);
  }
}

TEST(BenchPrograms, BothBuildTheModelThatTheFlagsAskFor) {
  // Tokens and positions, two blocks, the last norm; and no head of its own.
  constexpr int width = 32, context = 40, block = 12 * width * width + 13 * width;
  constexpr int parameters = 32 * width + context * width + 2 * block + 2 * width;
  for (const std::string& program : programs()) {
    const nlohmann::json report =
        report_of(program, "--tied-head --width 32 --context 40 --batch 3 --threads 1");
    EXPECT_EQ(report.at("parameters"), parameters);
    EXPECT_EQ(report.at("tied_head"), true);
    EXPECT_EQ(report.at("width"), width);
    EXPECT_EQ(report.at("context"), context);
    EXPECT_EQ(report.at("batch"), 3);
    EXPECT_EQ(report.at("threads"), 1);
  }
}

#ifndef RAPT_SANITIZED  // they keep what was freed
// Three matrices of 16 MiB for each thread lie in memory while sgemm is measured.
TEST(BenchPrograms, ThePeakOfMemoryIsThatOfTheSteps) {
  EXPECT_LT(report_of(RAPT_BENCH_PROGRAM, "--threads 2").at("peak_above_start_mb"), 60);
}
#endif

TEST(BenchPrograms, BadFlagsAreRefused) {
  struct Case {
    const char* flags;
    const char* says;
  };
  for (const Case& c :
       {Case{"train --config huge", "--config: wanted micro, tiny, small, medium, gpt2"},
        {"train --config tiny --width 66", "--width: wanted a multiple of the 4"},
        {"train --threads 0", "--threads"},
        {"train --steps none", "--steps"},
        {"train --context -1", "--context"},
        {"train --fused", "--fused"},  // rapt has no other attention to choose
        {"", "subcommand"}}) {
    const CommandResult r = run_command(std::string(RAPT_BENCH_PROGRAM " ") + c.flags + " 2>&1");
    EXPECT_EQ(r.status, 2) << c.flags;
    EXPECT_NE(r.output.find(c.says), std::string::npos) << r.output;
  }
}

// ---- the scripts -------------------------------------------------------------------------------

/// The cells of the last row of the Markdown table that a script prints.
std::vector<std::string> last_row(const std::string& command) {
  const CommandResult r = run_command(command + " 2>&1");
  EXPECT_EQ(r.status, 0) << r.output;
  std::string row;
  for (const std::string& line : tests::lines_of(r.output)) {
    if (line.starts_with("| ")) row = line;
  }
  std::vector<std::string> cells;
  for (size_t at = 2; at < row.size();) {
    const size_t end = row.find(" |", at);
    cells.push_back(row.substr(at, end - at));
    at = end + 3;
  }
  return cells;
}

TEST(BenchScripts, SweepHasARowForEachPoint) {
  const std::vector<std::string> row =
      last_row(RAPT_SOURCE_DIR
               "/bench/sweep batch --config tiny --points 1 2 --threads 1"
               " --rounds 1 --steps 1 --build " RAPT_BINARY_DIR);
  ASSERT_EQ(row.size(), 9u);
  EXPECT_EQ(row[0], "2");
  for (const std::string& cell : row) EXPECT_GT(std::stod(cell), 0) << cell;
}

#ifdef RAPT_TORCH_BENCH_PROGRAM
TEST(BenchPrograms, LibtorchSaysHowItTreatsItsGradients) {
  for (const std::string kind : {"dropped-first", "zeroed"}) {
    const std::string engine =
        report_of(RAPT_TORCH_BENCH_PROGRAM, "--threads 1 --gradients " + kind).at("engine");
    EXPECT_TRUE(engine.ends_with(kind)) << engine;
  }
  EXPECT_EQ(run_command(RAPT_TORCH_BENCH_PROGRAM " train --gradients kept 2>&1").status, 2);
}

TEST(BenchScripts, CompareHasARowForEachConfig) {
  const std::vector<std::string> row =
      last_row(RAPT_SOURCE_DIR
               "/bench/compare --configs tiny --threads 1 --rounds 1 --steps 1"
               " --build " RAPT_BINARY_DIR " --torch 'env " RAPT_TORCH_BENCH_PROGRAM "'");
  ASSERT_EQ(row.size(), 11u);
  EXPECT_EQ(row[0], "tiny");
  EXPECT_TRUE(row[2].starts_with("libtorch")) << row[2];
  EXPECT_NE(row[5].find(".."), std::string::npos) << row[5];
  for (const size_t i : {3, 4, 5, 6, 7, 8}) EXPECT_GT(std::stod(row[i]), 0) << row[i];
}
#endif

}  // namespace
}  // namespace rapt
