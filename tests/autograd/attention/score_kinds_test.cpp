// Every kind of score, with every mask, with a relative bias and a sink, against the formulas
// written out in plain ops.

#include <gtest/gtest.h>

#include <functional>

#include "../../support/definitions.h"
#include "inputs.h"
#include "rapt/autograd/attention/attention.h"
#include "rapt/autograd/gradient_check_gtest.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::expect_as_defined;
using tests::normal;
using tests::plain_causal;
using tests::plain_softmax;
using tests::qkv;
using tests::same_bits;
using In = const Tensors&;

constexpr double inf = std::numeric_limits<double>::infinity();

/// A kind of score: the value, and what it means. in: q, k, v and the option's tensor, if it has
/// one.
struct Kind {
  const char* name;
  std::function<Score(In)> score;
  std::function<Tensor(In)> scores;
  Shape option;  // of the tensor; empty: none
};

Tensor plain_norm(const Tensor& x) { return sqrt(sum(x * x, -1, {.keepdim = true})); }

Tensor products(const Tensor& q, const Tensor& k) { return matmul(q, transpose(k)); }

// q [2, Tq, 6], k [2, Tk, 6].
const Kind kinds[] = {
    {"scaled dot",
     [](In) { return Score(); },
     [](In x) { return products(x[0], x[1]) / std::sqrt(6.0); },
     {}},
    {"dot", [](In) { return Score::dot(); }, [](In x) { return products(x[0], x[1]); }, {}},
    {"dot with a cap",
     [](In) { return Score::dot({.soft_cap = 2}); },
     [](In x) { return 2.0 * tanh(products(x[0], x[1]) / 2.0); },
     {}},
    {"bilinear",
     [](In x) { return Score::bilinear(x[3]); },
     [](In x) { return products(matmul(x[0], x[3]), x[1]); },
     {6, 6}},
    {"bilinear, by head",
     [](In x) { return Score::bilinear(x[3], {.scale = 0.3}); },
     [](In x) { return products(matmul(x[0], x[3]), x[1]) * 0.3; },
     {2, 6, 6}},
    {"cosine",
     [](In) { return Score::cosine(3); },
     [](In x) { return 3.0 * products(x[0] / plain_norm(x[0]), x[1] / plain_norm(x[1])); },
     {}},
    {"cosine, by head",
     [](In x) { return Score::cosine(x[3]); },
     [](In x) { return x[3] * products(x[0] / plain_norm(x[0]), x[1] / plain_norm(x[1])); },
     {2, 1, 1}},
    {"additive",
     [](In x) { return Score::additive(x[3]); },
     [](In x) { return sum(tanh(unsqueeze(x[0], -2) + unsqueeze(x[1], -3)) * x[3], -1); },
     {6}},
    {"additive, by head",
     [](In x) { return Score::additive(x[3]); },
     [](In x) {
       return sum(tanh(unsqueeze(x[0], -2) + unsqueeze(x[1], -3)) * reshape(x[3], {2, 1, 1, 6}),
                  -1);
     },
     {2, 6}},
};

/// softmax(scores + relative bias) v where allowed, with the sink in the sum.
Tensor plain(const Tensor& scores, const Tensor& v, const Tensor& allowed, const Tensor& bias,
             const Tensor& sink) {
  const int64_t queries = scores.size(-2), keys = scores.size(-1);
  Tensor all = scores;
  if (bias.defined()) {
    Tensors rows;
    for (int64_t i = 0; i < queries; ++i) {
      rows.push_back(slice(bias, -1, queries - 1 - i, queries - 1 - i + keys));
    }
    all = all + stack(rows, -2);
  }
  if (!sink.defined()) return matmul(plain_softmax(all, allowed), v);
  const Tensor top = max(all, -1, {.keepdim = true}).detach();
  const Tensor e = exp(all - top) * allowed.to(all.dtype());
  const Tensor beside = exp(unsqueeze(unsqueeze(sink, -1), -1) - top);
  return matmul(e / (sum(e, -1, {.keepdim = true}) + beside), v);
}

