#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "rapt/autograd/ops.h"
#include "rapt/data/checkpoint.h"
#include "runs.h"

// Whatever is wrong with a call: one line on standard error, exit status 2, and no file or folder
// made, changed or removed.

namespace rapt::cli {
namespace {

using Tree = std::map<std::string, std::string>;

/// Every file's bytes by its path, and every folder.
Tree tree_of(const std::string& folder) {
  Tree out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    out[entry.path().string()] = entry.is_directory() ? "folder" : read_bytes(entry.path());
  }
  return out;
}

struct Wrong {
  Words arguments;
  std::string message;  // a part of it
};

void expect_refused(const TemporaryFolder& folder, const std::vector<Wrong>& calls) {
  const Tree before = tree_of(folder.path());
  for (const auto& [arguments, message] : calls) {
    std::string call = "rapt";
    for (const std::string& argument : arguments) call += " " + argument;
    SCOPED_TRACE(call);
    const Outcome outcome = run_program(arguments, {.folder = folder.path()});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(lines_of(outcome.err).size(), 1U) << outcome.err;
    EXPECT_TRUE(outcome.err.starts_with("rapt: ") && outcome.err.ends_with("\n")) << outcome.err;
    EXPECT_PRED2(has, outcome.err, message);
    EXPECT_TRUE(tree_of(folder.path()) == before) << "files have changed";
  }
}

/// `rapt train` with one flag that cannot be.
Wrong bad_flag(const std::string& flag, const std::string& value, const std::string& message) {
  return {{"train", flag, value}, flag + ": " + message};
}

TEST(ProgramErrors, CommandsAndFlags) {
  const TemporaryFolder folder;
  expect_refused(folder, {
                             {{}, "wanted a command: train, verify, eval, sample or inspect"},
                             {{"dance"}, "inspect; got dance (rapt --help)"},
                             {{"trian"}, "did you mean train?"},
                             {{"evl", "run"}, "did you mean eval?"},
                             {{"train", "--bogus"}, "--bogus (rapt train --help)"},
                             {{"train", "reverse"}, "reverse"},
                             {{"train", "--width"}, "--width"},
                             {{"eval"}, "DIR is required"},
                             {{"sample"}, "DIR is required"},
                             {{"inspect"}, "FILE is required"},
                             {{"eval", "a", "b"}, "b"},
                             {{"eval", "a\nb\033"}, "a b : wanted"},
                         });
}

TEST(ProgramErrors, ValuesOfFlags) {
  const TemporaryFolder folder;
  std::vector<Wrong> calls;
  for (const std::string flag : {"--layers", "--width", "--heads", "--context", "--batch",
                                 "--steps", "--threads", "--save-every", "--keep"}) {
    calls.push_back(bad_flag(flag, "0", "wanted "));
    calls.push_back(bad_flag(flag, "-3", "wanted "));
    calls.push_back(bad_flag(flag, "1e3", "wanted a whole number; got 1e3"));
    calls.push_back(bad_flag(flag, "4x", "wanted a whole number; got 4x"));
    calls.push_back(bad_flag(flag, "99999999999999999999", "this number is out of range"));
  }
  for (const std::string flag : {"--lr", "--weight-decay", "--init-stddev", "--dropout"}) {
    for (const std::string value : {"-1", "nan", "inf", "-inf"}) {
      calls.push_back(bad_flag(flag, value, "wanted a "));
    }
    calls.push_back(bad_flag(flag, "1e999", "this number is out of range"));
    calls.push_back(bad_flag(flag, "much", "wanted a number; got much"));
  }
  for (const Wrong& call : {
           bad_flag("--dropout", "1", "wanted a probability in [0, 1); got 1"),
           bad_flag("--threads", "257", "wanted 1 to 256; got 257"),
           bad_flag("--seed", "-1", "wanted a whole number of at least 0; got -1"),
           bad_flag("--warmup", "-1", "wanted at least 0"),
           bad_flag("--warmup", "1000000", "wanted fewer than the"),
           bad_flag("--max-length", "1", "wanted 2 to 1000000; got 1"),
           bad_flag("--max-length", "4000000000000000000", "wanted 2 to 1000000"),
           bad_flag("--context", "3", "wanted at least 33 tokens"),
           bad_flag("--heads", "5", "wanted a divisor of --width"),
           bad_flag("--heads", "64", "wanted an even --width / --heads"),
           bad_flag("--positions", "absolute", "wanted learned, sinusoidal or rotary"),
           bad_flag("--task", "dance", "wanted one of copy, reverse, sort, addition"),
           bad_flag("--task", "text", "wanted --text FILE as well"),
       }) {
    calls.push_back(call);
  }
  calls.back().message = "--task text: wanted --text FILE as well";
  expect_refused(folder, calls);
}

TEST(ProgramErrors, ModelsTooLargeForAnyMachine) {
  const TemporaryFolder folder;
  const std::string message = "training this model would take more than ";
  expect_refused(folder, {
                             {{"train", "--width", "1000000000"}, message},
                             {{"train", "--width", "4000000000000000000"}, message},
                             {{"train", "--layers", "1000000000"}, message},
                             {{"train", "--batch", "1000000000000"}, message},
                             {{"train", "--context", "1000000000000"}, message},
                             {{"train", "--max-length", "1000000"}, message},
                         });
}

TEST(ProgramErrors, Texts) {
  const TemporaryFolder folder;
  write_bytes(folder / "empty.txt", "");
  write_bytes(folder / "short.txt", "too short");
  write_bytes(folder / "latin1.txt", repeated("caf\xe9 ", 1000));
  write_bytes(folder / "cut.txt", repeated("a", 1000) + "\xe2\x82");
  write_bytes(folder / "text.txt", small_text());
  const std::string too_short = "wanted more than ten times as many tokens as --context 64; got 9";
  const Words text = {"train", "--text", "text.txt"};
  expect_refused(folder, {
                             {{"train", "--text", "none.txt"}, "none.txt: No such file"},
                             {{"train", "--text", "."}, "a folder"},
                             {{"train", "--text", "/dev/null"}, "wanted a regular file"},
                             {{"train", "--text", "empty.txt"}, "empty.txt"},
                             {{"train", "--text", "latin1.txt"}, "latin1.txt"},
                             {{"train", "--text", "cut.txt"}, "cut.txt"},
                             {{"train", "--text", "short.txt", "--context", "64"}, too_short},
                             {text + Words{"--task", "copy"}, "--text: wanted no --task beside it"},
                             {text + Words{"--max-length", "5"}, "--max-length: "},
                             {text + Words{"--context", "1000000000000"}, "as --context "},
                         });
}

/// A finished run of five steps in run/.
class RunErrors : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(
        run_program(small_run + Words{"--steps", "5", "--out", "run"}, {.folder = folder.path()})
            .status,
        0);
  }

  std::string checkpoint() const { return read_bytes(folder / "run/step-000000005.rapt"); }

  /// A folder with a checkpoint of these bytes.
  void add_run(const std::string& name, const std::string& bytes) {
    std::filesystem::create_directory(folder / name);
    write_bytes(folder / (name + "/step-000000005.rapt"), bytes);
  }

  TemporaryFolder folder;
};

