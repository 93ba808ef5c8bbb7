// The losses: cross_entropy against its definition with every option, and what Loss promises.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../support/definitions.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::expect_as_defined;
using tests::normal;
using tests::plain_log_softmax;
using tests::same_bits;
using In = const Tensors&;

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor random_targets(const Shape& shape, int64_t classes) {
  Rng rng(2);
  return rng.integers(0, classes, shape);
}

/// torch.nn.CrossEntropyLoss(reduction="sum"), by its documentation.
Tensor plain_cross_entropy(const Tensor& logits, const Tensor& targets,
                           const ClassificationOptions& o) {
  const int64_t classes = logits.size(-1);
  const Tensor weights = o.class_weights.defined() ? o.class_weights.to(logits.dtype())
                                                   : ones({classes}, logits.dtype());
  const Tensor counts = not_equal(targets, tensor(static_cast<double>(o.ignore_index), Dtype::i64));
  const Tensor on = one_hot(where(counts, targets, zeros({}, Dtype::i64)), classes, logits.dtype());
  const Tensor shares =
      (on * (1 - o.label_smoothing) + o.label_smoothing / static_cast<double>(classes)) * weights;
  return -sum(shares * plain_log_softmax(logits) * unsqueeze(counts, -1).to(logits.dtype()));
}

void expect_cross_entropy(const Tensor& logits, const Tensor& targets,
                          const ClassificationOptions& o = {}) {
  const auto options_for = [&o](const Tensor& x) {
    ClassificationOptions mine = o;
    if (o.class_weights.defined()) mine.class_weights = o.class_weights.to(x.dtype());
    return mine;
  };
  expect_as_defined([&](In x) { return cross_entropy(x[0], targets, options_for(x[0])).sum; },
                    [&](In x) { return plain_cross_entropy(x[0], targets, o); }, {logits});
}

TEST(CrossEntropy, IsAsDefined) {
  expect_cross_entropy(normal({5}) * 2.0, tensor(3, Dtype::i64));
  expect_cross_entropy(normal({4, 1}) * 2.0, zeros({4}, Dtype::i64));
  for (const int64_t classes : {2, 16, 17, 65}) {
    SCOPED_TRACE(classes);
    expect_cross_entropy(normal({6, classes}) * 2.0, random_targets({6}, classes));
    expect_cross_entropy(normal({2, 3, classes}) * 2.0, random_targets({2, 3}, classes));
  }
  expect_cross_entropy(normal({500, 65}) * 2.0, random_targets({500}, 65));
}

TEST(CrossEntropy, WithEveryOption) {
  const Tensor logits = normal({2, 6, 7}) * 2.0;
  Tensor targets = random_targets({2, 6}, 7);
  const Tensor weights = tensor({0.5, 2, 0, 1, 3, 0.25, 1}, Dtype::f64);
  for (const int64_t ignore : {-100, 4}) {
    for (const double smoothing : {0.0, 0.1, 1.0}) {
      for (const Tensor& w : {Tensor(), weights}) {
        SCOPED_TRACE(text("ignore ", ignore, ", smoothing ", smoothing, ", weights ", w));
        targets.mutable_data<int64_t>()[5] = ignore;
        const ClassificationOptions o{
            .ignore_index = ignore, .label_smoothing = smoothing, .class_weights = w};
        expect_cross_entropy(logits, targets, o);
        // The count: the targets that counted, or the sum of their classes' weights.
        double count = 0;
        for (const int64_t t : targets.values<int64_t>()) {
          if (t == ignore) continue;
          count += w.defined() ? w.values<double>()[static_cast<size_t>(t)] : 1;
        }
        EXPECT_NEAR(cross_entropy(logits, targets, o).count, count, 1e-12);
        targets = random_targets({2, 6}, 7);
      }
    }
  }
}

TEST(CrossEntropy, StridedTargetsAreReadAsTheyLook) {
  const Tensor logits = normal({3, 4, 5}) * 2.0, targets = random_targets({4, 3}, 5);
  EXPECT_EQ(cross_entropy(logits, transpose(targets)).sum.item(),
            cross_entropy(logits, transpose(targets).contiguous()).sum.item());
}

TEST(CrossEntropy, OverIgnoredTargetsAloneIsZero) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    Tensor logits = (normal({4, 3}) * 2.0).to(dtype).set_requires_grad();
    const Loss loss = cross_entropy(logits, full({4}, -100, Dtype::i64));
    EXPECT_EQ(loss.count, 0);
    EXPECT_EQ(loss.sum.item(), 0);
    EXPECT_EQ(loss.mean().item(), 0);
    loss.mean().backward();
    EXPECT_TRUE(same_bits(logits.grad(), zeros({4, 3}, dtype)));
  }
  const Loss none = cross_entropy(zeros({0, 3}), zeros({0}, Dtype::i64));
  EXPECT_EQ(none.count, 0);
  EXPECT_EQ(none.mean().item(), 0);
}

