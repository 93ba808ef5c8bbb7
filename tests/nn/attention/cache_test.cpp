// KeyValueCache: step by step as the whole, to the bit; sequences of their own lengths, selected
// and cut; what a step refuses.

#include "rapt/nn/attention/cache.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "../../support/tensors.h"
#include "rapt/nn/attention/multi_head.h"

namespace rapt::nn {
namespace {

using tests::error_of;
using tests::same_bits;

struct Case {
  std::string name;
  MultiHeadAttentionOptions options;
};

/// Every kind of position and score, window and head.
std::vector<Case> cases() {
  using Positions = AttentionPositions;
  const MultiHeadAttentionOptions plain{.width = 24, .heads = 4};
  std::vector<Case> all = {{"plain", plain}};
  const auto add = [&](const std::string& name,
                       const std::function<void(MultiHeadAttentionOptions&)>& f) {
    MultiHeadAttentionOptions o = plain;
    f(o);
    all.push_back({name, o});
  };
  add("rotary", [](auto& o) { o.positions = Positions::rotary({.width = 4}); });
  add("alibi", [](auto& o) { o.positions = Positions::alibi(); });
  add("relative bias", [](auto& o) { o.positions = Positions::relative_bias(8, 20); });
  add("relative keys", [](auto& o) { o.positions = Positions::relative_keys(5); });
  add("grouped, window", [](auto& o) {
    o.key_value_heads = 2;
    o.window = 9;
    o.positions = Positions::rotary();
  });
  add("one head of keys, sink", [](auto& o) {
    o.key_value_heads = 1;
    o.sink = true;
  });
  add("cosine, norm, gate", [](auto& o) {
    o.score = ScoreKind::cosine;
    o.query_key_norm = NormKind::rms;
    o.gate = true;
  });
  add("additive", [](auto& o) { o.score = ScoreKind::additive; });
  add("soft cap", [](auto& o) { o.soft_cap = 5.0; });
  return all;
}

/// Two layers, as a model of the user's has them.
struct Layers {
  Layers(const MultiHeadAttentionOptions& o, Rng& rng) : first(o, rng), second(o, rng) {}

  Tensor operator()(const Tensor& x) const { return run(x, {.mask = Mask::causal()}); }
  Tensor operator()(const Tensor& x, KeyValueCache& cache, const Tensor& lengths = {}) const {
    const CacheStep step(cache, x.size(0), x.size(1), lengths);
    return run(x, {.mask = Mask::causal(), .cache = &cache});
  }
  Tensor run(const Tensor& x, const AttendOptions& how) const {
    return second(x + first(x, how), how);
  }
  MultiHeadAttention first, second;
};

Tensor tokens(const Tensor& x, int64_t begin, int64_t end) { return slice(x, 1, begin, end); }

// Blocks of keys are of 128: the lengths cross them.
TEST(KeyValueCache, StepByStepHasTheBitsOfTheWhole) {
  const NoGrad no_grad;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Rng rng(3);
    const Layers layers(c.options, rng);
    const Tensor x = rng.normal({2, 140, 24});
    const Tensor whole = layers(x);
    KeyValueCache cache;
    for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{
             {0, 1}, {1, 70}, {70, 71}, {71, 128}, {128, 129}, {129, 139}, {139, 140}}) {
      const Tensor y = layers(tokens(x, begin, end), cache);
      EXPECT_TRUE(same_bits(y, tokens(whole, begin, end))) << begin;
    }
    EXPECT_EQ(cache.lengths(), (std::vector<int64_t>{140, 140}));
  }
}

TEST(KeyValueCache, EachSequenceHasItsOwnLength) {
  const NoGrad no_grad;
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Rng rng(5);
    const Layers layers(c.options, rng);
    const Tensor x = rng.normal({3, 150, 24});
    const Tensor whole = layers(x);
    // Prompts of these lengths, padded at the right with what must have no say; then more.
    const std::vector<int64_t> prompts = {130, 2, 61};
    Tensor given = tokens(x, 0, 130).clone();
    for (int64_t b : {1, 2}) {
      Tensor padding = slice(select(given, 0, b), 0, prompts[static_cast<size_t>(b)], 130);
      padding.copy_from(full(padding.shape(), std::nan("")));
    }
    KeyValueCache cache;
    const Tensor first = layers(given, cache, from_values(prompts));
    std::vector<int64_t> at = prompts;
    const auto expect_rows = [&](const Tensor& y, int64_t count) {
      for (int64_t b = 0; b < 3; ++b) {
        const int64_t begin = at[static_cast<size_t>(b)];
        EXPECT_TRUE(same_bits(slice(select(y, 0, b), 0, 0, count),
                              slice(select(whole, 0, b), 0, begin, begin + count)))
            << b << " at " << begin;
      }
    };
    for (int64_t b = 0; b < 3; ++b) {
      const int64_t n = prompts[static_cast<size_t>(b)];
      EXPECT_TRUE(
          same_bits(slice(select(first, 0, b), 0, 0, n), slice(select(whole, 0, b), 0, 0, n)));
    }
    for (const int64_t count : {1, 1, 7, 1}) {
      Tensors rows;
      for (int64_t b = 0; b < 3; ++b) {
        const int64_t begin = at[static_cast<size_t>(b)];
        rows.push_back(slice(select(x, 0, b), 0, begin, begin + count));
      }
      expect_rows(layers(stack(rows, 0), cache), count);
      for (int64_t& place : at) place += count;
    }
    EXPECT_EQ(cache.lengths(), at);
    EXPECT_EQ(cache.longest(), 140);
  }
}

