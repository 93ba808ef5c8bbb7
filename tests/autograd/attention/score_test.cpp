// Score: how a query and a key become a score; the cap, and functions of the user's.

#include "rapt/autograd/attention/score.h"

#include <gtest/gtest.h>

#include "../../support/definitions.h"
#include "inputs.h"
#include "rapt/autograd/gradient_check_gtest.h"
#include "rapt/autograd/kernels/runtime/allocator.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::expect_as_defined;
using tests::normal;
using tests::plain_attention;
using tests::qkv;
using In = const Tensors&;

TEST(Score, WithASoftCapIsItsFormula) {
  for (const auto& [queries, keys] : {std::pair(5, 9), std::pair(70, 300), std::pair(330, 280)}) {
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(text(queries, " x ", keys, " causal ", causal));
      const tests::PlainAttention o{
          .mask = normal({queries, keys}, 9), .causal = causal, .scale = 0.8, .soft_cap = 1.5};
      const auto with = [o](const Tensor& q) {
        tests::PlainAttention mine = o;
        mine.mask = o.mask.to(q.dtype());
        return mine;
      };
      expect_as_defined([&](In x) { return attention(x[0], x[1], x[2], with(x[0]).options()); },
                        [&](In x) { return plain_attention(x[0], x[1], x[2], with(x[0])); },
                        qkv({2}, queries, keys));
    }
  }
}

TEST(Score, WeightsAreWhatAttentionApplies) {
  const Tensors in = qkv({2, 3}, 5, 6);
  const AttentionOptions o{
      .mask = Mask::window(2, 2),
      .score = Score::scaled_dot({.soft_cap = 2}).then([](const Tensor& s, const AttentionBlock&) {
        return s * 2.0;
      })};
  EXPECT_TRUE(close(matmul(attention_weights(in[0], in[1], o), in[2]),
                    attention(in[0], in[1], in[2], o), 1e-12));
}

/// slope * (distance of the places): a bias whose slope is learned, one for each head.
Score with_distance(const Tensor& slope) {
  return Score().then([slope](const Tensor& s, const AttentionBlock& b) {
    return s + slope * (b.keys - b.rows + (b.query_count - b.key_count)).to(s.dtype());
  });
}

Tensor plain_with_distance(In x) {
  const int64_t queries = x[0].size(-2), keys = x[1].size(-2);
  const Tensor distance = arange(keys) - unsqueeze(arange(queries), 1) + (queries - keys);
  return plain_attention(x[0], x[1], x[2],
                         {.mask = x[3] * distance.to(x[0].dtype()), .causal = true});
}

TEST(Score, OfAUsersFunctionReachesWhatItCaptured) {
  for (const auto& [queries, keys] : {std::pair(5, 9), std::pair(70, 300)}) {
    Tensors in = qkv({2, 3}, queries, keys);
    in.push_back(normal({3, 1, 1}, 8) * 0.1);
    expect_as_defined(
        [](In x) {
          return attention(x[0], x[1], x[2],
                           {.mask = Mask::causal(), .score = with_distance(x[3])});
        },
        plain_with_distance, in);
  }
}

// 2 * 700 * 800 weights: more than are worked on at a time.
TEST(Score, OfAUsersFunctionWorksBlockByBlock) {
  Tensors in = qkv({2}, 700, 800, 4, 4);
  in.push_back(tensor(0.01, Dtype::f64));
  expect_as_defined(
      [](In x) {
        return attention(x[0], x[1], x[2], {.mask = Mask::causal(), .score = with_distance(x[3])});
      },
      plain_with_distance, in, 2e-4);
}

TEST(Score, OfAUsersFunctionHasDerivativesOfAnyOrder) {
  const Tensors in = {normal({2, 2}, 1), normal({3, 2}, 2), normal({3, 1}, 3),
                      tensor(0.3, Dtype::f64)};
  EXPECT_TRUE(GradientsMatch(
      [](In x) { return attention(x[0], x[1], x[2], {.score = with_distance(x[3])}); }, in));
}

