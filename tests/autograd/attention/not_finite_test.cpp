// What is masked has no say in attention, forward and backward, also where it is not finite.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../../support/definitions.h"
#include "../../support/tensors.h"
#include "inputs.h"

namespace rapt {
namespace {

using tests::close;
using tests::normal;
using tests::qkv;
using tests::same_bits;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Outputs and gradients of attention, by the kernels and by create_graph.
struct Attended {
  Tensor y;
  Tensors gradients, by_graph;
};

Attended attended(const Tensors& in, const AttentionOptions& options, const Tensor& cotangent) {
  Tensors leaves;
  for (const Tensor& x : in) leaves.push_back(x.detach().clone().set_requires_grad());
  const auto y = [&] { return attention(leaves[0], leaves[1], leaves[2], options); };
  Attended out{y().detach(), grad({y()}, leaves, {.cotangents = {cotangent}}), {}};
  for (const Tensor& g : grad({y()}, leaves, {.create_graph = true, .cotangents = {cotangent}})) {
    out.by_graph.push_back(g.detach());
  }
  return out;
}

/// x with row `row` of every head set to `value`.
Tensor with_row(const Tensor& x, int64_t row, double value) {
  const Tensor rows =
      equal(unsqueeze(arange(x.size(-2)), 1), full({}, static_cast<double>(row), Dtype::i64));
  return masked_fill(x, rows, value);
}

/// Masks key `bad` for all queries, or for some; sets its key and value to what is not finite; and
/// compares with finite numbers there: nothing but what sees it may change.
void expect_no_say(Dtype dtype, int64_t heads, int64_t length, bool causal, bool additive) {
  Tensors in = qkv({heads}, length, length);
  for (Tensor& x : in) x = x.to(dtype);
  const int64_t bad = length / 3;
  const Tensor is_bad = equal(arange(length), full({}, static_cast<double>(bad), Dtype::i64));
  Tensor mask = expand(logical_not(is_bad), {length, length}).clone();
  if (additive) mask = masked_fill(zeros({length, length}, dtype), logical_not(mask), -infinity);
  const AttentionOptions options{.mask = tests::causal_if(causal) & mask};
  const Tensor cotangent = normal({heads, length, 8}, 4).to(dtype);
  const Attended wanted = attended(in, options, cotangent);
  const double allowed = dtype == Dtype::f32 ? 1e-5 : 1e-11;
  for (const double value : {std::nan(""), infinity, -infinity}) {
    for (const bool keys : {true, false}) {
      Tensors changed = in;
      changed[keys ? 1 : 2] = with_row(in[keys ? 1 : 2], bad, value);
      const Attended found = attended(changed, options, cotangent);
      EXPECT_TRUE(close(found.y, wanted.y, allowed)) << value << ", keys " << keys;
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(close(found.gradients[i], wanted.gradients[i], allowed)) << value << ", " << i;
        EXPECT_TRUE(close(found.by_graph[i], wanted.gradients[i], allowed)) << value << ", " << i;
      }
    }
  }
}

TEST(AttentionMasks, WhatIsMaskedForAllHasNoSay) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const int64_t length : {7, 64, 130}) {
      for (const bool additive : {false, true}) {
        SCOPED_TRACE(text(dtype, ", ", length, additive ? ", added" : ""));
        expect_no_say(dtype, 2, length, false, additive);
        expect_no_say(dtype, length < 100 ? 20 : 1, length, true, additive);
      }
    }
  }
}

