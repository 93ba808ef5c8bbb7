#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "rapt/autograd/ops.h"
#include "rapt/data/safetensors.h"
#include "rapt/data/utf8.h"
#include "runs.h"

namespace rapt::cli {
namespace {

using nlohmann::json;

size_t longest_line(const std::string& text) {
  size_t longest = 0;
  for (const std::string& line : lines_of(text)) longest = std::max(longest, line.size());
  return longest;
}

TEST(Program, HelpFitsATerminalAndNamesEveryFlag) {
  const Outcome help = run_program({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* command : {"train", "verify", "eval", "sample", "inspect"}) {
    EXPECT_PRED2(has, help.out, command);
    const Outcome more = run_program({command, "--help"});
    EXPECT_EQ(more.status, 0);
    EXPECT_EQ(more.err, "");
    EXPECT_LE(longest_line(more.out), 80U) << more.out;
  }
  const std::string train = run_program({"train", "--help"}).out;
  for (const char* flag :
       {"--task", "--text", "--layers", "--width", "--heads", "--context", "--batch", "--steps",
        "--lr", "--seed", "--threads", "--out", "--resume"}) {
    EXPECT_PRED2(has, train, flag);
  }
}

TEST(Program, HelpIsACommandToo) {
  EXPECT_EQ(run_program({"help"}).out, run_program({"--help"}).out);
  EXPECT_EQ(run_program({"help", "eval"}).out, run_program({"eval", "--help"}).out);
}

TEST(Program, VerifyKeepsItsPromisesForEveryTaskAndText) {
  const TemporaryFolder folder;
  write_bytes(folder / "text.txt", small_text());
  const ProgramOptions here = {.folder = folder.path()};
  for (const Words& what : {Words{}, Words{"--task", "copy", "--positions", "learned"},
                            Words{"--task", "sort", "--dropout", "0.1"},
                            Words{"--text", "text.txt", "--context", "8"}}) {
    const Outcome outcome =
        run_program(Words{"verify", "--json", "--width", "16", "--heads", "2"} + what, here);
    EXPECT_EQ(outcome.status, 0) << outcome.out << outcome.err;
    EXPECT_TRUE(json::parse(outcome.out)["kept"]);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "runs")) << "it writes nothing";
}

TEST(Program, VerifyEndsWithOneWhereAPromiseIsBroken) {
  const Outcome outcome = run_program({"verify", "--width", "16", "--init-stddev", "3"});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_PRED2(has, outcome.out, "first_loss   broken: the loss is ");
}

TEST(Program, Version) {
  const Outcome outcome = run_program({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(outcome.out.starts_with("rapt ")) << outcome.out;
}

TEST(Program, TheLastOfAFlagCounts) {
  const TemporaryFolder folder;
  const Outcome run =
      run_program(small_run + Words{"--steps", "9", "--steps", "2"}, {.folder = folder.path()});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_PRED2(has, run.out, "2 steps of 8 sequences");
}

/// The copy task, learnt well enough to answer "ab".
class TaskRun : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome run =
        run_program(small_run + Words{"--task", "copy", "--steps", "20", "--out", "run"}, here);
    ASSERT_EQ(run.status, 0) << run.err;
    last_line = json::parse(lines_of(read_bytes(folder / "run/metrics.jsonl")).back());
  }

  TemporaryFolder folder;
  ProgramOptions here = {.folder = folder.path()};
  json last_line;
};

TEST_F(TaskRun, EvalPrintsWhatTrainingMeasured) {
  const Outcome plain = run_program({"eval", "run"}, here);
  EXPECT_EQ(plain.status, 0) << plain.err;
  for (const char* key : {"exact_match", "loss", "accuracy"}) EXPECT_PRED2(has, plain.out, key);

  const Outcome outcome = run_program({"eval", "run", "--json"}, here);
  EXPECT_EQ(lines_of(outcome.out).size(), 1U);
  const json object = json::parse(outcome.out);
  EXPECT_EQ(object["step"], 20);
  EXPECT_EQ(object["sequences"], 1000);
  EXPECT_EQ(object["loss"], last_line["test_loss"]);
  EXPECT_EQ(object["accuracy"], last_line["test_accuracy"]);
  EXPECT_EQ(object["exact_match"], last_line["test_exact_match"]);
}

TEST_F(TaskRun, EvalTakesAsManySequencesAsAskedFor) {
  for (const int count : {1, 7, 1500}) {
    const Outcome outcome =
        run_program({"eval", "run", "--json", "--count", std::to_string(count)}, here);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(json::parse(outcome.out)["sequences"], count);
  }
}

TEST_F(TaskRun, SampleAnswersEachInput) {
  const Outcome outcome = run_program({"sample", "run", "ab", "zzz"}, here);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const Words lines = lines_of(outcome.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].starts_with("ab -> ")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with("zzz -> ")) << lines[1];
  // With none given, some that it has not seen.
  EXPECT_EQ(lines_of(run_program({"sample", "run"}, here).out).size(), 5U);
}

TEST_F(TaskRun, SampleSaysWhichAnswersAreWrong) {
  // Drawn almost evenly, nothing is copied right.
  const Outcome outcome = run_program({"sample", "run", "abcd", "--temperature", "1000"}, here);
  EXPECT_PRED2(has, outcome.out, "(wrong: abcd)");
}

TEST_F(TaskRun, InspectListsTensors) {
  const std::string file = "run/step-000000020.rapt";
  const std::string weight = "blocks.0.attention.query.weight";
  for (const std::string& path : {std::string("run"), file, std::string("run/model.safetensors")}) {
    const bool is_checkpoint = path != "run/model.safetensors";
    const Outcome plain = run_program({"inspect", path}, here);
    EXPECT_EQ(plain.status, 0) << plain.err;
    EXPECT_PRED2(has, plain.out, weight);
    EXPECT_PRED2(has, plain.out, "[16, 16]");
    EXPECT_PRED2(has, plain.out, "1024 bytes");

    const json object = json::parse(run_program({"inspect", path, "--json"}, here).out);
    EXPECT_EQ(object["format"], is_checkpoint ? "rapt checkpoint" : "safetensors");
    EXPECT_EQ(object["bytes"], std::filesystem::file_size(
                                   folder / (is_checkpoint ? file : "run/model.safetensors")));
    size_t found = 0;
    for (const json& tensor : object["tensors"]) {
      if (tensor["name"] != (is_checkpoint ? "model." : "") + weight) continue;
      ++found;
      EXPECT_EQ(tensor["shape"], json({16, 16}));
      EXPECT_EQ(tensor["dtype"], is_checkpoint ? "f32" : "F32");
      EXPECT_EQ(tensor["bytes"], 1024);
    }
    EXPECT_EQ(found, 1U);
    if (is_checkpoint) {
      EXPECT_EQ(object["values"]["options.task"], "copy");
    }
  }
}

TEST_F(TaskRun, InspectFindsDamagedElementsAndSuchAsAreNotFinite) {
  for (const std::string& path : {std::string("run"), std::string("run/model.safetensors")}) {
    const Outcome whole = run_program({"inspect", "--check", path}, here);
    EXPECT_EQ(whole.status, 0) << whole.err;
    EXPECT_PRED2(has, whole.out, "all elements are whole\n");
  }
  std::string bytes = read_bytes(folder / "run/step-000000020.rapt");
  bytes[bytes.size() / 2] ^= 1;
  write_bytes(folder / "damaged.rapt", bytes);
  EXPECT_EQ(run_program({"inspect", "damaged.rapt"}, here).status, 0);
  EXPECT_EQ(run_program({"inspect", "--check", "damaged.rapt"}, here).status, 2);
  data::save_safetensors(folder / "nan.safetensors", {{"w", log(rapt::full({2}, -1))}});
  const Outcome nan = run_program({"inspect", "--check", "nan.safetensors"}, here);
  EXPECT_PRED2(has, nan.out, "not finite: w\n");
  EXPECT_EQ(nan.status, 1);
}

class TextRun : public testing::Test {
 protected:
  void SetUp() override {
    write_bytes(folder / "text.txt", small_text());
    const Outcome run = run_program(
        {"train", "--text", "text.txt", "--context", "8", "--width", "16", "--layers", "1",
         "--heads", "2", "--steps", "60", "--batch", "8", "--lr", "0.01", "--out", "run"},
        here);
    ASSERT_EQ(run.status, 0) << run.err;
    trained = run.out;
  }

