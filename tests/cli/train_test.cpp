#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "rapt/autograd/ops.h"
#include "rapt/data/numbered.h"
#include "rapt/data/safetensors.h"
#include "runs.h"

namespace rapt::cli {
namespace {

using nlohmann::json;

TEST(TrainProgram, LearnsAndSavesWhatItLearnt) {
  const TemporaryFolder folder;
  const Outcome run = run_program(small_run + Words{"--task", "copy", "--steps", "300", "--lr",
                                                    "0.01", "--save-every", "100", "--keep", "2"},
                                  {.folder = folder.path()});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
  EXPECT_PRED2(has, run.out, "saved in runs/copy");
  EXPECT_EQ(run.out.find_first_of("\r\x1b"), std::string::npos);
  EXPECT_GT(lines_of(run.out).size(), 20U);

  const Words lines = lines_of(read_bytes(folder / "runs/copy/metrics.jsonl"));
  ASSERT_EQ(lines.size(), 300U);
  double first = 0, last = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const json line = json::parse(lines[i]);
    EXPECT_EQ(line["step"], i + 1);
    (i == 0 ? first : last) = line["loss"].get<double>();
  }
  EXPECT_LT(last, 0.7 * first);
  EXPECT_TRUE(json::parse(lines.back()).contains("test_loss"));

  const auto checkpoints = data::numbered_checkpoints(folder / "runs/copy");
  ASSERT_EQ(checkpoints.size(), 2U);
  EXPECT_EQ(checkpoints[0].step, 200);
  EXPECT_EQ(checkpoints[1].step, 300);
  const NamedTensors weights = data::load_safetensors(folder / "runs/copy/model.safetensors");
  EXPECT_EQ(weights["blocks.0.attention.query.weight"].shape(), Shape({16, 16}));
}

TEST(TrainProgram, NamesItsFolderAfterTheTaskAndNeverTwiceTheSame) {
  const TemporaryFolder folder;
  for (const std::string name : {"runs/sort", "runs/sort-2"}) {
    const Outcome run =
        run_program(small_run + Words{"--task", "sort", "--steps", "2"}, {.folder = folder.path()});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(std::filesystem::exists(folder / (name + "/model.safetensors")));
  }
}

TEST(TrainProgram, ShowsOneLiveLineOnATerminal) {
  if (!has_terminals()) {
    GTEST_SKIP() << "this system has no pseudo-terminals (is /dev/pts mounted?)";
  }
  const TemporaryFolder folder;
  const Outcome run = run_program(small_run + Words{"--steps", "200", "--out", "run"},
                                  {.folder = folder.path(), .terminal = true, .columns = 40});
  ASSERT_EQ(run.status, 0) << run.err;
  // Written over again and again, and never longer than the terminal is wide.
  size_t updates = 0;
  for (const std::string& line : lines_of(run.out)) {
    if (!has(line, "step ")) continue;
    size_t begin = line.find("\r\x1b[K");
    while (begin != line.npos) {
      const size_t end = line.find('\r', begin + 1);
      EXPECT_LT(line.substr(begin + 4, end - begin - 4).size(), 40U) << line;
      begin = line.find("\r\x1b[K", begin + 1);
      ++updates;
    }
  }
  EXPECT_GE(updates, 2U);
  EXPECT_FALSE(has(run.out, "\nstep "));
}

/// A run with all that could make a resumed one differ: dropout, shuffling, many checkpoints.
Words careful_run(const std::string& out, const std::string& threads = "2") {
  return small_run + Words{"--steps",   "400",   "--dropout",    "0.1", "--seed", "3",
                           "--threads", threads, "--save-every", "17",  "--out",  out};
}

void expect_same_results(const TemporaryFolder& folder, const std::string& run,
                         const std::string& other) {
  for (const std::string file : {"/metrics.jsonl", "/model.safetensors"}) {
    const std::string bytes = read_bytes(folder / (run + file));
    EXPECT_FALSE(bytes.empty());
    EXPECT_TRUE(bytes == read_bytes(folder / (other + file))) << other << file;
  }
}

/// Trains until the output holds `part`, then sends the signal. Where the machine is so busy that
/// the run ends before the signal comes, tries again.
Outcome interrupted(const TemporaryFolder& folder, const Words& arguments, const std::string& out,
                    const std::string& part, int number) {
  for (int attempt = 0;; ++attempt) {
    Program program(arguments, {.folder = folder.path()});
    program.wait_for(part);
    program.signal(number);
    Outcome outcome = program.finish();
    if (outcome.status != 0 || attempt == 5) return outcome;
    std::filesystem::remove_all(folder / out);
  }
}

TEST(TrainProgram, StoppedByCtrlCAndResumedGivesTheSameBits) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_program(careful_run("whole", "1"), {.folder = folder.path()}).status, 0);
  for (const int number : {SIGINT, SIGTERM}) {
    const std::string out = number == SIGINT ? "ctrl-c" : "term";
    const Outcome stopped = interrupted(folder, careful_run(out), out, "\nstep  60/400", number);
    ASSERT_EQ(stopped.status, 128 + number) << stopped.err;
    EXPECT_PRED2(has, stopped.out, "stopped and saved after step ");
    EXPECT_PRED2(has, stopped.out, "rapt train --resume --out " + out);
    EXPECT_EQ(stopped.err, "");
    EXPECT_FALSE(std::filesystem::exists(folder / (out + "/model.safetensors")));
    const auto saved = data::latest_checkpoint(folder / out);
    ASSERT_TRUE(saved);
    EXPECT_GE(saved->step, 60);
    EXPECT_LT(saved->step, 400);
    EXPECT_EQ(lines_of(read_bytes(folder / (out + "/metrics.jsonl"))).size(),
              static_cast<size_t>(saved->step));

    const Outcome resumed =
        run_program({"train", "--resume", "--out", out}, {.folder = folder.path()});
    ASSERT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_PRED2(has, resumed.out, "going on after step " + std::to_string(saved->step));
    expect_same_results(folder, "whole", out);
  }
}

