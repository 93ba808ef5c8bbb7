#include "rapt/data/tasks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "files.h"
#include "rapt/data/loader.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

std::set<Integers> sequences(const TaskOptions& options) {
  const TaskDataset dataset(options);
  std::set<Integers> out;
  for (int64_t i = 0; i < dataset.size(); ++i) out.insert(dataset.sequence(i));
  return out;
}

std::vector<Task> all_tasks() {
  std::vector<Task> out;
  for (int i = 0; i <= static_cast<int>(Task::histogram); ++i) out.push_back(static_cast<Task>(i));
  return out;
}

TEST(Tasks, LayTheExampleOutForADecoder) {
  const TaskDataset dataset({.task = Task::reverse, .max_length = 6, .seed = 3, .size = 50});
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const Integers sequence = dataset.sequence(i);
    const size_t n = sequence.size();
    const Integers tokens = dataset.get(i)["tokens"].values<int64_t>();
    const Integers targets = dataset.get(i)["targets"].values<int64_t>();
    ASSERT_EQ(tokens.size(), 2 * n + 1);
    ASSERT_EQ(targets.size(), 2 * n + 1);
    EXPECT_EQ(Integers(tokens.begin(), tokens.begin() + n), sequence);
    EXPECT_EQ(tokens[n], 26);
    for (size_t k = 0; k < n; ++k) {
      EXPECT_EQ(targets[k], -100);
      EXPECT_EQ(targets[n + k], sequence[n - 1 - k]);
      EXPECT_EQ(tokens[n + 1 + k], targets[n + k]);  // what was predicted is what comes next
    }
    EXPECT_EQ(targets.back(), 27);
  }
}

TEST(Tasks, DoWhatTheirNamesSay) {
  const auto answer = [](Task task, std::string_view text) {
    return TaskDataset({.task = task}).answer(text);
  };
  EXPECT_EQ(answer(Task::copy, "hello"), "hello");
  EXPECT_EQ(answer(Task::reverse, "hello"), "olleh");
  EXPECT_EQ(answer(Task::sort, "hello"), "ehllo");
  EXPECT_EQ(answer(Task::sort, "a"), "a");
  EXPECT_EQ(answer(Task::addition, "025+917"), "2490");
  EXPECT_EQ(answer(Task::addition, "9+9"), "81");
  EXPECT_EQ(answer(Task::multiplication, "12*34"), "8040");
  EXPECT_EQ(answer(Task::multiplication, "99*99"), "1089");  // 9801
  EXPECT_EQ(answer(Task::multiplication, "0*7"), "00");
  EXPECT_EQ(answer(Task::modular_arithmetic, "4+3*2"), "4");  // (4 + 3) * 2 = 14
  EXPECT_EQ(answer(Task::modular_arithmetic, "1-3"), "3");
  EXPECT_EQ(answer(Task::modular_arithmetic, "2"), "2");
  EXPECT_EQ(answer(Task::parity, "01101"), "1");
  EXPECT_EQ(answer(Task::parity, "0110"), "0");
  EXPECT_EQ(answer(Task::selective_copy, "a__bc_"), "abc");
  EXPECT_EQ(answer(Task::associative_recall, "a3c1f0cfa"), "103");
  EXPECT_EQ(answer(Task::associative_recall, "a3c1c"), "1");
  EXPECT_EQ(answer(Task::induction, "fdhacbd"), "hacb");
  EXPECT_EQ(answer(Task::dyck, "([]["), "])");
  EXPECT_EQ(answer(Task::dyck, "()"), "");
  EXPECT_EQ(answer(Task::majority, "abbcb"), "b");
  EXPECT_EQ(answer(Task::histogram, "abcaa"), "31133");
  EXPECT_EQ(answer(Task::histogram, "aaaaaaaaaaaa"), "CCCCCCCCCCCC");
}

