// Mask: which keys a query may attend to, as a value; against rules written out, pair by pair.

#include "rapt/autograd/attention/mask.h"

#include <gtest/gtest.h>

#include <functional>

#include "../../support/definitions.h"
#include "inputs.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::expect_as_defined;
using tests::normal;
using tests::plain_attention;
using tests::qkv;
using tests::same_bits;
using In = const Tensors&;

/// May query i of batch entry b attend to key j?
using PairRule = std::function<bool(int64_t b, int64_t i, int64_t j)>;

Tensor by_pairs(int64_t batch, int64_t queries, int64_t keys, const PairRule& may) {
  std::vector<bool> out;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t i = 0; i < queries; ++i) {
      for (int64_t j = 0; j < keys; ++j) out.push_back(may(b, i, j));
    }
  }
  return from_values(out, {batch, queries, keys});
}

Tensor integers(std::vector<int64_t> values) { return from_values(values); }

/// Masks of queries x keys, and what they mean.
struct Case {
  std::string name;
  Mask mask;
  PairRule may;
};

std::vector<Case> cases(int64_t queries, int64_t keys) {
  const int64_t offset = keys - queries, third = keys / 3;
  const Tensor lengths = integers({keys - third, third}), prefixes = integers({third, keys});
  const auto length_of = [=](int64_t b) { return b == 0 ? keys - third : third; };
  const auto prefix_of = [=](int64_t b) { return b == 0 ? third : keys; };
  const Tensor starts = integers({third, 0});
  const auto start_of = [=](int64_t b) { return b == 0 ? third : 0; };
  using Align = Mask::Align;
  const PairRule causal = [=](int64_t, int64_t i, int64_t j) { return j <= i + offset; };
  const PairRule window = [=](int64_t, int64_t i, int64_t j) {
    return i + offset - 9 <= j && j <= i + offset + 4;
  };
  const PairRule short_enough = [=](int64_t b, int64_t, int64_t j) { return j < length_of(b); };
  return {
      {"causal", Mask::causal(), causal},
      {"causal, first", Mask::causal(Align::first), [](auto, auto i, auto j) { return j <= i; }},
      {"window", Mask::window(9, 4), window},
      {"window, first", Mask::window(70, 0, Align::first),
       [](auto, auto i, auto j) { return i - 70 <= j && j <= i; }},
      {"a wide window", Mask::window(INT64_MAX, INT64_MAX), [](auto, auto, auto) { return true; }},
      {"lengths", Mask::lengths(lengths), short_enough},
      {"prefix", Mask::prefix(7), [=](auto b, auto i, auto j) { return j < 7 || causal(b, i, j); }},
      {"prefixes, first", Mask::prefix(prefixes, Align::first),
       [=](auto b, auto i, auto j) { return j < prefix_of(b) || j <= i; }},
      {"causal, lengths and window", Mask::causal() & Mask::lengths(lengths) & Mask::window(9, 4),
       [=](auto b, auto i, auto j) {
         return causal(b, i, j) && short_enough(b, i, j) && window(b, i, j);
       }},
      {"causal and window at places of their own",
       (Mask::causal() & Mask::window(9, 4, Align::first)).at(starts),
       [=](auto b, auto i, auto j) { return i + start_of(b) - 9 <= j && j <= i + start_of(b); }},
      {"prefix at places of its own, and lengths",
       Mask::prefix(prefixes).at(starts) & Mask::lengths(lengths) & Mask::window(70, 50),
       [=](auto b, auto i, auto j) {
         return (j < prefix_of(b) || j <= i + start_of(b)) && short_enough(b, i, j) &&
                i + offset - 70 <= j && j <= i + offset + 50;
       }},
      {"two windows and a prefix",
       Mask::window(9, 4) & Mask::window(40, 2, Align::first) & Mask::prefix(prefixes),
       [=](auto b, auto i, auto j) {
         return window(b, i, j) && i - 40 <= j && j <= i + 2 &&
                (j < prefix_of(b) || causal(b, i, j));
       }},
  };
}

