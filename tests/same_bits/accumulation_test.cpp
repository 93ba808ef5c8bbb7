// Gradients of micro-batches that are cut at whole blocks of tokens add up to the bits of the whole
// batch's: docs/same-bits.md.

#include <gtest/gtest.h>

#include <functional>

#include "../support/tensors.h"
#include "models.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/ops.h"
#include "rapt/optim/optim.h"

namespace rapt {
namespace {

using kernels::terms_per_block;
using tests::same_bits;
using tests::WithThreads;

/// The gradients that f leaves at `parameters`, which it is called to add to for each part of a
/// batch.
Tensors gathered(Tensors parameters, int64_t batch, int64_t part,
                 FunctionRef<void(int64_t, int64_t)> f) {
  for (Tensor& p : parameters) p.clear_grad();
  for (int64_t begin = 0; begin < batch; begin += part) f(begin, begin + part);
  Tensors out;
  for (const Tensor& p : parameters) out.push_back(p.grad().clone());
  return out;
}

void expect_same(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(same_bits(a[i], b[i])) << "parameter " << i;
}

/// f(x, parameters) of a batch of tokens, against the same of its parts of `part` sequences.
struct Layer {
  const char* name;
  std::vector<Shape> parameters;  // -1 stands for the sequences' length
  std::function<Tensor(const Tensor& x, const Tensors& p)> f;
};

constexpr int64_t width = 24;

const Layer layers[] = {
    {"linear", {{40, width}, {40}}, [](auto& x, auto& p) { return linear(x, p[0], p[1]); }},
    {"linear_each",
     {{40, width}, {40}, {9, width}, {9}},
     [](auto& x, auto& p) {
       return concat(linear_each(x, {p[0], p[2]}, {p[1], p[3]}), -1);
     }},
    {"gelu_linear",
     {{40, width}, {40}},
     [](auto& x, auto& p) { return gelu_linear(x, p[0], p[1]); }},
    {"matmul", {{width, 150}}, [](auto& x, auto& p) { return matmul(x, p[0]); }},
    {"einsum",
     {{width, 3, 5}},
     [](auto& x, auto& p) {
       return einsum("btw,whd->bthd", {x, p[0]});
     }},
    {"layer_norm", {{width}, {width}}, [](auto& x, auto& p) { return layer_norm(x, p[0], p[1]); }},
    {"rms_norm", {{width}}, [](auto& x, auto& p) { return rms_norm(x, p[0]); }},
    {"a bias", {{width}}, [](auto& x, auto& p) { return x + p[0]; }},
    {"a gain", {{width}}, [](auto& x, auto& p) { return x * p[0]; }},
    {"a number", {{}}, [](auto& x, auto& p) { return x * p[0]; }},
    {"one number for each head",
     {{4, 1}},
     [](auto& x, auto& p) {
       return reshape(x, {x.size(0), x.size(1), 4, -1}) / p[0];
     }},
    {"a table broadcast over the batch", {{-1, width}}, [](auto& x, auto& p) { return x + p[0]; }},
    {"part of a table broadcast over the batch",
     {{600, width}},
     [](auto& x, auto& p) { return x + slice(p[0], 0, 3, 3 + x.size(1)); }},
    {"a transposed weight",
     {{width, 40}, {3, 40}},
     [](auto& x, auto& p) { return linear(x, transpose(p[0])) * select(p[1], 0, 1); }},
    {"a weight in parts",
     {{2, 40, width}, {80}},
     [](auto& x, auto& p) {
       const Tensors biases = split(p[1], {40, 40});
       return linear(linear(x, select(p[0], 0, 0), biases[0]), transpose(select(p[0], 0, 1)));
     }},
    {"recompute",
     {{40, width}, {40}, {width}},
     [](auto& x, auto& p) {
       return recompute(
           [p](const Tensors& in) { return linear(layer_norm(in[0], p[2]), p[0], p[1]); }, {x});
     }},
};

Tensors parameters_of(const Layer& layer, int64_t length, Rng& rng) {
  Tensors out;
  for (Shape shape : layer.parameters) {
    for (int64_t& n : shape) n = n < 0 ? length : n;
    out.push_back(rng.normal(shape, 1).set_requires_grad());
  }
  return out;
}

/// Lengths and batches with parts of whole blocks: batch, part (in sequences), length.
struct Cut {
  int64_t batch, part, length;
};
constexpr Cut cuts[] = {{8, 4, 64},  {16, 4, 64}, {16, 8, 96},  {6, 2, 128},
                        {4, 1, 256}, {2, 1, 512}, {32, 16, 48}, {512, 256, 7}};

TEST(Accumulation, OfEveryLayer) {
  for (const Layer& layer : layers) {
    for (const Cut& cut : cuts) {
      ASSERT_EQ(cut.part * cut.length % terms_per_block, 0);
      SCOPED_TRACE(text(layer.name, ", ", cut.batch, " x ", cut.length, " in parts of ", cut.part));
      Rng rng(7);
      const Tensor x = rng.normal({cut.batch, cut.length, width});
      const Tensors parameters = parameters_of(layer, cut.length, rng);
      const Tensor g = rng.normal(layer.f(x, parameters).shape());
      const auto part = [&](int64_t begin, int64_t end) {
        layer.f(slice(x, 0, begin, end), parameters).backward(slice(g, 0, begin, end));
      };
      const Tensors whole = gathered(parameters, cut.batch, cut.batch, part);
      expect_same(gathered(parameters, cut.batch, cut.part, part), whole);
      for (const int threads : {1, 4}) {
        const WithThreads scope(threads);
        expect_same(gathered(parameters, cut.batch, cut.part, part), whole);
      }
    }
  }
}

TEST(Accumulation, OfTables) {
  Rng rng(8);
  Tensor table = rng.normal({11, width}).set_requires_grad();
  const Tensor ids = rng.integers(0, 11, {8, 64}), g = rng.normal({8, 64, width});
  const auto part = [&](int64_t begin, int64_t end) {
    embedding(table, slice(ids, 0, begin, end)).backward(slice(g, 0, begin, end));
  };
  const Tensors whole = gathered({table}, 8, 8, part);
  expect_same(gathered({table}, 8, 2, part), whole);
  expect_same(gathered({table}, 8, 1, part), whole);
}

// Whoever holds a gradient keeps what it was, and does not change what comes.
TEST(Accumulation, DoesNotDependOnWhoHoldsTheGradients) {
  Rng rng(9);
  const Tensor x = rng.normal({8, 64, width});
  for (const Layer& layer : layers) {
    SCOPED_TRACE(layer.name);
    const Tensors parameters = parameters_of(layer, 64, rng);
    const Tensor g = rng.normal(layer.f(x, parameters).shape());
    const auto part = [&](int64_t begin, int64_t end) {
      layer.f(slice(x, 0, begin, end), parameters).backward(slice(g, 0, begin, end));
    };
    const Tensors wanted = gathered(parameters, 8, 4, part);
    Tensors held, copies;
    const Tensors found = gathered(parameters, 8, 4, [&](int64_t begin, int64_t end) {
      part(begin, end);
      for (const Tensor& p : parameters) {
        held.push_back(p.grad());
        copies.push_back(p.grad().clone());
      }
    });
    expect_same(found, wanted);
    expect_same(held, copies);
  }
}

/// Gradients of a decoder over a padded batch, in micro-batches of `part` sequences.
class DecoderBatch {
 public:
  DecoderBatch(const tests::DecoderShape& shape, int64_t i)
      : shape_(shape),
        rng_(static_cast<uint64_t>(i)),
        model_(options(shape, i), rng_),
        ids_(rng_.integers(0, 29, {shape.batch, shape.context})),
        targets_(masked_fill(rng_.integers(0, 29, {shape.batch, shape.context}),
                             rng_.bernoulli(0.2, {shape.batch, shape.context}), -100)) {}