// Under causality, NaN in a key or value reaches the queries from there on, and no other; and a NaN
// in a query or in its cotangent reaches the keys that it sees. To the bit, by kernels and in ops.
void expect_no_say_of_later(const Score& score) {
  for (const int64_t length : {7, 70, 140}) {
    SCOPED_TRACE(length);
    const AttentionOptions options{.mask = Mask::causal(), .score = score};
    Tensors in = qkv({2}, length, length);
    for (Tensor& x : in) x = x.to(Dtype::f32);
    const Tensor cotangent = normal({2, length, 8}, 4).to(Dtype::f32);
    const Attended wanted = attended(in, options, cotangent);
    const int64_t bad = length * 2 / 3;
    const auto rows = [&](const Tensor& x, int64_t begin, int64_t end) {
      return slice(x, 1, begin, end);
    };
    for (const size_t which : {0, 1, 2, 3}) {
      SCOPED_TRACE(which);
      Tensors changed = in;
      if (which < 3) changed[which] = with_row(in[which], bad, std::nan(""));
      const Tensor g = which == 3 ? with_row(cotangent, bad, std::nan("")) : cotangent;
      const Attended found = attended(changed, options, g);
      if (which == 1 || which == 2) {
        EXPECT_TRUE(same_bits(rows(found.y, 0, bad), rows(wanted.y, 0, bad)));
        EXPECT_TRUE(std::isnan(sum(rows(found.y, bad, bad + 1)).item()));
        EXPECT_TRUE(same_bits(rows(found.gradients[0], 0, bad), rows(wanted.gradients[0], 0, bad)));
      } else {
        EXPECT_TRUE(same_bits(rows(found.gradients[1], bad + 1, length),
                              rows(wanted.gradients[1], bad + 1, length)));
        EXPECT_TRUE(same_bits(rows(found.gradients[2], bad + 1, length),
                              rows(wanted.gradients[2], bad + 1, length)));
        EXPECT_TRUE(std::isnan(sum(rows(found.gradients[2], 0, 1)).item()));
      }
      for (size_t i = 0; i < 3; ++i) {
        EXPECT_TRUE(same_bits(isfinite(found.gradients[i]), isfinite(found.by_graph[i]))) << i;
      }
    }
  }
}

TEST(AttentionMasks, WhatComesLaterHasNoSay) {
  expect_no_say_of_later(Score());
  expect_no_say_of_later(
      Score().then([](const Tensor& s, const AttentionBlock&) { return s * 2.0; }));
}

// A query that may attend to nothing gives 0, whatever its sink is: no gradient reaches that.
TEST(AttentionMasks, ASinkAloneHasNoGradient) {
  for (const int64_t keys : {0, 5, 200}) {
    SCOPED_TRACE(keys);
    const Tensors in = qkv({2}, 3, keys);
    const Tensor cotangent = with_row(normal({2, 3, 8}, 4), 1, std::nan(""));
    const Tensor may = expand(unsqueeze(not_equal(arange(3), 1), 1), {3, keys});
    const auto gradients = [&](const Tensor& g, bool create_graph) {
      const Tensor sink = tensor({0.5, -1.0}, Dtype::f64).set_requires_grad();
      const Tensor y = attention(in[0], in[1], in[2], {.mask = may, .sink = sink});
      return grad({y}, {sink}, {.create_graph = create_graph, .cotangents = {g}})[0].detach();
    };
    const Tensor wanted = gradients(with_row(cotangent, 1, 0), true);
    EXPECT_TRUE(close(gradients(cotangent, false), wanted, 1e-12));
    EXPECT_TRUE(close(gradients(cotangent, true), wanted, 1e-12));
  }
}

TEST(AttentionMasks, WhatComesLaterHasNoSayInAdditiveScores) {
  expect_no_say_of_later(Score::additive(normal({8}, 5).to(Dtype::f32)));
}

// What a mask keeps away is masked; a score of -inf that the numbers made is not: its weight of 0
// meets NaN as in any product.
TEST(AttentionMasks, AScoreOfMinusInfIsNoMask) {
  const Tensor q = tensor({{-1, 0}}), k = tensor({{1, 0}, {infinity, 1}, {2, 0}});
  const Tensor v = tensor({{1, 2}, {3, 4}, {5, 6}});
  const AttentionOptions options{.mask = from_values<bool>({true, true, false}, {1, 3})};
  const Attended found = attended({q, k, v}, options, tensor({{1, 1}}));
  EXPECT_TRUE(close(found.y, tensor({{1, 2}}), 1e-6));
  for (const Tensors& gradients : {found.gradients, found.by_graph}) {
    EXPECT_TRUE(close(gradients[0], tensor({{std::nan(""), 0}}), 1e-6));
    EXPECT_TRUE(close(gradients[1], zeros({3, 2}), 1e-6));
    EXPECT_TRUE(close(gradients[2], tensor({{1, 1}, {0, 0}, {0, 0}}), 1e-6));
  }
}