TEST(TrainProgram, KilledAtAnyMomentAndResumedGivesTheSameBits) {
  const TemporaryFolder folder;
  ASSERT_EQ(run_program(careful_run("whole"), {.folder = folder.path()}).status, 0);
  const Outcome killed =
      interrupted(folder, careful_run("killed"), "killed", "\nstep 100/400", SIGKILL);
  ASSERT_EQ(killed.status, 128 + SIGKILL);
  // What a run wrote beyond its last checkpoint, and a line that it did not finish.
  const std::string metrics = folder / "killed/metrics.jsonl";
  write_bytes(metrics, read_bytes(metrics) + "{\"step\":399,\"loss\":9.5}\n{\"step\":400,\"lo");
  const Words resume = {"train", "--resume", "--out", "killed"};
  {
    Program again(resume, {.folder = folder.path()});
    again.wait_for("\nstep 220/400");
    again.signal(SIGKILL);
    again.finish();
  }
  const Outcome resumed = run_program(resume, {.folder = folder.path()});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same_results(folder, "whole", "killed");
}

TEST(TrainProgram, KilledBeforeItsFirstStepsCanBeResumed) {
  const TemporaryFolder folder;
  const Words run = careful_run("run") + Words{"--save-every", "1000"};
  ASSERT_EQ(run_program(careful_run("whole"), {.folder = folder.path()}).status, 0);
  ASSERT_EQ(interrupted(folder, run, "run", "\nstep  40/400", SIGKILL).status, 128 + SIGKILL);
  ASSERT_EQ(run_program({"train", "--resume", "--out", "run"}, {.folder = folder.path()}).status,
            0);
  expect_same_results(folder, "whole", "run");
}

TEST(TrainProgram, ResumingAFinishedRunChangesNothing) {
  const TemporaryFolder folder;
  ASSERT_EQ(
      run_program(small_run + Words{"--steps", "5", "--out", "run"}, {.folder = folder.path()})
          .status,
      0);
  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  const std::string weights = read_bytes(folder / "run/model.safetensors");
  std::filesystem::remove(folder / "run/model.safetensors");  // as if killed before it was written
  const Outcome again =
      run_program({"train", "--resume", "--out", "run"}, {.folder = folder.path()});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(read_bytes(folder / "run/metrics.jsonl"), metrics);
  EXPECT_TRUE(read_bytes(folder / "run/model.safetensors") == weights);
}

TEST(TrainProgram, AFinishedRunCanBeTrainedOn) {
  const TemporaryFolder folder;
  const auto run = [&](const Words& more) {
    return run_program(more + Words{"--out", "run"}, {.folder = folder.path()});
  };
  ASSERT_EQ(run(small_run + Words{"--steps", "5"}).status, 0);
  const std::string metrics = read_bytes(folder / "run/metrics.jsonl");
  const std::string weights = read_bytes(folder / "run/model.safetensors");
  const Outcome on = run({"train", "--resume", "--steps", "9", "--lr", "0.001"});
  ASSERT_EQ(on.status, 0) << on.err;
  EXPECT_PRED2(has, on.out, "going on after step 5");
  EXPECT_EQ(data::latest_checkpoint(folder / "run")->step, 9);
  EXPECT_TRUE(read_bytes(folder / "run/metrics.jsonl").starts_with(metrics));
  EXPECT_FALSE(read_bytes(folder / "run/model.safetensors") == weights);
  // It is now a run of nine steps.
  EXPECT_PRED2(has, run({"train", "--resume"}).out, "all its steps were done already");
}