TEST(CrossEntropy, WhatIsIgnoredHasNoSayEvenIfNaN) {
  Tensor logits = normal({3, 4}) * 2.0;
  for (int64_t i = 4; i < 8; ++i) logits.mutable_data<double>()[i] = std::nan("");
  logits.set_requires_grad();
  const Loss loss = cross_entropy(logits, tensor({1, -100, 2}, Dtype::i64));
  EXPECT_TRUE(std::isfinite(loss.sum.item()));
  loss.sum.backward();
  EXPECT_TRUE(same_bits(select(logits.grad(), 0, 1), zeros({4}, Dtype::f64)));
  EXPECT_EQ(min(isfinite(logits.grad()).to(Dtype::i64)).item(), 1);
}

// Accumulated micro-batches equal the big batch, also with padding.
TEST(CrossEntropy, MicroBatchesAddUpToTheBatch) {
  Tensor w = (normal({6, 5}) * 2.0).set_requires_grad();
  const Tensor x = normal({8, 6}, 3) * 2.0;
  const Tensor targets = tensor({0, 1, -100, 3, 4, -100, -100, 2}, Dtype::i64);
  const Loss whole = cross_entropy(matmul(x, w), targets);
  whole.mean().backward();
  const Tensor wanted = w.grad();
  w.clear_grad();
  double sum_of_losses = 0, count = 0;
  for (const auto& [begin, end] : {std::pair(0, 3), std::pair(3, 5), std::pair(5, 8)}) {
    const Loss part =
        cross_entropy(matmul(slice(x, 0, begin, end), w), slice(targets, 0, begin, end));
    (part.sum / whole.count).backward();
    sum_of_losses += part.sum.item();
    count += part.count;
  }
  EXPECT_EQ(count, whole.count);
  EXPECT_NEAR(sum_of_losses, whole.sum.item(), 1e-12);
  EXPECT_TRUE(close(w.grad(), wanted, 1e-13));
}

// Logits that nobody else holds turn into their gradient; those that somebody holds stay.
TEST(CrossEntropy, OverwritesNoLogitsThatSomebodySees) {
  const Tensor targets = random_targets({6}, 5);
  const auto gradient = [&](const Tensor& x, auto use) {
    Tensor leaf = x.clone().set_requires_grad();
    use(leaf);
    return leaf.grad();
  };
  const Tensor x = normal({6, 5}) * 2.0;
  const Tensor wanted = gradient(x, [&](const Tensor& leaf) {  // the leaf's own elements: a copy
    cross_entropy(leaf, targets).sum.backward();
    EXPECT_TRUE(same_bits(leaf.detach(), x));
  });
  const Tensor alone =
      gradient(x, [&](const Tensor& leaf) { cross_entropy(leaf + 0.0, targets).sum.backward(); });
  EXPECT_TRUE(same_bits(alone, wanted));
  const Tensor held = gradient(x, [&](const Tensor& leaf) {
    const Tensor logits = leaf + 0.0;
    cross_entropy(logits, targets).sum.backward();
    EXPECT_TRUE(same_bits(logits.detach(), x));
  });
  EXPECT_TRUE(same_bits(held, wanted));
  const Tensor seen = gradient(x, [&](const Tensor& leaf) {
    Tensor logits = leaf + 0.0;
    const Tensor view = logits.detach();
    const Tensor loss = cross_entropy(std::move(logits), targets).sum;
    loss.backward();
    EXPECT_TRUE(same_bits(view, x));
  });
  EXPECT_TRUE(same_bits(seen, wanted));
  const Tensor twice = gradient(x, [&](const Tensor& leaf) {
    const Tensor loss = cross_entropy(leaf + 0.0, targets).sum;
    loss.backward({.retain_graph = true});
    loss.backward();
  });
  EXPECT_TRUE(same_bits(twice, wanted * 2.0));
  const Tensor shared = gradient(x, [&](const Tensor& leaf) {  // exp's rule needs its output too
    const Tensor logits = exp(leaf);
    const Tensor loss = cross_entropy(logits, targets).sum;
    loss.backward();
  });
  const Tensor unshared =
      gradient(x, [&](const Tensor& leaf) { cross_entropy(exp(leaf), targets).sum.backward(); });
  EXPECT_TRUE(same_bits(shared, unshared));
}

