#include <gtest/gtest.h>

#include "cli/evaluate.h"
#include "cli/run.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/decoding/generate.h"
#include "runs.h"

namespace rapt::cli {
namespace {

TEST(CountMatches, LooksOnlyAtTokensThatCount) {
  using Ids = std::vector<int64_t>;
  const Tensor predicted = rapt::from_values(Ids{1, 0, 2, 0, 0, 0, 2, 2, 2}, {3, 3});
  const Tensor targets = rapt::from_values(Ids{-100, 0, 2, 1, 0, -100, 2, 2, 0}, {3, 3});
  const Matches matches = count_matches(one_hot(predicted, 3), targets);
  EXPECT_EQ(matches.tokens, 7);
  EXPECT_EQ(matches.right, 5);
  EXPECT_EQ(matches.sequences_right, 1);
}

// Trained long enough to get some right, and not all.
TEST(Evaluate, AgreesWithGenerationAndWithOneExampleAtATime) {
  const TemporaryFolder folder;
  const Words flags = {"--task", "copy", "--max-length", "3",     "--steps",
                       "600",    "--lr", "0.02",         "--out", "run"};
  ASSERT_EQ(run_program(small_run + flags, {.folder = folder.path()}).status, 0);
  auto run = open(folder / "run", true);
  const NoGrad no_grad;
  run.model->eval();
  constexpr int64_t count = 100;
  double loss = 0, tokens = 0, exact = 0;
  Rng rng(0);
  const data::TaskDataset test = task_dataset(run.options, data::Split::test, test_sequences);
  for (int64_t i = 0; i < count; ++i) {
    const NamedTensors example = run.test->get(i);
    const Tensor logits = (*run.model)(unsqueeze(example["tokens"], 0));
    const Loss one = cross_entropy(logits, unsqueeze(example["targets"], 0));
    loss += one.sum.item();
    tokens += one.count;
    std::vector<int64_t> answer = test.solve(test.sequence(i));
    answer.push_back(test.end());
    const auto generated =
        nn::generate(*run.model, test.prompt(test.decode(test.sequence(i))),
                     {.max_tokens = 5, .temperature = 0, .stop = {test.end()}}, rng);
    exact += generated == answer;
  }
  ASSERT_GT(exact, 0);
  ASSERT_LT(exact, count);
  run.model->train();
  const Evaluation e = evaluate(*run.model, run.test, {.count = count, .batch = 7});
  EXPECT_EQ(e.sequences, count);
  EXPECT_NEAR(e.loss, loss / tokens, 1e-5);
  EXPECT_EQ(e.exact_match, exact / count);
  EXPECT_TRUE(run.model->training());
}

}  // namespace
}  // namespace rapt::cli
