// attention against its formula, and at its edges.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../../support/definitions.h"
#include "inputs.h"

namespace rapt {
namespace {

using tests::causal_if;
using tests::close;
using tests::error_of;
using tests::expect_as_defined;
using tests::normal;
using tests::plain_attention;
using tests::PlainAttention;
using tests::qkv;
using tests::same_bits;
using In = const Tensors&;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// A b8 mask of that shape that leaves out about a third.
Tensor random_mask(const Shape& shape) {
  Rng rng(5);
  return rng.bernoulli(0.67, shape);
}

/// Compares with the formula; the mask, if it is added, is cast to the dtype at hand.
void expect_formula(const Tensors& qkv, const PlainAttention& o = {}) {
  const auto options_for = [&o](const Tensor& q) {
    PlainAttention mine = o;
    if (o.mask.defined() && o.mask.dtype() != Dtype::b8) mine.mask = o.mask.to(q.dtype());
    return mine;
  };
  expect_as_defined([&](In x) { return attention(x[0], x[1], x[2], options_for(x[0]).options()); },
                    [&](In x) { return plain_attention(x[0], x[1], x[2], options_for(x[0])); },
                    qkv);
}

// ---- against the formula -----------------------------------------------------------------------

struct Lengths {
  int64_t queries, keys;
};

// The kernel works on blocks of 64 queries by 128 keys, up to four blocks of queries at a time.
const std::vector<Lengths> lengths = {{1, 1},    {3, 3},    {1, 7},    {7, 1},
                                      {5, 9},    {9, 5},    {64, 128}, {65, 129},
                                      {70, 300}, {130, 20}, {20, 257}, {330, 280}};

TEST(Attention, IsItsFormula) {
  for (const auto [queries, keys] : lengths) {
    SCOPED_TRACE(text(queries, " x ", keys));
    expect_formula(qkv({2}, queries, keys));
  }
}

TEST(Attention, CausalIsItsFormula) {
  for (const auto [queries, keys] : lengths) {
    SCOPED_TRACE(text(queries, " x ", keys));
    expect_formula(qkv({2}, queries, keys), {.causal = true});
  }
}

TEST(Attention, MaskedIsItsFormula) {
  for (const auto [queries, keys] : lengths) {
    SCOPED_TRACE(text(queries, " x ", keys));
    for (const bool causal : {false, true}) {
      expect_formula(qkv({2}, queries, keys),
                     {.mask = random_mask({2, queries, keys}), .causal = causal});
      expect_formula(qkv({2}, queries, keys),
                     {.mask = normal({queries, keys}, 9), .causal = causal});
    }
  }
}

// Few heads are split over blocks of keys as well, many are not.
TEST(Attention, ManyHeadsAreTheirFormula) {
  expect_formula(qkv({5, 4}, 140, 140, 4, 4), {.causal = true});
}

TEST(Attention, MasksBroadcast) {
  const Tensors in = qkv({2, 3}, 5, 6);
  for (const Shape& shape : {Shape{6}, Shape{5, 1}, Shape{1, 6}, Shape{3, 1, 6}, Shape{2, 1, 1, 6},
                             Shape{2, 3, 5, 6}, Shape{2, 1, 5, 1}, Shape{}}) {
    SCOPED_TRACE(shape.str());
    expect_formula(in, {.mask = random_mask(shape)});
    expect_formula(in, {.mask = normal(shape, 4)});
  }
}

TEST(Attention, AStridedMaskIsReadAsItLooks) {
  const Tensors in = qkv({2}, 5, 6);
  const Tensor mask = random_mask({6, 5});
  EXPECT_TRUE(same_bits(attention(in[0], in[1], in[2], {.mask = transpose(mask)}),
                        attention(in[0], in[1], in[2], {.mask = transpose(mask).contiguous()})));
}

TEST(Attention, LeadingAxesBroadcast) {
  // One set of keys and values for all heads; one query for all batches; no batch at all.
  expect_formula({normal({2, 3, 4, 8}, 1), normal({2, 1, 5, 8}, 2), normal({2, 1, 5, 8}, 3)});
  expect_formula({normal({4, 8}, 1), normal({2, 3, 5, 8}, 2), normal({3, 5, 8}, 3)},
                 {.causal = true});
  expect_formula({normal({4, 8}, 1), normal({5, 8}, 2), normal({2, 5, 6}, 3)});
  expect_formula(qkv({}, 4, 5));
}

TEST(Attention, WidthsAreFree) {
  expect_formula(qkv({2}, 5, 6, 1, 3));
  expect_formula(qkv({2}, 5, 6, 17, 1));
  expect_formula(qkv({2}, 5, 6, 4, 33), {.causal = true});
}

TEST(Attention, ScaleIsTakenAsGiven) { expect_formula(qkv({2}, 5, 6), {.scale = 0.7}); }

// Queries, keys and values as the heads of one product: views, [B, T, H, d] seen as [B, H, T, d].
TEST(Attention, ReadsHeadsAsViews) {
  const Tensor x = normal({2, 7, 3 * 24}, 1);
  const auto heads = [](const Tensor& t, int64_t part) {
    return permute(reshape(slice(t, -1, part * 24, (part + 1) * 24), {2, 7, 3, 8}), {0, 2, 1, 3});
  };
  expect_as_defined(
      [&](In in) {
        return attention(heads(in[0], 0), heads(in[0], 1), heads(in[0], 2),
                         {.mask = Mask::causal()});
      },
      [&](In in) {
        return plain_attention(heads(in[0], 0), heads(in[0], 1), heads(in[0], 2), {.causal = true});
      },
      {x});
}

// Keys whose columns are dense, as a cache has them, are read as they lie.
TEST(Attention, HasTheSameBitsForKeysOfAnyLayout) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const auto [queries, keys] : lengths) {
      for (const int64_t width : {1, 8, 24}) {
        SCOPED_TRACE(text(queries, " x ", keys, ", width ", width));
        const Tensors in = qkv({2}, queries, keys, width);
        const auto run = [&](bool by_columns) {
          Tensors leaves, out;
          for (const Tensor& x : in) {
            leaves.push_back(x.detach().to(dtype).clone().set_requires_grad());
          }
          const Tensor k =
              by_columns ? transpose(transpose(leaves[1]).contiguous()) : leaves[1] * 1.0;
          const Tensor y = attention(leaves[0], k, leaves[2], {.mask = Mask::causal()});
          sum(y * y).backward();
          out = {y.detach()};
          for (const Tensor& x : leaves) out.push_back(x.grad());
          return out;
        };
        const Tensors wanted = run(false), got = run(true);
        for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(same_bits(got[i], wanted[i])) << i;
      }
    }
  }
}