// 5000 x 5000 weights in f32 are 100 MB, and several of them would be kept for a second derivative.
TEST(Score, MemoryDoesNotGrowWithTheSquareOfTheLength) {
  const int64_t length = 5000;
  const auto draw = [&](uint64_t seed) {
    return normal({length, 2}, seed).to(Dtype::f32).set_requires_grad();
  };
  const Tensor q = draw(1), k = draw(2), v = draw(3), slope = tensor(0.01).set_requires_grad();
  const size_t before = kernels::bytes_held();
  for (const bool by_kernels : {true, false}) {
    const AttentionOptions o{.mask = Mask::causal(),
                             .score = by_kernels ? Score() : with_distance(slope)};
    const Tensor y = attention(q, k, v, o);
    const Tensor dq = grad({sum(y * y)}, {q}, {.create_graph = true})[0];
    grad({sum(dq * dq)}, {k});
    EXPECT_LT(kernels::bytes_held() - before, 100e6) << by_kernels;
  }
}

// As by the kernels: what is masked has no say, whatever arrives, and whatever the function makes
// of the scores there.
TEST(Score, OfAUsersFunctionLeavesWhatIsMaskedOut) {
  const Tensors in = qkv({1}, 2, 2, 2, 2);
  const Tensor may = from_values<bool>({true, false, true, true}, {2, 2});
  const Tensor cotangent = tensor({{{std::nan(""), std::nan("")}, {1, 2}}}, Dtype::f64);
  const auto gradients = [&](const AttentionOptions& o, bool create_graph) {
    Tensors leaves;
    for (const Tensor& x : in) leaves.push_back(x.clone().set_requires_grad());
    const Tensor y = attention(leaves[0], leaves[1], leaves[2], o);
    Tensors found = grad({y}, leaves, {.create_graph = create_graph, .cotangents = {cotangent}});
    for (Tensor& g : found) g = g.detach();
    return found;
  };
  const Mask by_function = Mask::of([may](const AttentionBlock&) { return may; });
  const Tensors wanted = gradients({.mask = may}, false);
  for (const bool create_graph : {false, true}) {
    const Tensors found = gradients({.mask = by_function}, create_graph);
    for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(close(found[i], wanted[i], 1e-12)) << i;
  }
  // sqrt of a negative number above the diagonal.
  const Score score = Score().then([](const Tensor& s, const AttentionBlock& b) {
    return s * sqrt((b.rows - b.keys).to(s.dtype()) + 1.0);
  });
  const Tensors longer = qkv({1}, 4, 4, 2, 2);
  Tensors leaves;
  for (const Tensor& x : longer) leaves.push_back(x.clone().set_requires_grad());
  const Tensor y =
      attention(leaves[0], leaves[1], leaves[2], {.mask = Mask::causal(), .score = score});
  for (const Tensor& g : grad({sum(y * y)}, leaves)) {
    EXPECT_EQ(min(isfinite(g).to(Dtype::i64)).item(), 1);
  }
}

TEST(Score, FunctionsAreAppliedInTheirOrderWithDropout) {
  const Tensors in = qkv({2}, 5, 6);
  const auto run = [&](const Score& score) {
    Rng rng(3);
    return attention(in[0], in[1], in[2], {.score = score, .dropout = 0.3, .rng = &rng});
  };
  const Score twice = Score()
                          .then([](const Tensor& s, const AttentionBlock&) { return s + 1.0; })
                          .then([](const Tensor& s, const AttentionBlock&) { return s * 3.0; });
  const Score once =
      Score().then([](const Tensor& s, const AttentionBlock&) { return (s + 1.0) * 3.0; });
  EXPECT_TRUE(close(run(twice), run(once), 1e-12));
  const Score same = Score().then([](const Tensor& s, const AttentionBlock&) { return s; });
  EXPECT_TRUE(close(run(same), run(Score()), 1e-12));  // drops the same weights
}

TEST(ScoreErrors, NameTheFunction) {
  EXPECT_EQ(error_of([] { Score::scaled_dot({.scale = std::nan("")}); }),
            "Score::scaled_dot: wanted a finite scale; got nan");
  EXPECT_EQ(error_of([] { Score::scaled_dot({.soft_cap = 0}); }),
            "Score::scaled_dot: wanted a finite soft_cap > 0; got 0");
  EXPECT_EQ(error_of([] { Score().then(Score::Function()); }),
            "Score::then: wanted a function; got an empty one");
  const Tensors in = qkv({2}, 3, 5);
  EXPECT_EQ(error_of([&] {
              attention(in[0], in[1], in[2],
                        {.score = Score().then(
                             [](const Tensor& s, const AttentionBlock&) { return sum(s, -1); })});
            }),
            "attention: wanted from Score::then's function scores f64[2, 3, 5]; "
            "got f64[2, 3]");
}

}  // namespace
}  // namespace rapt
