// A sequence's outputs have the same bits alone, in a batch, padded, as a prefix of a longer one,
// and with keys kept from before: docs/same-bits.md.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "../support/tensors.h"
#include "models.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::DecoderShape;
using tests::same_bits;
using tests::WithThreads;

constexpr DecoderShape shapes[] = {
    {1, 7, 8, 4},    {5, 7, 24, 4},   {1, 64, 40, 4},   {5, 64, 16, 4},  {1, 130, 32, 4},
    {5, 130, 24, 4}, {1, 300, 40, 4}, {2, 300, 60, 10}, {2, 64, 392, 2}, {1, 130, 400, 4},
    {3, 17, 136, 1}, {4, 65, 130, 5}, {1, 257, 48, 1},  {20, 33, 16, 1}, {2, 129, 256, 2},
};
constexpr int64_t decoders = 45;

/// The i-th decoder and a batch for it, in evaluation mode.
struct Trial {
  explicit Trial(int64_t i)
      : shape(shapes[i % std::size(shapes)]),
        rng(static_cast<uint64_t>(i) + 1),
        model(tests::decoder_options(shape, i / 3 + i), rng),
        ids(rng.integers(0, model.options().vocabulary, {shape.batch, shape.context})) {
    model.eval();
    logits = model(ids);
  }
  Tensor sequence(int64_t b) const { return slice(ids, 0, b, b + 1); }
  Tensor logits_of(int64_t b, int64_t length) const {
    return slice(slice(logits, 0, b, b + 1), 1, 0, length);
  }

  DecoderShape shape;
  Rng rng;
  nn::DecoderOnly model;
  Tensor ids, logits;
};

template <class F>
void for_each_decoder(F f) {
  const NoGrad no_grad;
  for (int64_t i = 0; i < decoders; ++i) {
    SCOPED_TRACE(i);
    Trial trial(i);
    f(trial);
  }
}

TEST(SameBits, ASequenceAlone) {
  for_each_decoder([](const Trial& t) {
    for (int64_t b = 0; b < t.shape.batch; ++b) {
      EXPECT_TRUE(same_bits(t.model(t.sequence(b)), t.logits_of(b, t.shape.context))) << b;
    }
  });
}

TEST(SameBits, APrefix) {
  for_each_decoder([](Trial& t) {
    for (int trial = 0; trial < 4; ++trial) {
      const int64_t length = t.rng.integer(1, t.shape.context + 1);
      const int64_t b = t.rng.integer(0, t.shape.batch);
      const Tensor part = slice(t.sequence(b), 1, 0, length);
      EXPECT_TRUE(same_bits(t.model(part), t.logits_of(b, length))) << length;
    }
  });
}

TEST(SameBits, RightPadding) {
  for_each_decoder([](Trial& t) {
    const int64_t length = t.rng.integer(1, t.shape.context + 1);
    const Mask mask = Mask::lengths(full({t.shape.batch}, static_cast<double>(length), Dtype::i64));
    const Tensor real = slice(t.ids, 1, 0, length);
    const Tensor other = t.rng.integers(0, 29, {t.shape.batch, t.shape.context - length});
    const Tensor padded = concat({real, other}, 1), alone = t.model(real);
    EXPECT_TRUE(same_bits(slice(t.model(padded), 1, 0, length), alone)) << length;
    EXPECT_TRUE(same_bits(slice(t.model(padded, {.mask = mask}), 1, 0, length), alone)) << length;
  });
}

TEST(SameBits, AnyNumberOfThreads) {
  for_each_decoder([](const Trial& t) {
    for (const int threads : {1, 2, 4}) {
      const WithThreads scope(threads);
      EXPECT_TRUE(same_bits(t.model(t.ids), t.logits)) << threads;
    }
  });
}

// What a decoder with a cache asks for: a few queries at the end, all keys.
TEST(SameBits, AttentionWithKeysFromBefore) {
  const NoGrad no_grad;
  Rng rng(3);
  for (const int64_t heads : {1, 4, 20}) {
    for (const int64_t length : {7, 64, 130, 300, 520}) {
      const auto draw = [&](int64_t width) { return rng.normal({heads, length, width}, 0, 2); };
      const Tensor q = draw(24), k = draw(24), v = draw(20);
      const Tensor whole = attention(q, k, v, {.mask = Mask::causal()});
      for (const int64_t some : {int64_t{1}, int64_t{2}, length / 2, length - 1}) {
        for (const int64_t seen : {length, length - length / 3}) {
          const int64_t first = std::max<int64_t>(seen - some, 0);
          const Tensor part = attention(slice(q, 1, first, seen), slice(k, 1, 0, seen),
                                        slice(v, 1, 0, seen), {.mask = Mask::causal()});
          EXPECT_TRUE(same_bits(part, slice(whole, 1, first, seen)))
              << heads << " heads, " << length << ", queries " << first << " to " << seen;
        }
      }
    }
  }
}