// More queries than keys: the first see nothing, and what arrives there goes nowhere.
TEST(AttentionMasks, AQueryThatSeesNothingPassesNothingOn) {
  const Tensors in = qkv({2}, 5, 3);
  const Tensor cotangent = normal({2, 5, 8}, 4);
  const Attended wanted = attended(in, {.mask = Mask::causal()}, cotangent);
  for (const double value : {std::nan(""), infinity}) {
    const Attended found = attended(in, {.mask = Mask::causal()}, with_row(cotangent, 1, value));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(close(found.gradients[i], wanted.gradients[i], 1e-12)) << value << ", " << i;
      EXPECT_TRUE(close(found.by_graph[i], wanted.gradients[i], 1e-11)) << value << ", " << i;
    }
  }
}

// A query of inf whose scores are all -inf: it weighs nothing, and reaches no key that it may not
// see.
TEST(AttentionMasks, AQueryOfNothingButMinusInfReachesNoMaskedKey) {
  const Tensor q = tensor({{-infinity, -1}, {1, 2}});
  const Tensor k = tensor({{1, 1}, {2, 1}}), v = tensor({{1, 2}, {3, 4}});
  const Attended found = attended({q, k, v}, {.mask = Mask::causal()}, tensor({{1, 1}, {1, 2}}));
  const Attended second =
      attended({slice(q, 0, 1, 2), k, v}, AttentionOptions{}, tensor({{1.0, 2.0}}));
  for (const auto& [gradients, wanted] :
       {std::pair{found.gradients, second.gradients}, std::pair{found.by_graph, second.by_graph}}) {
    EXPECT_TRUE(close(select(gradients[1], 0, 1), select(wanted[1], 0, 1), 1e-6));
    EXPECT_TRUE(close(select(gradients[2], 0, 1), select(wanted[2], 0, 1), 1e-6));
  }
}

// Without columns in q and k every weight is the same, and no dq shows what arrives.
TEST(AttentionMasks, WithoutColumnsAnInfiniteCotangentReachesNoMaskedKey) {
  const Tensor none = zeros({2, 0}), v = tensor({{1, 2}, {3, 4}});
  const AttentionOptions options{.mask = Mask::causal(), .score = Score::scaled_dot({.scale = 1})};
  const Attended found = attended({none, none, v}, options, tensor({{infinity, 1}, {1, 2}}));
  for (const Tensors& gradients : {found.gradients, found.by_graph}) {
    EXPECT_TRUE(close(gradients[2], tensor({{infinity, 2}, {0.5, 1}}), 1e-6));
  }
}

// Far from zero, weights keep the digits of the sums: against f64 of the rounded scores.
TEST(AttentionMasks, GradientsFarFromZeroKeepTheirDigits) {
  for (const double offset : {0.0, 100.0, 10000.0, 100000.0}) {
    SCOPED_TRACE(offset);
    Rng rng(1);
    // One key direction carries the offset: scores near it, rounded to f32 as the kernel rounds
    // them.
    const Tensor scores = (rng.normal({20, 30}) + offset);
    const Tensor q = eye(30).clone(), v = rng.normal({30, 6}), g = rng.normal({20, 6});
    const auto run = [&](Dtype dtype) {
      Tensor rows = scores.to(dtype).clone().set_requires_grad();
      Tensor values = v.to(dtype).clone().set_requires_grad();
      const Tensor y =
          attention(rows, q.to(dtype), values, {.score = Score::scaled_dot({.scale = 1})});
      y.backward(g.to(dtype));
      return Tensors{y.detach(), rows.grad(), values.grad()};
    };
    const Tensors found = run(Dtype::f32), exact = run(Dtype::f64);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(close(found[i].to(Dtype::f64), exact[i], 1e-6)) << i;
    }
  }
}

}  // namespace
}  // namespace rapt