TEST(Tasks, RefuseASequenceThatIsNoneOfTheirs) {
  const auto error = [](Task task, std::string_view text) {
    return error_of([&] { TaskDataset({.task = task}).answer(text); });
  };
  for (const char* text : {"12", "1+2+3", "12+3", "+1", "1+", "+"}) {
    EXPECT_TRUE(has(error(Task::addition, text), "two numbers of as many digits")) << text;
  }
  EXPECT_TRUE(has(error(Task::multiplication, "12"), "two numbers of as many digits"));
  for (const char* text : {"1+", "+1", "12", "1++2"}) {
    EXPECT_TRUE(has(error(Task::modular_arithmetic, text), "signs between them")) << text;
  }
  for (const char* text : {"a", "a1", "a1b", "aab", "1a1", "a1ab", "a1a2"}) {
    EXPECT_TRUE(has(error(Task::associative_recall, text), "some of the keys")) << text;
  }
  for (const char* text : {"a", "ab", "abc", "aa"}) {
    EXPECT_TRUE(has(error(Task::induction, text), "a last letter that came before")) << text;
  }
  for (const char* text : {")", "(]", "([)"}) {
    EXPECT_TRUE(has(error(Task::dyck, text), "what was opened last")) << text;
  }
  EXPECT_TRUE(has(error(Task::histogram, "a1"), "letters alone"));
  EXPECT_TRUE(has(error(Task::histogram, std::string(36, 'a')), "no letter more than 35 times"));
  EXPECT_TRUE(has(error(Task::copy, ""), "got an empty one"));
}

TEST(Tasks, SolveNothingButSymbolsAndSigns) {
  for (const Task task : all_tasks()) {
    const TaskDataset dataset({.task = task});
    for (const int64_t token : {int64_t{-1}, dataset.separator(), dataset.end()}) {
      EXPECT_ERROR("got " + std::to_string(token), dataset.solve({0, token, 0}));
    }
  }
}

// Whatever is drawn is solved, fits into what is promised, and is on its side alone.
TEST(Tasks, KeepTheirPromisesWhateverTheyAre) {
  for (const Task task : all_tasks()) {
    for (const Split split : {Split::train, Split::test}) {
      const TaskDataset dataset(
          {.task = task, .max_length = task == Task::parity ? 12 : 8, .split = split, .size = 500});
      for (int64_t i = 0; i < dataset.size(); ++i) {
        const Integers sequence = dataset.sequence(i), answer = dataset.solve(sequence);
        const NamedTensors example = dataset.get(i);
        const Integers tokens = example["tokens"].values<int64_t>();
        const Integers targets = example["targets"].values<int64_t>();
        ASSERT_LE(std::ssize(tokens), dataset.context()) << name_of(task);
        ASSERT_LE(std::ssize(answer) + 1, dataset.answer_length()) << name_of(task);
        ASSERT_EQ(tokens.size(), sequence.size() + 1 + answer.size());
        ASSERT_EQ(Integers(targets.end() - std::ssize(answer) - 1, targets.end() - 1), answer);
        ASSERT_EQ(targets.back(), dataset.end());
        ASSERT_EQ(tokens[sequence.size()], dataset.separator());
        // What a user would type.
        ASSERT_EQ(dataset.encode(dataset.decode(sequence)), sequence);
        ASSERT_EQ(dataset.prompt(dataset.decode(sequence)).size(), sequence.size() + 1);
      }
    }
  }
}