  Tensors gradients(int64_t part) {
    const double whole = count_targets(targets_);
    Tensors parameters;
    for (const auto& [name, p] : model_.parameters()) parameters.push_back(p);
    return gathered(parameters, shape_.batch, part, [&](int64_t begin, int64_t end) {
      const Tensor logits = model_(slice(ids_, 0, begin, end));
      cross_entropy(logits, slice(targets_, 0, begin, end)).mean(whole).backward();
    });
  }

 private:
  static nn::TransformerOptions options(const tests::DecoderShape& shape, int64_t i) {
    nn::TransformerOptions o = tests::decoder_options(shape, i);
    o.tie_weights = false;  // used twice: outside the promise
    return o;
  }

  tests::DecoderShape shape_;
  Rng rng_;
  nn::DecoderOnly model_;
  Tensor ids_, targets_;
};

TEST(Accumulation, OfDecoders) {
  const struct {
    tests::DecoderShape shape;
    std::vector<int64_t> parts;
  } cases[] = {
      {{16, 64, 32, 4}, {4, 8}}, {{16, 32, 48, 4}, {8}},     {{8, 256, 24, 1}, {1, 2, 4}},
      {{4, 512, 16, 2}, {1, 2}}, {{8, 128, 392, 2}, {2, 4}}, {{64, 16, 20, 5}, {16, 32}},
  };
  int64_t i = 0;
  for (const auto& c : cases) {
    for (int variant = 0; variant < 3; ++variant, ++i) {
      DecoderBatch batch(c.shape, i);
      const Tensors whole = batch.gradients(c.shape.batch);
      for (const int64_t part : c.parts) {
        SCOPED_TRACE(text("case ", i, ", parts of ", part));
        expect_same(batch.gradients(part), whole);
      }
    }
  }
}

// To 1e-6: a tied head's weight, which is used twice, and parts that end within a block.
TEST(Accumulation, OutsideThePromiseIsClose) {
  Rng rng(10);
  nn::DecoderOnly model({.vocabulary = 29, .context = 20, .width = 32, .tie_weights = true}, rng);
  const Tensor ids = rng.integers(0, 29, {6, 20}), targets = rng.integers(0, 29, {6, 20});
  Tensors parameters;
  for (const auto& [name, p] : model.parameters()) parameters.push_back(p);
  const auto part = [&](int64_t begin, int64_t end) {
    cross_entropy(model(slice(ids, 0, begin, end)), slice(targets, 0, begin, end))
        .mean(120)
        .backward();
  };
  const Tensors whole = gathered(parameters, 6, 6, part), cut = gathered(parameters, 6, 2, part);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(tests::close(cut[i], whole[i], 1e-6));
}

}  // namespace
}  // namespace rapt