TEST(Attention, TheOneOfSelfAttentionMayBeOneTensorThrice) {
  expect_as_defined([](In x) { return attention(x[0], x[0], x[0]); },
                    [](In x) { return plain_attention(x[0], x[0], x[0]); }, {normal({2, 5, 8}, 1)});
}

TEST(Attention, AMaskMayHaveAGradientOfItsOwn) {
  Tensors in = qkv({2}, 5, 6);
  in.push_back(normal({5, 6}, 8));
  for (const bool causal : {false, true}) {
    expect_as_defined(
        [=](In x) { return attention(x[0], x[1], x[2], {.mask = causal_if(causal) & x[3]}); },
        [=](In x) { return plain_attention(x[0], x[1], x[2], {.mask = x[3], .causal = causal}); },
        in);
  }
}

// ---- dropout -----------------------------------------------------------------------------------

// The draws depend on the lengths alone, so attention over the identity shows what was dropped.
TEST(Attention, DropoutDropsWeightsTheSameInEveryPath) {
  for (const auto [queries, keys] : {Lengths{5, 7}, Lengths{70, 300}}) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(text(queries, " x ", keys, " causal ", causal));
      const Tensors in = qkv({2}, queries, keys);
      const Rng start(11);
      Rng rng = start;
      const Tensor shown =
          attention(zeros({2, queries, 8}, Dtype::f64), zeros({2, keys, 8}, Dtype::f64),
                    expand(eye(keys, Dtype::f64), {2, keys, keys}), {.dropout = 0.25, .rng = &rng});
      const Tensor keep = shown * static_cast<double>(keys);
      double kept = 0;
      for (const double v : keep.values<double>()) {
        ASSERT_TRUE(v == 0 || std::abs(v - 4.0 / 3) < 1e-9) << v;
        kept += v != 0;
      }
      const auto n = static_cast<double>(keep.numel());
      EXPECT_NEAR(kept / n, 0.75, 5 * std::sqrt(0.1875 / n));
      expect_as_defined(
          [=](In x) {
            Rng same = start;
            return attention(x[0], x[1], x[2],
                             {.mask = causal_if(causal), .dropout = 0.25, .rng = &same});
          },
          [=](In x) { return plain_attention(x[0], x[1], x[2], {.causal = causal}, keep); }, in);
    }
  }
}