  std::string sample(const Words& more) {
    const Outcome outcome = run_program(Words{"sample", "run", "--length", "50"} + more, here);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.out;
  }

  TemporaryFolder folder;
  ProgramOptions here = {.folder = folder.path()};
  std::string trained;
};

TEST_F(TextRun, LearnsAndPrintsItsValidationLoss) {
  EXPECT_PRED2(has, trained, "validation loss ");
  const Words lines = lines_of(read_bytes(folder / "run/metrics.jsonl"));
  EXPECT_LT(json::parse(lines.back())["test_loss"].get<double>(),
            0.9 * json::parse(lines.front())["loss"].get<double>());
  const json eval = json::parse(run_program({"eval", "run", "--json"}, here).out);
  const double loss = eval["loss"];
  EXPECT_EQ(loss, json::parse(lines.back())["test_loss"]);
  EXPECT_NEAR(eval["perplexity"], std::exp(loss), 1e-9);
  EXPECT_NEAR(eval["bits_per_character"], loss / std::log(2), 1e-9);
  EXPECT_FALSE(eval.contains("exact_match"));
}

TEST_F(TextRun, SamplesAreUtf8AndBeginWithThePrompt) {
  const std::string out = sample({"żółw 🐢", "plain"});
  EXPECT_EQ(data::decode_utf8(out).size(), 6 + 50 + 1 + 5 + 50 + 1U);
  EXPECT_TRUE(out.starts_with("żółw 🐢")) << out;
  EXPECT_PRED2(has, out, "\nplain");
}

TEST_F(TextRun, SamplesDependOnTheSeedAlone) {
  const std::string first = sample({"p", "--temperature", "1.5"});
  EXPECT_EQ(sample({"p", "--temperature", "1.5"}), first);
  EXPECT_EQ(sample({"p", "--temperature", "1.5", "--seed", "0"}), first);
  EXPECT_NE(sample({"p", "--temperature", "1.5", "--seed", "5"}), first);
}

TEST_F(TextRun, TheBestOfOneIsGreedy) {
  const std::string greedy = sample({"p", "--temperature", "0"});
  EXPECT_EQ(sample({"p", "--temperature", "0", "--seed", "9"}), greedy);
  EXPECT_EQ(sample({"p", "--temperature", "3", "--top-k", "1", "--seed", "9"}), greedy);
  EXPECT_NE(sample({"p", "--temperature", "3", "--top-k", "5", "--seed", "9"}), greedy);
}

TEST_F(TextRun, ACharacterThatTheTextLacksIsNamed) {
  const Outcome outcome = run_program({"sample", "run", "plain X"}, here);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_PRED2(has, outcome.err, "U+0058 'X'");
}

}  // namespace
}  // namespace rapt::cli