struct MaskCase {
  const char* name;
  Mask mask;
  Tensor allowed;
};

std::vector<MaskCase> masks(int64_t queries, int64_t keys) {
  const int64_t half = keys / 2;
  std::vector<int64_t> numbers;
  for (int64_t j = 0; j < keys; ++j) numbers.push_back(j < half ? 7 : j < keys - 2 ? 3 : 9);
  const Tensor documents = from_values(numbers, {keys});
  const Tensor causal = plain_causal(queries, keys);
  const Tensor of_query = slice(documents, 0, keys - queries, keys);
  const Tensor same = equal(unsqueeze(of_query, 1), documents);
  const Tensor near = greater_equal(
      arange(keys), unsqueeze(arange(queries), 1) + static_cast<double>(keys - queries - 4));
  return {
      {"none", {}, ones({queries, keys}, Dtype::b8)},
      {"causal", Mask::causal(), causal},
      {"window", Mask::window(4, 0), logical_and(causal, near)},
      {"documents", Mask::documents(documents), same},
      {"documents at a place",
       Mask::documents(documents, Mask::Align::first)
           .at(from_values<int64_t>({keys - queries}, {})),
       same},
      {"causal documents", Mask::causal() & Mask::documents(documents), logical_and(causal, same)},
      {"a tensor", Mask(same), same}};
}

/// All scores with all masks at that size, with a bias and a sink or without.
void expect_all(int64_t queries, int64_t keys, bool with_bias, bool with_sink) {
  for (const Kind& kind : kinds) {
    for (const MaskCase& mask : masks(queries, keys)) {
      SCOPED_TRACE(text(kind.name, ", ", mask.name, ", ", queries, " x ", keys));
      Tensors in = qkv({2}, queries, keys, 6, 3);
      if (!kind.option.empty()) in.push_back(normal(kind.option, 4));
      const size_t bias_at = in.size();
      if (with_bias) in.push_back(normal({2, queries + keys - 1}, 5));
      const size_t sink_at = in.size();
      if (with_sink) in.push_back(normal({2}, 6));
      expect_as_defined(
          [&](In x) -> Tensor {
            Score score = kind.score(x);
            if (with_bias) score = score.with_relative_bias(x[bias_at]);
            return attention(
                x[0], x[1], x[2],
                {.mask = mask.mask, .score = score, .sink = with_sink ? x[sink_at] : Tensor()});
          },
          [&](In x) -> Tensor {
            return plain(kind.scores(x), x[2], mask.allowed, with_bias ? x[bias_at] : Tensor(),
                         with_sink ? x[sink_at] : Tensor());
          },
          in);
    }
  }
}

TEST(ScoreKinds, WithEveryMask) { expect_all(5, 9, false, false); }
TEST(ScoreKinds, WithEveryMaskABiasAndASink) { expect_all(5, 9, true, true); }
TEST(ScoreKinds, InManyBlocks) { expect_all(70, 140, true, true); }

// Both orders, in full Jacobians: a row of the mask without any key, and one of a single key.
TEST(ScoreKinds, SecondDerivatives) {
  const Tensor may = from_values<bool>({true, false, true, false, false, false}, {2, 3});
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    Tensors in = {normal({2, 2, 6}, 1), normal({2, 3, 6}, 2), normal({2, 3, 1}, 3)};
    if (!kind.option.empty()) in.push_back(normal(kind.option, 4));
    in.push_back(normal({4}, 5));
    in.push_back(normal({2}, 6));
    EXPECT_TRUE(GradientsMatch(
        [&](In x) -> Tensor {
          return attention(x[0], x[1], x[2],
                           {.mask = may,
                            .score = kind.score(x).with_relative_bias(x[x.size() - 2]),
                            .sink = x.back()});
        },
        in, {.order = 2}));
  }
}