TEST(Attention, DropoutAdvancesItsStream) {
  const Tensors in = qkv({2}, 5, 7);
  Rng rng(11);
  const AttentionOptions options{.dropout = 0.5, .rng = &rng};
  const Tensor first = attention(in[0], in[1], in[2], options);
  EXPECT_FALSE(same_bits(first, attention(in[0], in[1], in[2], options)));
}

// ---- weights -----------------------------------------------------------------------------------

TEST(AttentionWeights, AreWhatAttentionApplies) {
  for (const bool causal : {false, true}) {
    const Tensors in = qkv({2, 3}, 5, 6);
    const AttentionOptions o{.mask = causal_if(causal) & random_mask({5, 6})};
    const Tensor weights = attention_weights(in[0], in[1], o);
    EXPECT_EQ(weights.shape(), (Shape{2, 3, 5, 6}));
    EXPECT_TRUE(close(matmul(weights, in[2]), attention(in[0], in[1], in[2], o), 1e-12));
    for (const double total : sum(weights, -1).values<double>()) {
      EXPECT_TRUE(total == 0 || std::abs(total - 1) < 1e-12) << total;
    }
  }
}

// ---- the edges ---------------------------------------------------------------------------------

TEST(AttentionEdges, AFullyMaskedRowIsZeroInEveryPath) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const int64_t keys : {3, 300}) {
      const Tensors in = qkv({2}, 4, keys);
      Tensor q = in[0].to(dtype).set_requires_grad();
      Tensor k = in[1].to(dtype).set_requires_grad();
      Tensor v = in[2].to(dtype).set_requires_grad();
      // Query 1 may attend to nothing: by a b8 mask, and by one that is added.
      const Tensor may = not_equal(unsqueeze(arange(4), 1), tensor(1, Dtype::i64));
      const Tensor added = masked_fill(zeros({4, 1}, dtype), logical_not(may), -infinity);
      for (const Tensor& mask : {may, added}) {
        SCOPED_TRACE(text(dtype, " ", keys, " ", mask.dtype()));
        const AttentionOptions o{.mask = mask};
        const Tensor y = attention(q, k, v, o);
        EXPECT_TRUE(same_bits(select(y.detach(), 1, 1), zeros({2, 8}, dtype)));
        EXPECT_TRUE(
            same_bits(select(attention_weights(q, k, o).detach(), 1, 1), zeros({2, keys}, dtype)));
        for (const bool create_graph : {false, true}) {
          const Tensors g =
              grad({sum(attention(q, k, v, o))}, {q, k, v}, {.create_graph = create_graph});
          EXPECT_TRUE(close(select(g[0].detach(), 1, 1), zeros({2, 8}, dtype), 0));
          for (const Tensor& one : g) {
            EXPECT_EQ(min(isfinite(one).to(Dtype::i64)).item(), 1);
          }
        }
        // Its query and its output's gradient have no say in anything.
        const Tensor only_row_1 = unsqueeze(equal(arange(4), tensor(1, Dtype::i64)).to(dtype), 1);
        for (const Tensor& one : grad({sum(attention(q, k, v, o) * only_row_1)}, {q, k, v})) {
          EXPECT_TRUE(close(one, zeros(one.shape(), dtype), 0));
        }
      }
    }
  }
}

TEST(AttentionEdges, CausalQueriesBeforeTheFirstKeySeeNothing) {
  const Tensors in = qkv({1}, 5, 2);  // query i sees keys up to i - 3
  const Tensor y = attention(in[0], in[1], in[2], {.mask = Mask::causal()});
  EXPECT_TRUE(same_bits(slice(y, 1, 0, 3), zeros({1, 3, 8}, Dtype::f64)));
  EXPECT_TRUE(close(slice(y, 1, 3, 4), slice(in[2], 1, 0, 1), 1e-15));
}

TEST(AttentionEdges, CausalPrefixesAreWhatShorterSequencesGive) {
  const Tensors in = qkv({2}, 150, 150);
  const Tensor y = attention(in[0], in[1], in[2], {.mask = Mask::causal()});
  for (const int64_t n : {1, 64, 100}) {
    const Tensor shorter = attention(slice(in[0], 1, 0, n), slice(in[1], 1, 0, n),
                                     slice(in[2], 1, 0, n), {.mask = Mask::causal()});
    EXPECT_TRUE(close(slice(y, 1, 0, n), shorter, 1e-13));
  }
}