/// Runs on from a cache and from nothing: the sequences of x, whose ends are given.
TEST(KeyValueCache, SelectedSequencesGoOnAsTheirOwn) {
  const NoGrad no_grad;
  Rng rng(7);
  const Layers layers({.width = 24, .heads = 4, .positions = AttentionPositions::rotary()}, rng);
  std::vector<Tensor> sequences = {rng.normal({80, 24}), rng.normal({80, 24}),
                                   rng.normal({80, 24})};
  KeyValueCache cache;
  (void)layers(stack(Tensors(sequences.begin(), sequences.end()), 0), cache);
  // Beams: they split, swap, die, and their number changes.
  for (const std::vector<int64_t>& rows : std::vector<std::vector<int64_t>>{{1, 0, 1},
                                                                            {2, 1, 0},
                                                                            {0, 0, 1},
                                                                            {2, 2, 2},
                                                                            {0, 1, 2},
                                                                            {1, 2, 0},
                                                                            {2, 0},
                                                                            {1, 0},
                                                                            {0, 1, 1, 0}}) {
    SCOPED_TRACE(testing::PrintToString(rows));
    std::vector<Tensor> next;
    for (const int64_t row : rows) next.push_back(sequences[static_cast<size_t>(row)]);
    sequences = next;
    cache.select(rows);
    Tensors added;
    for (Tensor& s : sequences) {
      added.push_back(rng.normal({1, 24}));
      s = concat({s, added.back()}, 0);
    }
    const Tensor y = layers(stack(added, 0), cache);
    for (size_t b = 0; b < sequences.size(); ++b) {
      const Tensor alone = layers(unsqueeze(sequences[b], 0));
      EXPECT_TRUE(
          same_bits(select(y, 0, static_cast<int64_t>(b)), tokens(alone, -1, alone.size(1))[0]));
    }
  }
}

TEST(KeyValueCache, TruncatedSequencesGoOnFromThere) {
  const NoGrad no_grad;
  Rng rng(8);
  const Layers layers({.width = 24, .heads = 4}, rng);
  const Tensor x = rng.normal({2, 40, 24}), other = rng.normal({2, 3, 24});
  KeyValueCache cache;
  (void)layers(x, cache);
  cache.select({0, 0});
  cache.truncate({30, 20});
  cache.select({1, 0});
  const Tensor y = layers(other, cache);
  const auto expected = [&](int64_t row, int64_t length) {
    return layers(unsqueeze(concat({slice(x[0], 0, 0, length), other[row]}, 0), 0));
  };
  EXPECT_TRUE(same_bits(y[0], tokens(expected(0, 20), 20, 23)[0]));
  EXPECT_TRUE(same_bits(y[1], tokens(expected(1, 30), 30, 33)[0]));
  cache.clear();
  EXPECT_TRUE(cache.lengths().empty());
  EXPECT_TRUE(same_bits(layers(x, cache), layers(x)));
}

TEST(KeyValueCache, AMemorysKeysAreMadeOnce) {
  const NoGrad no_grad;
  Rng rng(9);
  const MultiHeadAttention cross(
      {.width = 24, .heads = 4, .memory_width = 10, .query_key_norm = NormKind::rms}, rng);
  const Tensor x = rng.normal({2, 5, 24}), memory = rng.normal({2, 9, 10});
  const Mask mask = Mask::lengths(from_values<int64_t>({9, 4}));
  const Tensor whole = cross(x, memory, {.mask = mask});
  KeyValueCache cache;
  for (int64_t t = 0; t < 5; ++t) {
    const CacheStep step(cache, 2, 1);
    const Tensor y = cross(tokens(x, t, t + 1), memory, {.mask = mask, .cache = &cache});
    EXPECT_TRUE(same_bits(y, tokens(whole, t, t + 1))) << t;
  }
  // The keys are those of then, whatever is in the memory now.
  Tensor handle = memory;
  handle.copy_from(zeros(memory.shape()));
  cache.select({1, 0, 1});
  const Tensor three = index_select(x, 0, from_values<int64_t>({1, 0, 1}));
  const Tensor kept = index_select(memory, 0, from_values<int64_t>({1, 0, 1}));
  const CacheStep step(cache, 3, 5);
  const Mask selected = Mask::lengths(from_values<int64_t>({4, 9, 4}));
  const Tensor y = cross(three, kept, {.mask = selected, .cache = &cache});
  EXPECT_TRUE(same_bits(y[0], whole[1]));
  EXPECT_TRUE(same_bits(y[1], whole[0]));
}