struct Lengths {
  int64_t queries, keys;
};

// The kernels work on blocks of 64 queries by 128 keys, up to four blocks of queries at a time.
const std::vector<Lengths> lengths = {{1, 1},    {5, 9},    {9, 5},    {64, 128},
                                      {70, 300}, {300, 70}, {330, 280}};

TEST(Mask, AsATensorIsItsRule) {
  for (const auto [queries, keys] : lengths) {
    for (const Case& c : cases(queries, keys)) {
      EXPECT_TRUE(same_bits(c.mask.allowed({2}, queries, keys), by_pairs(2, queries, keys, c.may)))
          << c.name << ", " << queries << " x " << keys;
    }
  }
  EXPECT_EQ(Mask::causal().allowed({2}, 3, 0).shape(), (Shape{2, 3, 0}));
  EXPECT_EQ(Mask().allowed({}, 1, 2).str(), "b8[1, 2] {{true, true}}");
  EXPECT_TRUE(Mask().is_empty());
  EXPECT_TRUE(Mask(Tensor()).is_empty());
  EXPECT_TRUE(Mask::keys(Tensor()).is_empty());
  EXPECT_TRUE(Mask::pairs(Tensor()).is_empty());
}

TEST(Mask, AttentionIsItsFormula) {
  for (const auto [queries, keys] : lengths) {
    for (const Case& c : cases(queries, keys)) {
      SCOPED_TRACE(text(c.name, ", ", queries, " x ", keys));
      const Tensor allowed = by_pairs(2, queries, keys, c.may);
      expect_as_defined([&](In x) { return attention(x[0], x[1], x[2], {.mask = c.mask}); },
                        [&](In x) { return plain_attention(x[0], x[1], x[2], {.mask = allowed}); },
                        qkv({2}, queries, keys));
    }
  }
}

// With as many sequences as heads and queries, a missing axis could be any of them.
TEST(Mask, KeysAndPairsAreOfTheFirstAxesOfTheBatch) {
  const int64_t n = 3;
  Rng rng(5);
  const Tensor two = rng.bernoulli(0.6, {n, n}), three = rng.bernoulli(0.6, {n, n, n});
  const auto added = [](const Tensor& may) {
    const Tensor noise = normal(may.shape(), 6);
    const Tensor away =
        logical_and(logical_not(may), arange(n) > 0);  // a key is left to every query
    return masked_fill(noise, away, -std::numeric_limits<double>::infinity());
  };
  struct FirstAxes {
    const char* name;
    std::function<Mask(const Tensor&)> mask;
    Tensor tensor;
    Shape shape;  // with all axes
  };
  const std::vector<FirstAxes> all = {
      {"keys [B, Tk]", &Mask::keys, two, {n, 1, 1, n}},
      {"keys [B, Tk], added", &Mask::keys, added(two), {n, 1, 1, n}},
      {"keys [Tk]", &Mask::keys, two[0], {1, 1, 1, n}},
      {"keys [B, H, Tk]", &Mask::keys, three, {n, n, 1, n}},
      {"pairs [Tq, Tk]", &Mask::pairs, two, {1, 1, n, n}},
      {"pairs [B, Tq, Tk]", &Mask::pairs, three, {n, 1, n, n}},
      {"pairs [B, Tq, Tk], added", &Mask::pairs, added(three), {n, 1, n, n}},
  };
  for (const FirstAxes& c : all) {
    SCOPED_TRACE(c.name);
    EXPECT_TRUE(c.mask(c.tensor).tensors().empty());
    Tensors in = qkv({n, n}, n, n);
    if (c.tensor.dtype() == Dtype::b8) {
      const Tensor may = reshape(c.tensor, c.shape);
      EXPECT_TRUE(same_bits(c.mask(c.tensor).allowed({n, n}, n, n), expand(may, {n, n, n, n})));
      expect_as_defined(
          [&](In x) { return attention(x[0], x[1], x[2], {.mask = c.mask(c.tensor)}); },
          [&](In x) { return plain_attention(x[0], x[1], x[2], {.mask = may}); }, in);
    } else {
      in.push_back(c.tensor);
      expect_as_defined(
          [&](In x) { return attention(x[0], x[1], x[2], {.mask = c.mask(x[3])}); },
          [&](In x) { return plain_attention(x[0], x[1], x[2], {.mask = reshape(x[3], c.shape)}); },
          in);
    }
  }
}