TEST(CrossEntropy, HugeAndMaskedLogits) {
  // A class at -inf has probability 0; logits of any size do not overflow.
  Tensor logits = tensor({{1000, 999, -infinity}, {-1e30, 0, -infinity}}).set_requires_grad();
  const Loss loss = cross_entropy(logits, tensor({0, 1}, Dtype::i64));
  EXPECT_NEAR(loss.sum.item(), std::log(1 + std::exp(-1.0)), 1e-6);
  loss.sum.backward();
  EXPECT_EQ(select(logits.grad(), 1, 2).str(), "f32[2] {0, 0}");
  EXPECT_EQ(cross_entropy(logits, tensor({2, 1}, Dtype::i64)).sum.item(), infinity);
}

TEST(CrossEntropy, Errors) {
  const Tensor logits = zeros({2, 3});
  EXPECT_EQ(error_of([&] {
              cross_entropy(logits, tensor({1, 3}, Dtype::i64));
            }),
            "cross_entropy: wanted targets in [0, 3) or ignore_index -100; got 3 at position 1");
  EXPECT_EQ(error_of([&] {
              cross_entropy(logits, tensor({-1, 0}, Dtype::i64));
            }),
            "cross_entropy: wanted targets in [0, 3) or ignore_index -100; got -1 at position 0");
  EXPECT_EQ(error_of([&] { cross_entropy(logits, zeros({3}, Dtype::i64)); }),
            "cross_entropy: wanted scores [..., C] and targets [...]; got [2, 3] and [3]");
  EXPECT_EQ(
      error_of([&] { cross_entropy(logits, zeros({2})); }),
      "cross_entropy: wanted targets of i64, or probabilities of the logits' shape [2, 3]; got "
      "f32[2]");
  EXPECT_EQ(
      error_of([&] { cross_entropy(logits, zeros({2}, Dtype::i64), {.label_smoothing = 1.5}); }),
      "cross_entropy: wanted 0 <= label_smoothing <= 1; got 1.5");
  EXPECT_EQ(error_of([&] {
              cross_entropy(logits, zeros({2}, Dtype::i64), {.class_weights = ones({2})});
            }),
            "cross_entropy: wanted class_weights [3]; got [2]");
}

// ---- the other losses --------------------------------------------------------------------------

TEST(NllLoss, OfLogSoftmaxIsCrossEntropy) {
  const Tensor logits = normal({3, 4, 5}) * 2.0;
  Tensor targets = random_targets({3, 4}, 5);
  targets.mutable_data<int64_t>()[7] = -100;
  for (const Tensor& w : {Tensor(), tensor({1, 2, 3, 4, 5}, Dtype::f64)}) {
    const ClassificationOptions o{.class_weights = w};
    const Loss loss = nll_loss(log_softmax(logits), targets, o);
    const Loss wanted = cross_entropy(logits, targets, o);
    EXPECT_NEAR(loss.sum.item(), wanted.sum.item(), 1e-12);
    EXPECT_EQ(loss.count, wanted.count);
  }
  EXPECT_EQ(error_of([&] { nll_loss(logits, targets, {.label_smoothing = 0.1}); }),
            "nll_loss: wanted label_smoothing 0; got 0.1");
}

TEST(MseLoss, IsAsDefined) {
  const Loss loss = mse_loss(tensor({1, 2, 3}), tensor({1, 4, 0}));
  EXPECT_EQ(loss.sum.item(), 13);
  EXPECT_EQ(loss.count, 3);
  EXPECT_EQ(mse_loss(zeros({0}), zeros({0})).mean().item(), 0);
  EXPECT_EQ(error_of([] {
              mse_loss(zeros({2, 1}), zeros({2}));
            }),
            "mse_loss: wanted two tensors of one shape; got [2, 1] and [2]");
}

TEST(BinaryCrossEntropy, IsAsDefinedAndNeverOverflows) {
  Rng rng(1);
  const Tensor targets = rng.uniform({3, 17}, 0, 1, Dtype::f64);
  expect_as_defined(
      [&](In x) { return binary_cross_entropy_with_logits(x[0], targets.to(x[0].dtype())).sum; },
      [&](In x) {
        const Tensor s = 1.0 / (1.0 + exp(-x[0]));
        return -sum(targets * log(s) + (1.0 - targets) * log(1.0 - s));
      },
      {normal({3, 17}) * 2.0});
  Tensor x = tensor({1000, -1000, 1000}, Dtype::f64).set_requires_grad();
  const Loss loss = binary_cross_entropy_with_logits(x, tensor({1, 0, 0}, Dtype::f64));
  EXPECT_EQ(loss.sum.item(), 1000);
  loss.sum.backward();
  EXPECT_EQ(x.grad().str(), "f64[3] {0, 0, 1}");
}

}  // namespace
}  // namespace rapt