TEST_F(RunErrors, Folders) {
  write_bytes(folder / "file", "not a folder");
  std::filesystem::create_directory(folder / "nothing");
  std::filesystem::create_directory(folder / "old");
  write_bytes(folder / "old/metrics.jsonl", "{\"step\":1,\"loss\":2}\n");
  expect_refused(
      folder,
      {
          {{"train", "--out", "run"}, "--out run: holds a run already; --resume goes on with it"},
          {{"train", "--out", "old"}, "--out old: holds the metrics.jsonl of an earlier run"},
          {{"train", "--out", "file"}, "file: wanted the folder of a run; got a file"},
          {{"train", "--out", "file/below"}, "file/below"},
          {{"train", "--out", "/proc/none/run"}, "could not make this folder"},
          {{"train", "--out", "new/run", "--width", "15", "--heads", "5"}, "--heads"},
          {{"train", "--resume"}, "--resume: wanted --out DIR"},
          {{"train", "--resume", "--out", "none"}, "--out none: holds no run"},
          {{"train", "--resume", "--out", "nothing"}, "--out nothing: holds no run"},
          {{"train", "--resume", "--out", "file"}, "file: wanted the folder of a run; got a file"},
          {{"eval", "none"}, "none: wanted the folder of a run; found no checkpoints there"},
          {{"eval", "nothing"}, "nothing: wanted the folder of a run"},
          {{"eval", "file"}, "file: wanted the folder of a run; got a file"},
          {{"sample", "none", "abc"}, "none: wanted the folder of a run"},
          {{"inspect", "none"}, "none: No such file"},
          {{"inspect", "nothing"}, "nothing: wanted a file, or a folder with checkpoints"},
          {{"inspect", "file"},
           "file: wanted a rapt checkpoint or a safetensors file; got neither"},
          {{"inspect", "/dev/null"}, "wanted a regular file"},
      });
}

TEST_F(RunErrors, ResumingWithOtherSettings) {
  std::vector<Wrong> calls;
  for (const auto& [flag, value] : std::map<std::string, std::string>{{"--task", "sort"},
                                                                      {"--max-length", "5"},
                                                                      {"--layers", "2"},
                                                                      {"--width", "32"},
                                                                      {"--heads", "4"},
                                                                      {"--context", "100"},
                                                                      {"--positions", "learned"},
                                                                      {"--dropout", "0.5"},
                                                                      {"--batch", "9"},
                                                                      {"--weight-decay", "0.5"},
                                                                      {"--init-stddev", "0.5"},
                                                                      {"--seed", "77"}}) {
    calls.push_back(
        {{"train", "--resume", "--out", "run", flag, value}, flag + ": the run was started with "});
  }
  calls.push_back({{"train", "--resume", "--out", "run", "--text", "t.txt"},
                   "--text: the run is one of --task"});
  calls.push_back({{"train", "--resume", "--out", "run", "--steps", "0"}, "--steps: wanted at"});
  expect_refused(folder, calls);
}