TEST(Mask, AtTheEndOfAllIntegersIsBehindAllKeys) {
  const Tensor starts = integers({INT64_MAX, 1});
  EXPECT_TRUE(same_bits((Mask::causal() & Mask::window(2, 0)).at(starts).allowed({2}, 2, 3),
                        from_values(std::vector<bool>{false, false, false, false, false, false,  //
                                                      true, true, false, true, true, true},
                                    {2, 2, 3})));
}

// Many heads are worked on one by one, few are cut into blocks of keys as well.
TEST(Mask, ManyHeadsHaveTheBitsOfFew) {
  const int64_t length = 330;
  for (const Case& c : cases(length, length)) {
    SCOPED_TRACE(c.name);
    Rng rng(4);
    const auto draw = [&] { return rng.normal({2, 12, length, 8}); };
    const Tensors in = {draw(), draw(), draw()};
    const Tensor cotangent = draw();
    const auto run = [&](int64_t begin, int64_t end) {
      Tensors leaves;
      for (const Tensor& x : in) {
        leaves.push_back(slice(x, 1, begin, end).clone().set_requires_grad());
      }
      const Tensor y = attention(leaves[0], leaves[1], leaves[2], {.mask = c.mask});
      y.backward(slice(cotangent, 1, begin, end));
      return Tensors{y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
    };
    const Tensors many = run(0, 12), few = run(3, 4);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_TRUE(same_bits(slice(many[i], 1, 3, 4), few[i])) << i;
    }
  }
}