// A head alone, or among any others, forward and backward: few heads are cut into blocks of keys.
TEST(SameBits, AHeadOfAttentionAlone) {
  Rng rng(5);
  for (const int64_t length : {7, 130, 300, 600}) {
    for (const bool added : {false, true}) {
      const auto draw = [&] { return rng.normal({20, length, 16}, 0, 2); };
      const Tensors in = {draw(), draw(), draw()};
      const Tensor g = draw(), seen = rng.bernoulli(0.8, {20, length, length});
      const Tensor mask =
          added ? masked_fill(rng.normal(seen.shape()), logical_not(seen), -INFINITY) : seen;
      const auto run = [&](int64_t begin, int64_t end) {
        Tensors leaves;
        for (const Tensor& x : in) {
          leaves.push_back(slice(x, 0, begin, end).clone().set_requires_grad());
        }
        const Tensor y = attention(
            leaves[0], leaves[1], leaves[2],
            {.mask = (length != 130 ? Mask::causal() : Mask()) & slice(mask, 0, begin, end)});
        y.backward(slice(g, 0, begin, end));
        return Tensors{y.detach(), leaves[0].grad(), leaves[1].grad(), leaves[2].grad()};
      };
      const Tensors all = run(0, 20);
      for (const int64_t some : {1, 3, 17}) {
        const Tensors part = run(2, 2 + some);
        for (size_t i = 0; i < all.size(); ++i) {
          EXPECT_TRUE(same_bits(part[i], slice(all[i], 0, 2, 2 + some)))
              << length << ", " << some << " heads, " << i;
        }
      }
    }
  }
}

// Every function of rows gives a row the bits that it has alone.
TEST(SameBits, RowsOfLayers) {
  const NoGrad no_grad;
  Rng rng(4);
  for (const int64_t width : {1, 5, 16, 96, 130, 400, 770}) {
    SCOPED_TRACE(width);
    const int64_t rows = 37;
    const Tensor x = rng.normal({rows, width}, 0, 3), gain = rng.normal({width});
    const Tensor weight = rng.normal({50, width}), back = rng.normal({width, 33});
    const Tensor bias = rng.normal({50});
    const std::pair<const char*, std::function<Tensor(const Tensor&)>> functions[] = {
        {"linear", [&](const Tensor& r) { return linear(r, weight, bias); }},
        {"gelu_linear", [&](const Tensor& r) { return gelu_linear(r, weight, bias); }},
        {"matmul", [&](const Tensor& r) { return matmul(r, back); }},
        {"layer_norm", [&](const Tensor& r) { return layer_norm(r, gain, gain); }},
        {"rms_norm", [&](const Tensor& r) { return rms_norm(r, gain); }},
        {"softmax", [&](const Tensor& r) { return softmax(r); }},
        {"log_softmax", [&](const Tensor& r) { return log_softmax(r); }},
        {"logsumexp", [&](const Tensor& r) { return logsumexp(r, {-1}); }},
        {"sum", [&](const Tensor& r) { return sum(r, {-1}); }},
        {"gelu", [&](const Tensor& r) { return gelu(r); }},
        {"silu", [&](const Tensor& r) { return silu(r); }},
        {"tanh", [&](const Tensor& r) { return tanh(r); }},
    };
    for (const auto& [name, f] : functions) {
      const Tensor all = f(x);
      for (const int64_t row : {int64_t{0}, int64_t{13}, rows - 1}) {
        for (const int64_t some : {1, 3, 20}) {
          const int64_t first = std::min(row, rows - some);
          EXPECT_TRUE(same_bits(f(slice(x, 0, first, first + some).contiguous()),
                                slice(all, 0, first, first + some)))
              << name << ", rows from " << first << ": " << some;
        }
      }
    }
  }
}

}  // namespace
}  // namespace rapt