TEST_F(RunErrors, InputsOfSampleAndEval) {
  const Words sample = {"sample", "run"};
  expect_refused(folder,
                 {
                     {sample + Words{"abcde"}, "abcde"},  // one more than --max-length
                     {sample + Words{"ab", "a?"}, "?"},
                     {sample + Words{""}, "INPUT"},
                     {sample + Words{"ab", "--length", "0"}, "--length: wanted at least 1"},
                     {sample + Words{"ab", "--top-k", "-1"}, "--top-k: wanted at least 0"},
                     {sample + Words{"ab", "--temperature", "-1"}, "--temperature: "},
                     {sample + Words{"ab", "--temperature", "inf"}, "--temperature: "},
                     {sample + Words{"ab", "--seed", "x"}, "--seed: "},
                     {{"eval", "run", "--count", "0"}, "--count: wanted 1 to 1000000; got 0"},
                     {{"eval", "run", "--count", "9999999999"}, "--count: wanted 1 to"},
                 });
}

TEST_F(RunErrors, DamagedCheckpoints) {
  const std::string good = checkpoint();
  add_run("empty", "");
  add_run("cut", good.substr(0, good.size() / 2));
  add_run("other", repeated("This is something else altogether.\n", 100));
  std::string flipped = good;
  flipped[good.size() - 100] = static_cast<char>(flipped[good.size() - 100] ^ 4);
  add_run("flipped", flipped);
  for (const std::string run : {"empty", "cut", "other", "flipped"}) {
    expect_refused(folder, {{{"train", "--resume", "--out", run}, run + "/step-000000005.rapt"},
                            {{"eval", run}, run + "/step-000000005.rapt"},
                            {{"sample", run, "ab"}, run + "/step-000000005.rapt"}});
    if (run != "flipped") {  // inspect does not read the elements
      expect_refused(folder, {{{"inspect", run}, run + "/step-000000005.rapt"}});
    }
  }
}

TEST_F(RunErrors, CheckpointsOfSomethingElse) {
  std::filesystem::create_directory(folder / "mine");
  std::filesystem::create_directory(folder / "liar");
  const std::string mine = folder / "mine/step-000000001.rapt";
  data::save_checkpoint(mine, {.tensors = {{"w", zeros({2, 3})}}, .values = {{"step", "1"}}});
  data::Checkpoint liar = data::load_checkpoint(folder / "run/step-000000005.rapt");
  liar.values.set("options.width", 1'000'000'000);
  data::save_checkpoint(folder / "liar/step-000000001.rapt", liar);
  expect_refused(folder,
                 {
                     {{"eval", "mine"}, "wanted a checkpoint of rapt train"},
                     {{"train", "--resume", "--out", "mine"}, "wanted a checkpoint of rapt"},
                     {{"eval", "liar"}, "its weights are smaller than its options say"},
                 });
}

TEST(ProgramErrors, ATextThatIsGoneOrHasChanged) {
  const TemporaryFolder folder;
  write_bytes(folder / "text.txt", small_text());
  ASSERT_EQ(run_program({"train", "--text", "text.txt", "--context", "8", "--width", "16",
                         "--layers", "1", "--heads", "2", "--steps", "3", "--out", "run"},
                        {.folder = folder.path()})
                .status,
            0);
  const Words resume = {"train", "--resume", "--out", "run"};
  std::string other = small_text();
  std::swap(other[other.size() - 2], other[other.size() - 3]);  // the same size and characters
  write_bytes(folder / "text.txt", other);
  expect_refused(folder, {{resume, "this text has changed since"},
                          {{"eval", "run"}, "this text has changed since"}});
  write_bytes(folder / "text.txt", small_text() + "Q");
  expect_refused(folder, {{resume, "text.txt"}});
  std::filesystem::remove(folder / "text.txt");
  expect_refused(folder, {{resume, "text.txt: No such file"}, {{"eval", "run"}, "text.txt"}});
  // It is known by what it says, wherever it is.
  std::filesystem::create_directory(folder / "moved");
  write_bytes(folder / "moved/other-name.txt", other);
  expect_refused(folder, {{resume + Words{"--text", "moved/other-name.txt"},
                           "this is another text than the run was started with"}});
  write_bytes(folder / "moved/other-name.txt", small_text());
  EXPECT_EQ(run_program(resume + Words{"--text", "moved/other-name.txt", "--steps", "5"},
                        {.folder = folder.path()})
                .status,
            0);
  EXPECT_EQ(run_program({"eval", "run"}, {.folder = folder.path()}).status, 0);
  // Writing needs no text.
  EXPECT_EQ(run_program({"sample", "run"}, {.folder = folder.path()}).status, 0);
}

TEST(ProgramErrors, OutputThatCannotBeWritten) {
  const TemporaryFolder folder;
  ASSERT_EQ(
      run_program(small_run + Words{"--steps", "2", "--out", "run"}, {.folder = folder.path()})
          .status,
      0);
  const Outcome outcome =
      run_program({"eval", "run"}, {.folder = folder.path(), .output_to = "/dev/full"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.err, "rapt: standard output: could not be written\n");
}

}  // namespace
}  // namespace rapt::cli