TEST(AttentionEdges, EmptySequences) {
  for (const bool causal : {false, true}) {
    const AttentionOptions o{.mask = causal_if(causal)};
    // No query: an empty result. No key: nothing to attend to, so 0.
    for (const auto [queries, keys] : {Lengths{0, 3}, Lengths{3, 0}, Lengths{0, 0}}) {
      Tensors in = qkv({2}, queries, keys);
      for (Tensor& t : in) t.set_requires_grad();
      const Tensor y = attention(in[0], in[1], in[2], o);
      EXPECT_TRUE(same_bits(y.detach(), zeros({2, queries, 8}, Dtype::f64)));
      EXPECT_EQ(attention_weights(in[0], in[1], o).shape(), (Shape{2, queries, keys}));
      for (const bool create_graph : {false, true}) {
        const Tensors g =
            grad({sum(attention(in[0], in[1], in[2], o))}, in, {.create_graph = create_graph});
        for (size_t i = 0; i < 3; ++i) {
          EXPECT_TRUE(close(g[i].detach(), zeros(in[i].shape(), Dtype::f64), 0));
        }
      }
    }
    const Tensors none = qkv({0}, 3, 4);
    EXPECT_EQ(attention(none[0], none[1], none[2], o).shape(), (Shape{0, 3, 8}));
  }
}

TEST(AttentionEdges, OneKeyIsItsValue) {
  const Tensors in = qkv({2}, 3, 1);
  const Tensor y = attention(in[0], in[1], in[2]);
  EXPECT_TRUE(close(y, expand(in[2], {2, 3, 8}), 1e-15));
}

TEST(AttentionEdges, LargeScoresDoNotOverflow) {
  const Tensor q = full({1, 2, 4}, 1e4),
               k = concat({full({1, 1, 4}, 1e4), full({1, 1, 4}, -1e4)}, 1);
  const Tensor v = tensor({{1, 2}, {3, 4}});
  EXPECT_TRUE(close(attention(q, k, unsqueeze(v, 0)),
                    expand(slice(unsqueeze(v, 0), 1, 0, 1), {1, 2, 2}), 1e-6));
}

TEST(AttentionEdges, NaNStaysInItsRow) {
  for (const int64_t keys : {4, 300}) {
    Tensors in = qkv({1}, 3, keys);
    in[0].mutable_data<double>()[8] = std::nan("");  // of query 1
    const Tensor y = attention(in[0], in[1], in[2]);
    EXPECT_EQ(isfinite(y).to(Dtype::i64).values<int64_t>(),
              expand(unsqueeze(tensor({1, 0, 1}, Dtype::i64), 1), {1, 3, 8}).values<int64_t>());
  }
}

// ---- errors ------------------------------------------------------------------------------------

TEST(AttentionErrors, NameTheArgument) {
  const Tensor q = zeros({2, 3, 4}), k = zeros({2, 5, 4}), v = zeros({2, 5, 6});
  const auto error = [&](const AttentionOptions& o) {
    return error_of([&] { attention(q, k, v, o); });
  };
  EXPECT_EQ(error_of([&] { attention(q, v, v); }),
            "attention: wanted q [..., Tq, d] and k [..., Tk, d]; got q [2, 3, "
            "4] and k [2, 5, 6]");
  EXPECT_EQ(error_of([&] { attention(q, k, q); }),
            "attention: wanted v [..., Tk, dv] for k [2, 5, 4]; got [2, 3, 4]");
  EXPECT_EQ(error({.mask = zeros({3, 5}, Dtype::f64)}),
            "attention: wanted a mask of b8 (true = may attend) or f32 (added); "
            "got f64");
  EXPECT_EQ(error({.mask = zeros({5, 3}, Dtype::b8)}),
            "attention: wanted a mask that broadcasts to [..., Tq, Tk] = [2, 3, "
            "5]; got [5, 3]");
  EXPECT_EQ(error({.dropout = 1}), "attention: wanted 0 <= dropout < 1; got 1");
  EXPECT_EQ(error({.dropout = 0.5}), "attention: wanted an rng for its dropout");
  EXPECT_EQ(error_of([&] {
              attention(q, zeros({3, 5, 4}), zeros({3, 5, 4}));
            }),
            "attention: wanted shapes that broadcast (aligned at the last axis, "
            "equal or 1); got [2] and [3]");
}

}  // namespace
}  // namespace rapt