// exp(sink) beside the weights: here the weight of the only key is exp(s) / (exp(s) + exp(sink)).
TEST(Sink, TakesItsShareOfTheWeights) {
  const Tensor q = tensor({{2.0}}), k = tensor({{1.0}}), v = tensor({{10.0}});
  const double weight = std::exp(2.0) / (std::exp(2.0) + std::exp(0.5));
  const AttentionOptions with_sink{.score = Score::dot(), .sink = tensor(0.5)};
  EXPECT_NEAR(attention_weights(q, k, with_sink).item(), weight, 1e-6);
  EXPECT_NEAR(attention(q, k, v, with_sink).item(), 10 * weight, 1e-5);
  const AttentionOptions none{.score = Score::dot(), .sink = tensor(-inf)};
  EXPECT_EQ(attention(q, k, v, none).item(), 10);
}

TEST(Sink, OfAQueryWithoutKeysGivesZeros) {
  const Tensors in = qkv({2, 3}, 80, 200);
  const AttentionOptions o{.mask = Mask(zeros({80, 200}, Dtype::b8)), .sink = normal({3}, 7)};
  EXPECT_TRUE(same_bits(attention(in[0], in[1], in[2], o), zeros({2, 3, 80, 8}, Dtype::f64)));
  const Tensors nothing = qkv({3}, 2, 0);
  EXPECT_TRUE(same_bits(attention(nothing[0], nothing[1], nothing[2], {.sink = normal({3}, 7)}),
                        zeros({3, 2, 8}, Dtype::f64)));
}

TEST(ScoreKinds, CosineOfZerosIsZero) {
  const Tensor q = zeros({1, 4}).set_requires_grad(), k = ones({3, 4}).set_requires_grad();
  EXPECT_EQ(attention_weights(q, k, {.score = Score::cosine(10)}).values<float>(),
            std::vector<float>(3, 1 / 3.0F));
  sum(attention(q, k, k, {.score = Score::cosine(10)})).backward();
  EXPECT_TRUE(all(isfinite(q.grad())).values<bool>()[0]);
}

// Grouped queries are as if each head of k and v stood there once for each query, to the bit.
TEST(Grouped, IsAsIfKeysWereRepeated) {
  const auto repeated = [](const Tensor& x) {  // [2, 2, T, d] -> [2, 6, T, d]
    return reshape(expand(unsqueeze(x, 2), {2, 2, 3, x.size(2), x.size(3)}),
                   {2, 6, x.size(2), x.size(3)});
  };
  for (const auto& [queries, keys] : {std::pair(4, 7), std::pair(70, 150)}) {
    for (const bool layout : {false, true}) {
      const Tensors heads = qkv({2, 6}, queries, 1), all = qkv({2, 2}, 1, keys);
      Tensors in = {heads[0], all[1], all[2]};
      for (Tensor& x : in) {
        if (layout) x = transpose(transpose(x, 1, 2).contiguous(), 1, 2);
        x = x.to(Dtype::f32).detach().set_requires_grad();
      }
      const Tensor mask = normal({2, 6, queries, keys}, 4) > -1;
      const AttentionOptions o{.mask = Mask::causal() & mask,
                               .sink = normal({6}, 5).to(Dtype::f32)};
      AttentionOptions grouped = o;
      grouped.grouped = true;
      const Tensor y = attention(in[0], in[1], in[2], grouped);
      const Tensor wanted = attention(in[0], repeated(in[1]), repeated(in[2]), o);
      EXPECT_TRUE(same_bits(y, wanted));
      EXPECT_TRUE(same_bits(attention_weights(in[0], in[1], grouped),
                            attention_weights(in[0], repeated(in[1]), o)));
      const Tensor g = normal(y.shape(), 6).to(Dtype::f32);
      const Tensors found = grad({y}, in, {.cotangents = {g}});
      const Tensors expected = grad({wanted}, in, {.cotangents = {g}});
      for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(close(found[i], expected[i], 1e-5)) << i;
    }
  }
}