TEST(KeyValueCache, WeightsThatChangeAreNoticed) {
  const NoGrad no_grad;
  Rng rng(10);
  Layers layers({.width = 24, .heads = 4}, rng);
  const Tensor x = rng.normal({1, 3, 24});
  KeyValueCache cache;
  (void)layers(x, cache);
  layers.first.query.weight.copy_from(rng.normal({24, 24}));
  cache.clear();
  EXPECT_TRUE(same_bits(layers(x, cache), layers(x)));
}

TEST(KeyValueCache, AStepThatFailsChangesNothing) {
  const NoGrad no_grad;
  Rng rng(11);
  const Layers layers({.width = 24, .heads = 4}, rng);
  const Tensor x = rng.normal({1, 6, 24});
  KeyValueCache cache;
  (void)layers(tokens(x, 0, 4), cache);
  EXPECT_EQ(error_of([&] {
              const CacheStep step(cache, 1, 2);
              const AttendOptions how{.mask = Mask::causal(), .cache = &cache};
              layers.first(rng.normal({1, 2, 24}), how);
              fail("in the middle");
            }),
            "in the middle");
  EXPECT_EQ(cache.longest(), 4);
  EXPECT_TRUE(same_bits(layers(tokens(x, 4, 6), cache), tokens(layers(x), 4, 6)));
}

TEST(KeyValueCache, AFirstStepThatFailsLeavesItEmpty) {
  const NoGrad no_grad;
  Rng rng(12);
  const Layers layers({.width = 24, .heads = 4}, rng);
  KeyValueCache cache;
  EXPECT_EQ(error_of([&] {
              const CacheStep step(cache, 1, 2);
              layers.first(rng.normal({1, 2, 24}), {.cache = &cache});
              fail("in the middle");
            }),
            "in the middle");
  EXPECT_TRUE(cache.lengths().empty());
  const Tensor x = rng.normal({3, 4, 24});  // another number of sequences
  EXPECT_TRUE(same_bits(layers(x, cache), layers(x)));
}

TEST(KeyValueCache, ServesOneModel) {
  const NoGrad no_grad;
  Rng rng(13);
  const Layers layers({.width = 24, .heads = 4}, rng), others({.width = 24, .heads = 4}, rng);
  const Layers copy = layers;
  const Tensor x = rng.normal({1, 3, 24});
  KeyValueCache cache;
  (void)layers(tokens(x, 0, 1), cache);
  (void)copy(tokens(x, 1, 2), cache);  // one model with it
  EXPECT_EQ(error_of([&] { others(tokens(x, 2, 3), cache); }),
            "KeyValueCache: wanted the layers of the steps before, in their order; got another as "
            "the first");
  EXPECT_TRUE(same_bits(layers(tokens(x, 2, 3), cache), tokens(layers(x), 2, 3)));
}

TEST(KeyValueCacheErrors, SayWhatWasWanted) {
  Rng rng(1);
  const Layers layers({.width = 24, .heads = 4}, rng);
  const Tensor x = rng.normal({2, 3, 24});
  KeyValueCache cache;
  EXPECT_EQ(error_of([&] { layers(x, cache); }),
            "CacheStep: wanted NoGrad: a cache keeps no gradients");
  const NoGrad no_grad;
  EXPECT_EQ(error_of([&] { layers.run(x, {.cache = &cache}); }),
            "KeyValueCache: wanted a CacheStep around the layers that use it");
  (void)layers(x, cache);
  EXPECT_EQ(error_of([&] { layers(tokens(x, 0, 1)[0], cache); }),
            "CacheStep: wanted 2 sequences, as the cache holds; got 1");
  EXPECT_EQ(error_of([&] {
              CacheStep step(cache, 2, 3, from_values<int64_t>({1, 4}));
            }),
            "CacheStep: wanted lengths in [0, 3], of the tokens given; got 4");
  EXPECT_EQ(error_of([&] { CacheStep step(cache, 2, 3, ones({2})); }),
            "CacheStep: wanted lengths i64 [2]; got f32[2]");
  EXPECT_EQ(error_of([&] {
              cache.select({0, 2});
            }),
            "KeyValueCache::select: wanted rows in [0, 2); got 2");
  EXPECT_EQ(error_of([&] {
              cache.truncate({1, 4});
            }),
            "KeyValueCache::truncate: wanted a length for each of 2 sequences, at most its own");
  const CacheStep step(cache, 2, 1);
  EXPECT_EQ(error_of([&] { CacheStep inner(cache, 2, 1); }),
            "CacheStep: wanted one step at a time");
  EXPECT_EQ(error_of([&] { cache.clear(); }), "KeyValueCache::clear: wanted no step under way");
  EXPECT_EQ(error_of([&] {
              cache.select({0, 1});
            }),
            "KeyValueCache::select: wanted no step under way");
}

}  // namespace
}  // namespace rapt::nn