TEST(TrainProgram, WeightsThatAreNotFiniteAreNeverSaved) {
  const TemporaryFolder folder;
  const Outcome run = run_program(small_run + Words{"--steps", "1", "--warmup", "0", "--lr", "1e38",
                                                    "--keep", "1", "--out", "run"},
                                  {.folder = folder.path()});
  EXPECT_EQ(run.status, 2);
  EXPECT_PRED2(has, run.err, "is not finite any more: the run at step 1 is not saved");
  EXPECT_EQ(data::latest_checkpoint(folder / "run")->step, 0);
  EXPECT_EQ(run_program({"eval", "run"}, {.folder = folder.path()}).status, 0);

  // From elsewhere, they are told of.
  data::Checkpoint bad = data::load_checkpoint(folder / "run/step-000000000.rapt");
  bad.tensors["model.head.weight"].detach().copy_from(
      full(bad.tensors["model.head.weight"].shape(), std::nan("")));
  data::save_numbered(folder / "run", 1, bad);
  for (const Words& command : {Words{"eval", "run"}, Words{"sample", "run", "ab"},
                               Words{"train", "--resume", "--out", "run"}}) {
    const Outcome told = run_program(command, {.folder = folder.path()});
    EXPECT_EQ(told.status, 2);
    EXPECT_PRED2(has, told.err, "the weights are of no use: head.weight is not finite");
  }
}

TEST(TrainProgram, ATextIsResumedFromAnyFolder) {
  const TemporaryFolder folder;
  write_bytes(folder / "text.txt", small_text());
  std::filesystem::create_directory(folder / "elsewhere");
  const auto run = [](const std::string& out) {
    return Words{"train",    "--text",    "text.txt", "--context", "8",       "--width", "16",
                 "--layers", "1",         "--heads",  "2",         "--steps", "400",     "--batch",
                 "4",        "--dropout", "0.1",      "--out",     out};
  };
  ASSERT_EQ(run_program(run("whole"), {.folder = folder.path()}).status, 0);
  ASSERT_EQ(interrupted(folder, run("part"), "part", "\nstep  60/400", SIGINT).status, 130);
  const Outcome resumed =
      run_program({"train", "--resume", "--out", "../part"}, {.folder = folder / "elsewhere"});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  expect_same_results(folder, "whole", "part");
}

TEST(TrainProgram, SavesWhenNobodyReadsItsOutputAnyMore) {
  const TemporaryFolder folder;
  int status = 0;
  {
    // As `rapt train | head -1` does.
    const std::string command =
        "cd " + folder.path() + " && (" + RAPT_PROGRAM +
        " train --width 16 --layers 1 --heads 2 --batch 8 --max-length 4 "
        "--steps 20000 --save-every 20000 --out run; echo $? >status) | head -1 >/dev/null";
    status = std::system(command.c_str());
  }
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_bytes(folder / "status"), std::to_string(128 + SIGPIPE) + "\n");
  const auto saved = data::latest_checkpoint(folder / "run");
  ASSERT_TRUE(saved);
  EXPECT_GT(saved->step, 0);
}

TEST(TrainProgram, TwoOfThemNeverWorkInOneFolder) {
  const TemporaryFolder folder;
  Program first(small_run + Words{"--steps", "1000000", "--out", "run"}, {.folder = folder.path()});
  ASSERT_TRUE(first.wait_for("step "));
  const Outcome second =
      run_program({"train", "--resume", "--out", "run"}, {.folder = folder.path()});
  EXPECT_EQ(second.status, 2);
  EXPECT_EQ(second.err, "rapt: another run is at work in run\n");
}

TEST(TrainProgram, SaysWhenTheDiskIsFull) {
  const TemporaryFolder folder;
  const Outcome at_start = run_program(small_run + Words{"--steps", "5", "--out", "a/b"},
                                       {.folder = folder.path(), .largest_file = 1000});
  EXPECT_EQ(at_start.status, 2);
  EXPECT_PRED2(has, at_start.err, "a/b/step-000000000.rapt");
  EXPECT_EQ(lines_of(at_start.err).size(), 1U);
  EXPECT_EQ(folder.count(), 0);

  // Room for checkpoints, but not for the metrics of so many steps.
  const Outcome later =
      run_program(small_run + Words{"--steps", "20000", "--save-every", "20000", "--out", "run"},
                  {.folder = folder.path(), .largest_file = 100'000});
  EXPECT_EQ(later.status, 2);
  EXPECT_EQ(lines_of(later.err).back(),
            "rapt: run/metrics.jsonl: could not be written: File too large");
}

TEST(TrainProgram, StopsWhenTheLossIsNoNumberAnyMore) {
  const TemporaryFolder folder;
  const Outcome run =
      run_program(small_run + Words{"--steps", "500", "--lr", "1e30", "--out", "run"},
                  {.folder = folder.path()});
  EXPECT_EQ(run.status, 2);
  EXPECT_PRED2(has, run.err, "wanted a smaller --lr?");
  EXPECT_EQ(lines_of(run.err).size(), 1U);
}

}  // namespace
}  // namespace rapt::cli