TEST(Tasks, OfEveryKindShareNoSequenceBetweenTrainAndTest) {
  for (const Task task : all_tasks()) {
    // Short ones, so that the same come often.
    TaskOptions options{.task = task, .max_length = 4, .size = 20'000};
    if (task == Task::parity || task == Task::dyck) options.max_length = 9;
    if (task == Task::majority) options.max_length = 6;
    if (task == Task::addition || task == Task::multiplication) options.max_length = 2;
    const std::set<Integers> train = sequences(options);
    options.split = Split::test;
    options.seed = 1;
    const std::set<Integers> test = sequences(options);
    EXPECT_FALSE(test.empty());
    for (const Integers& sequence : test) ASSERT_FALSE(train.contains(sequence)) << name_of(task);
  }
}

TEST(Tasks, SayWhenThereAreTooFewSequencesForATest) {
  EXPECT_ERROR("wanted a max_length of at least 8 for testing with 2 symbols",
               TaskDataset({.task = Task::parity, .max_length = 7, .split = Split::test}));
  EXPECT_ERROR("it has too few sequences for a test set of its own",
               TaskDataset({.task = Task::associative_recall, .symbols = 2, .split = Split::test}));
  EXPECT_ERROR("wanted a max_length of at most 16 for associative_recall; got 17",
               TaskDataset({.task = Task::associative_recall, .max_length = 17}));
  EXPECT_ERROR("at most 35 for histogram",
               TaskDataset({.task = Task::histogram, .max_length = 36}));
  EXPECT_ERROR("wanted 3 <= min_length <= max_length; got 2 and 16",
               TaskDataset({.task = Task::induction, .min_length = 2}));
  EXPECT_ERROR("wanted 2 to 2 symbols for parity; got 3",
               TaskDataset({.task = Task::parity, .symbols = 3}));
}

// Longer than any in training, of the same tokens: length generalization.
TEST(Tasks, MayBeLongerInTesting) {
  const TaskDataset train({.task = Task::reverse, .max_length = 8});
  const TaskDataset test(
      {.task = Task::reverse, .min_length = 9, .max_length = 16, .split = Split::test, .size = 50});
  EXPECT_EQ(train.vocabulary_size(), test.vocabulary_size());
  for (int64_t i = 0; i < 50; ++i) EXPECT_GE(test.sequence(i).size(), 9u);
  // Only min_length given, above the task's own longest.
  EXPECT_EQ(TaskDataset({.min_length = 20}).options().max_length, 20);
}

TEST(Tasks, HaveNames) {
  for (const Task task : all_tasks()) {
    EXPECT_EQ(task_named(name_of(task)), task);
    EXPECT_TRUE(is_task(name_of(task)));
    EXPECT_TRUE(has(task_names(), name_of(task)));
  }
  EXPECT_EQ(name_of(Task::sort), "sort");
  EXPECT_FALSE(is_task("shuffle"));
  EXPECT_ERROR("wanted one of copy, reverse, sort, addition, ", task_named("shuffle"));
}

TEST(Tasks, AreAFunctionOfSeedAndIndex) {
  const TaskDataset a({.seed = 5, .size = 100});
  const TaskDataset b({.seed = 5, .size = 1000});
  const TaskDataset c({.seed = 6, .size = 100});
  int same = 0;
  for (int64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(a.sequence(i), b.sequence(i));
    same += a.sequence(i) == c.sequence(i);
  }
  EXPECT_LT(same, 5);
}

TEST(Tasks, DrawLengthsAndSymbolsEvenly) {
  for (const Split split : {Split::train, Split::test}) {
    const TaskDataset dataset(
        {.min_length = 2, .max_length = 5, .symbols = 20, .split = split, .size = 8000});
    std::map<size_t, int> lengths;
    std::map<int64_t, int> symbols;
    for (int64_t i = 0; i < dataset.size(); ++i) {
      const Integers sequence = dataset.sequence(i);
      ++lengths[sequence.size()];
      for (const int64_t symbol : sequence) ++symbols[symbol];
    }
    EXPECT_EQ(lengths.size(), 4u);
    for (const auto& [length, count] : lengths) EXPECT_NEAR(count, 2000, 200) << length;
    EXPECT_EQ(symbols.size(), 20u);
    for (const auto& [symbol, count] : symbols) EXPECT_NEAR(count, 1400, 250) << symbol;
  }
}

TEST(Tasks, NeverShareASequenceBetweenTrainAndTest) {
  // Two symbols and lengths up to 9: 1,022 sequences in all, so both sides are seen whole, with
  // seeds, tasks and ranges of lengths of their own.
  const std::set<Integers> train =
      sequences({.task = Task::copy, .max_length = 9, .symbols = 2, .seed = 1, .size = 60'000});
  const std::set<Integers> test = sequences({.task = Task::sort,
                                             .min_length = 8,
                                             .max_length = 9,
                                             .symbols = 2,
                                             .seed = 2,
                                             .split = Split::test,
                                             .size = 20'000});
  for (const Integers& sequence : test) EXPECT_FALSE(train.contains(sequence));
  EXPECT_EQ(train.size() + test.size(), 1022u);
  // One in ten of the lengths that are split: 8 and 9, of which there are 768.
  EXPECT_NEAR(static_cast<double>(test.size()), 76.8, 4 * 8.3);
}

TEST(Tasks, KeepVeryShortSequencesForTraining) {
  const std::set<Integers> train = sequences({.max_length = 1, .size = 2000});
  EXPECT_EQ(train.size(), 26u);  // every symbol is seen alone
  const TaskDataset test({.max_length = 16, .split = Split::test, .size = 2000});
  std::set<size_t> lengths;
  for (int64_t i = 0; i < test.size(); ++i) lengths.insert(test.sequence(i).size());
  EXPECT_EQ(lengths.size(), 15u);
  EXPECT_EQ(*lengths.begin(), 2u);
  EXPECT_ERROR("wanted a max_length of at least 2 for testing with 26 symbols",
               TaskDataset({.max_length = 1, .split = Split::test}));
  EXPECT_ERROR("wanted a max_length of at least 8 for testing with 2 symbols",
               TaskDataset({.max_length = 7, .symbols = 2, .split = Split::test}));
}

TEST(Tasks, WriteTokensAsText) {
  const TaskDataset dataset({.task = Task::reverse, .max_length = 5});
  EXPECT_EQ(dataset.vocabulary_size(), 28);
  EXPECT_EQ(dataset.context(), 11);
  EXPECT_EQ(dataset.encode("hello"), (Integers{7, 4, 11, 11, 14}));
  EXPECT_EQ(dataset.prompt("hello"), (Integers{7, 4, 11, 11, 14, dataset.separator()}));
  EXPECT_EQ(dataset.decode({0, 25, dataset.separator(), 25, 0, dataset.end()}), "az|za.");
  EXPECT_EQ(TaskDataset({.symbols = 62}).encode("aA0zZ9"), (Integers{0, 26, 52, 25, 51, 61}));
}

TEST(Tasks, NameWhatTheyCannotTake) {
  const TaskDataset dataset({.max_length = 5, .symbols = 5, .size = 10});
  EXPECT_ERROR("wanted letters of \"abcde\"; got \"abf\"", dataset.encode("abf"));
  EXPECT_ERROR("got \"a b\"", dataset.encode("a b"));
  EXPECT_ERROR("wanted tokens in [0, 7); got 7", dataset.decode({7}));
  EXPECT_ERROR("got -100", dataset.decode({-100}));
  EXPECT_ERROR("wanted 1 to 5 letters; got 6", dataset.prompt("aaaaaa"));
  EXPECT_ERROR("wanted 1 to 5 letters; got 0", dataset.prompt(""));
  EXPECT_ERROR("wanted an index in [0, 10); got 10", dataset.get(10));
  EXPECT_ERROR("got -1", dataset.get(-1));
  EXPECT_ERROR("wanted 2 to 62 symbols for copy; got 1", TaskDataset({.symbols = 1}));
  EXPECT_ERROR("got 63", TaskDataset({.symbols = 63}));
  EXPECT_ERROR("got -1 and 16", TaskDataset({.min_length = -1}));
  EXPECT_ERROR("got 5 and 4", TaskDataset({.min_length = 5, .max_length = 4}));
  EXPECT_ERROR("size of at least 1; got 0", TaskDataset({.size = 0}));
}

TEST(Tasks, GoThroughALoader) {
  const TaskDataset task({.task = Task::copy, .max_length = 10, .seed = 1});
  Loader loader(task, {.batch_size = 64});
  const NamedTensors batch = loader.next();
  const int64_t longest = batch["tokens"].size(1);
  EXPECT_EQ(batch["tokens"].shape(), (Shape{64, longest}));
  const Integers targets = batch["targets"].values<int64_t>();
  const Integers lengths = batch["lengths"].values<int64_t>();
  for (int64_t b = 0; b < 64; ++b) {
    const auto row = targets.begin() + b * longest;
    const int64_t length = lengths[static_cast<size_t>(b)];
    EXPECT_EQ(row[length - 1], task.end());
    EXPECT_TRUE(std::all_of(row + length, row + longest, [](int64_t t) { return t == -100; }));
  }
}

}  // namespace
}  // namespace rapt::data