// What no query sees is not read for its value: NaN there changes nothing, to the bit.
TEST(Mask, WhatItForbidsHasNoSay) {
  const int64_t length = 300, from = 150;
  const Mask mask = Mask::causal() & Mask::window(60, 0) & Mask::lengths(integers({from, from}));
  Tensors in = qkv({2}, length, length);
  const auto run = [&](const Tensors& x) {
    Tensors leaves;
    for (const Tensor& t : x) leaves.push_back(t.to(Dtype::f32).clone().set_requires_grad());
    const Tensor y = attention(leaves[0], leaves[1], leaves[2], {.mask = mask});
    sum(y * y).backward();
    return Tensors{y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
  };
  Tensors bad = in;
  const Tensor beyond = unsqueeze(arange(length) >= from, 1);
  for (const size_t i : {1, 2}) bad[i] = masked_fill(in[i], beyond, std::nan(""));
  const Tensors wanted = run(in), found = run(bad);
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
  // Queries from 150 + 60 on see nothing.
  EXPECT_EQ(max(abs(slice(found[0], 1, 211, length))).item(), 0);
}

TEST(Mask, LengthsHaveTheBitsOfTheShorterSequence) {
  const int64_t length = 300;
  Rng rng(4);
  const auto draw = [&] { return rng.normal({2, 3, length, 16}); };
  const Tensor q = draw(), k = draw(), v = draw();
  for (const int64_t n : {1, 63, 130, 299}) {
    for (const bool causal : {false, true}) {
      const Mask mask = tests::causal_if(causal) & Mask::lengths(integers({n, n}));
      const Tensor whole = attention(q, k, v, {.mask = mask});
      const auto cut = [n](const Tensor& x) { return slice(x, 2, 0, n); };
      EXPECT_TRUE(same_bits(cut(whole),
                            attention(cut(q), cut(k), cut(v), {.mask = tests::causal_if(causal)})))
          << n;
    }
  }
}

// ---- tensors -----------------------------------------------------------------------------------

TEST(Mask, SeveralTensorsAreJoined) {
  const Tensors in = qkv({2, 3}, 70, 140);
  Rng rng(3);
  const Tensor rows = rng.bernoulli(0.8, {70, 1}), keys = rng.bernoulli(0.8, {2, 1, 1, 140});
  const Tensor one = normal({70, 140}, 5), two = normal({3, 1, 140}, 6);
  const Mask allowed = Mask::causal() & rows & keys;
  expect_as_defined(
      [&](In x) {
        const Mask all = allowed & one.to(x[0].dtype()) & two.to(x[0].dtype());
        return attention(x[0], x[1], x[2], {.mask = all});
      },
      [&](In x) {
        const Tensor scores =
            matmul(x[0], transpose(x[1])) / std::sqrt(8.0) + (one + two).to(x[0].dtype());
        const Tensor may = logical_and(logical_and(rows, keys), tests::plain_causal(70, 140));
        return matmul(tests::plain_softmax(scores, may), x[2]);
      },
      in);
}

TEST(Mask, WhatIsAddedHasAGradientOfItsShape) {
  for (const Shape& shape : {Shape{70, 300}, Shape{3, 70, 300}, Shape{2, 1, 70, 300}, Shape{300},
                             Shape{70, 1}, Shape{3, 1, 1}, Shape{}}) {
    SCOPED_TRACE(shape.str());
    Tensors in = qkv({2, 3}, 70, 300);
    in.push_back(normal(shape, 8));
    expect_as_defined(
        [](In x) { return attention(x[0], x[1], x[2], {.mask = Mask::causal() & x[3]}); },
        [](In x) { return plain_attention(x[0], x[1], x[2], {.mask = x[3], .causal = true}); }, in);
  }
}

TEST(Mask, WhatIsMaskedByOneIsNotBroughtBackByAnother) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Tensors in = qkv({}, 2, 3);
  const Tensor minus = tensor({-inf, 0, 0}, Dtype::f64), plus = tensor({inf, 0, 0}, Dtype::f64);
  const Tensor wanted =
      attention(in[0], in[1], in[2], {.mask = from_values<bool>({false, true, true})});
  for (const Mask& mask : {Mask(minus) & plus, Mask(plus) & minus,
                           Mask(plus) & from_values<bool>({false, true, true})}) {
    EXPECT_TRUE(close(attention(in[0], in[1], in[2], {.mask = mask}), wanted, 1e-15));
  }
}

// ---- a user's own ------------------------------------------------------------------------------

/// Every second key.
Mask every_second() {
  return Mask::of([](const AttentionBlock& b) {
    const Tensor half = (b.keys.to(Dtype::f64) * 0.5).to(Dtype::i64);
    return expand(half * 2 == b.keys, {b.rows.size(0), b.keys.size(1)});
  });
}

TEST(Mask, OfAUsersFunction) {
  for (const auto [queries, keys] : lengths) {
    SCOPED_TRACE(text(queries, " x ", keys));
    const int64_t offset = keys - queries;
    const Tensor allowed = by_pairs(
        2, queries, keys, [=](auto, auto i, auto j) { return j % 2 == 0 && j <= i + offset; });
    const Mask mask = Mask::causal() & every_second();
    EXPECT_TRUE(same_bits(mask.allowed({2}, queries, keys), allowed));
    expect_as_defined([&](In x) { return attention(x[0], x[1], x[2], {.mask = mask}); },
                      [&](In x) { return plain_attention(x[0], x[1], x[2], {.mask = allowed}); },
                      qkv({2}, queries, keys));
  }
}

// ---- errors ------------------------------------------------------------------------------------