// Documents packed side by side give what each gives alone, to the bit; NaN of one stays there.
TEST(Documents, AreAsIfEachWereAlone) {
  for (const int64_t first : {3, 64, 128}) {
    SCOPED_TRACE(first);
    const int64_t length = first + 150;
    Tensors in = qkv({2}, length, length);
    for (Tensor& x : in) x = x.to(Dtype::f32);
    std::vector<int64_t> numbers(static_cast<size_t>(length), 5);
    std::fill(numbers.begin(), numbers.begin() + first, 2);
    const Mask mask = Mask::causal() & Mask::documents(from_values(numbers));
    const Tensor y = attention(in[0], in[1], in[2], {.mask = mask});
    const auto part = [&](const Tensor& x, int64_t begin, int64_t end) {
      return slice(x, 1, begin, end);
    };
    const auto alone = [&](int64_t begin, int64_t end) {
      return attention(part(in[0], begin, end), part(in[1], begin, end), part(in[2], begin, end),
                       {.mask = Mask::causal()});
    };
    EXPECT_TRUE(same_bits(part(y, 0, first), alone(0, first)));
    EXPECT_TRUE(close(part(y, first, length), alone(first, length), 1e-6));
    in[2].mutable_data<float>()[0] = std::nanf("");
    const Tensor bad = attention(in[0], in[1], in[2], {.mask = mask});
    EXPECT_TRUE(same_bits(part(bad, first, length), part(y, first, length)));
    EXPECT_TRUE(std::isnan(bad.values<float>()[0]));
  }
}

TEST(ScoreKinds, ErrorsSayWhatWasWanted) {
  const Tensor q = zeros({2, 3, 4}), k = zeros({2, 5, 4}), v = zeros({2, 5, 4});
  const auto with = [&](const AttentionOptions& o) {
    return error_of([&] { attention(q, k, v, o); });
  };
  EXPECT_EQ(with({.score = Score::bilinear(zeros({3, 4}))}),
            "attention: wanted Score::bilinear's weight [..., 4, 4] for q [2, 3, 4] and k "
            "[2, 5, 4]; got [3, 4]");
  EXPECT_EQ(with({.score = Score::additive(zeros({3}))}),
            "attention: wanted Score::additive's weight to broadcast to [2, 4]; got [3]");
  EXPECT_EQ(with({.score = Score::additive(zeros({4}, Dtype::f64))}),
            "attention: wanted the score's weight in the dtype of q, f32; got f64[4]");
  EXPECT_EQ(with({.score = Score().with_relative_bias(zeros({2, 8}))}),
            "attention: wanted a relative bias [..., Tq + Tk - 1] that broadcasts to [2, 7]; got "
            "[2, 8]");
  EXPECT_EQ(with({.sink = zeros({3})}),
            "attention: wanted a sink that broadcasts to the leading axes, [2]; got [3]");
  EXPECT_EQ(with({.mask = Mask::documents(zeros({4}, Dtype::i64))}),
            "attention: wanted documents [..., 5], a number for each key; got [4]");
  EXPECT_EQ(with({.mask = Mask::documents(from_values<int64_t>({1, 1, 2, 1, 1}))}),
            "attention: wanted the places of a document side by side; got document 1 in several "
            "pieces");
  EXPECT_EQ(
      error_of([&] {
        attention(q, zeros({3, 5, 4}), zeros({3, 5, 4}), {.grouped = true});
      }),
      "attention: wanted q [..., H, Tq, d] with a multiple of the heads of k [..., Hk, Tk, d], "
      "as it is grouped; got q [2, 3, 4] and k [3, 5, 4]");
  EXPECT_EQ(error_of([&] {
              attention(zeros({4, 3, 4}), k, zeros({5, 4}), {.grouped = true});
            }),
            "attention: wanted v with the heads of k [2, 5, 4]; got [5, 4]");
  EXPECT_EQ(error_of([] { Mask::documents(zeros({4})); }),
            "Mask::documents: wanted documents of i64; got f32[4]");
  EXPECT_EQ(error_of([] { Score::bilinear(zeros({4})); }),
            "Score::bilinear: wanted weight [..., dq, dk]; got [4]");
  EXPECT_EQ(error_of([] { Score::cosine(inf); }), "Score::cosine: wanted a finite scale; got inf");
}

}  // namespace
}  // namespace rapt