TEST(MaskErrors, NameTheFunction) {
  EXPECT_EQ(error_of([] { Mask::window(-1, 0); }),
            "Mask::window: wanted before >= 0 and after >= 0; got -1 and 0");
  EXPECT_EQ(error_of([] { Mask::lengths(ones({2})); }),
            "Mask::lengths: wanted lengths of i64; got f32[2]");
  EXPECT_EQ(error_of([] { Mask::causal().at(ones({2})); }),
            "Mask::at: wanted starts of i64; got f32[2]");
  EXPECT_EQ(error_of([] { Mask::prefix(-2); }), "Mask::prefix: wanted a length >= 0; got -2");
  EXPECT_EQ(error_of([] { Mask::of(Mask::Function()); }),
            "Mask::of: wanted a function; got an empty one");
  EXPECT_EQ(error_of([] { Mask mask(arange(3)); }),
            "Mask: wanted b8 (true = may attend), f32 or f64 (added to the scores); got i64[3] "
            "(Mask::lengths takes lengths)");
  EXPECT_EQ(error_of([] { Mask::keys(arange(3)); }),
            "Mask::keys: wanted b8 (true = may attend), f32 or f64 (added to the scores); got "
            "i64[3] (Mask::lengths takes lengths)");
  EXPECT_EQ(error_of([] { Mask::keys(tensor(1.0)); }),
            "Mask::keys: wanted a tensor [..., Tk]; got a scalar");
  EXPECT_EQ(error_of([] { Mask::pairs(ones({3}, Dtype::b8)); }),
            "Mask::pairs: wanted a tensor [..., Tq, Tk]; got [3]");
  EXPECT_EQ(error_of([] { Mask::causal().allowed({}, -1, 2); }),
            "Mask::allowed: wanted lengths >= 0; got -1 queries and 2 keys");
}

TEST(MaskErrors, WhatDoesNotFitIsNamedByTheCall) {
  const Tensors in = qkv({2, 4}, 3, 5);
  const auto error = [&](const Mask& mask) {
    return error_of([&] { attention(in[0], in[1], in[2], {.mask = mask}); });
  };
  EXPECT_EQ(error(Mask::lengths(integers({9, 1}))),
            "attention: wanted lengths in [0, 5], the number of keys; got 9");
  EXPECT_EQ(
      error(Mask::keys(ones({3, 5}, Dtype::b8))),
      "attention: wanted a mask that broadcasts to [..., Tq, Tk] = [2, 4, 3, 5]; got [3, 1, 1, 5]");
  EXPECT_EQ(error(Mask::lengths(integers({-1, 1}))), "attention: wanted lengths >= 0; got -1");
  EXPECT_EQ(error(Mask::lengths(integers({1, 2, 3, 4}))),
            "attention: wanted lengths of the first axes of the batch, [2, 4]; "
            "got [4]");
  EXPECT_EQ(error(Mask::causal().at(integers({-1, 1}))), "attention: wanted starts >= 0; got -1");
  EXPECT_EQ(error(Mask::prefix(integers({1, 2, 3}))),
            "attention: wanted lengths of the first axes of the batch, [2, 4]; "
            "got [3]");
  EXPECT_EQ(error(Mask::of([](const AttentionBlock&) {
              return ones({3, 5});
            })),
            "attention: wanted from Mask::of's function b8 that broadcasts to "
            "[2, 4, 3, 5]; got f32[3, 5]");
}

TEST(MaskErrors, ATensorThatWasOverwrittenIsNamed) {
  const Tensors in = qkv({2}, 3, 5);
  Tensor q = in[0].clone().set_requires_grad();
  Tensor may = ones({3, 5}, Dtype::b8), plus = zeros({3, 5}, Dtype::f64).set_requires_grad();
  const Tensor y = sum(attention(q, in[1], in[2], {.mask = Mask(may) & plus}));
  may.copy_from(zeros({3, 5}, Dtype::b8));
  EXPECT_EQ(
      error_of([&] { y.backward(); }),
      "attention: backward needs b8[3, 5], a side argument or a tensor that "
      "its rule captured, which was overwritten since (mutable_data, copy_from, an optimizer's "
      "step)");
}

}  // namespace
}  // namespace rapt
