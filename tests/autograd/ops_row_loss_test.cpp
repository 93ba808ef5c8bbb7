// Losses of rows: what their records in tests/ops do not say.

#include <gtest/gtest.h>

#include <cmath>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::same_bits;

// 700 rows are two whole blocks and a part of one.
TEST(LinearCrossEntropy, HasTheGradientsOfTheTwoInTurnToTheBit) {
  const int before = num_threads();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    for (const bool ignores : {false, true}) {
      Rng rng(3);
      Tensor targets = rng.integers(0, 50, {7, 100});
      if (ignores) targets = masked_fill(targets, rng.bernoulli(0.3, {7, 100}), -100);
      const Tensor x = rng.normal({7, 100, 16}), w = rng.normal({50, 16}), b = rng.normal({50});
      const auto run = [&](bool in_blocks) {
        Tensors leaves;
        for (const Tensor& t : {x, w, b}) leaves.push_back(t.clone().set_requires_grad());
        const Loss loss =
            in_blocks ? linear_cross_entropy(leaves[0], leaves[1], targets, {.bias = leaves[2]})
                      : cross_entropy(linear(leaves[0], leaves[1], leaves[2]), targets);
        loss.mean().backward();
        return Tensors{loss.mean().detach(), full({}, loss.count), leaves[0].grad(),
                       leaves[1].grad(), leaves[2].grad()};
      };
      const Tensors found = run(true), wanted = run(false);
      EXPECT_TRUE(close(found[0], wanted[0], 1e-6));
      for (size_t i = 1; i < 5; ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
    }
  }
  set_num_threads(before);
}

TEST(LinearCrossEntropy, NamesTheTargetOfTheWhole) {
  const Tensor x = ones({300, 2}), w = ones({5, 2});
  Tensor targets = full({300}, 1, Dtype::i64);
  targets.mutable_data<int64_t>()[290] = 5;
  EXPECT_EQ(error_of([&] { linear_cross_entropy(x, w, targets); }),
            "linear_cross_entropy: wanted targets in [0, 5) or ignore_index -100; got 5 at "
            "position 290");
  EXPECT_EQ(error_of([&] {
              linear_cross_entropy(x, ones({5, 3}), targets);
            }),
            "linear_cross_entropy: wanted x [..., d] and weight [C, d]; got [300, 2] and [5, 3]");
  EXPECT_EQ(error_of([&] { linear_cross_entropy(x, w, targets, {.bias = ones({4})}); }),
            "linear_cross_entropy: wanted a bias f32[5]; got f32[4]");
  EXPECT_EQ(
      error_of([&] { linear_cross_entropy(x, w, targets, {.classes = {.label_smoothing = 2}}); }),
      "linear_cross_entropy: wanted 0 <= label_smoothing <= 1; got 2");
}

TEST(RowLosses, BearWhatIsCertain) {
  // A probability of 1 or 0, and vectors of length 0: finite, gradients too.
  const auto finite = [](auto f, Tensors in) {
    for (Tensor& x : in) x = x.clone().set_requires_grad();
    const Tensor loss = f(in);
    loss.backward();
    EXPECT_TRUE(std::isfinite(loss.item()));
    for (const Tensor& x : in) {
      EXPECT_EQ(all(isfinite(x.grad())).item(), 1) << x.grad().str();
    }
  };
  const Tensor certain = tensor({{200, 0}, {0, -200}}), ids = from_values<int64_t>({0, 0});
  for (const double gamma : {0.0, 1.0, 1.5, 2.0}) {
    finite([&](const Tensors& x) { return focal_loss(x[0], ids, {.gamma = gamma}).sum; },
           {certain});
  }
  finite(
      [](const Tensors& x) {
        return unlikelihood_loss(x[0], from_values<int64_t>({0, 1, 1, 0}, {2, 2})).sum;
      },
      {certain});
  finite([](const Tensors& x) { return kl_div_loss(x[0], softmax(x[1])).sum; },
         {log_softmax(certain), certain});
  const Tensor alike = from_values<bool>({true, false}, {2});
  finite([&](const Tensors& x) { return cosine_embedding_loss(x[0], x[1], alike).sum; },
         {zeros({2, 3}), zeros({2, 3})});
  finite([&](const Tensors& x) { return info_nce_loss(x[0], x[1]).sum; },
         {zeros({2, 3}), ones({2, 3})});
}

TEST(RowLosses, SayWhatIsWrong) {
  const Tensor logits = ones({2, 3}), ids = from_values<int64_t>({0, 3});
  EXPECT_EQ(error_of([&] { focal_loss(logits, ids); }),
            "focal_loss: wanted targets in [0, 3) or ignore_index -100; got 3 at position 1");
  EXPECT_EQ(error_of([&] { focal_loss_each(logits, ids, {.gamma = 0.5}); }),
            "focal_loss_each: wanted gamma 0 or >= 1; got 0.5");
  EXPECT_EQ(
      error_of([&] { unlikelihood_loss(logits, ids); }),
      "unlikelihood_loss: wanted logits [..., C] and candidates [..., K]; got [2, 3] and [2]");
  EXPECT_EQ(error_of([&] { unlikelihood_loss(logits, unsqueeze(ids, 1)); }),
            "unlikelihood_loss: wanted candidates in [0, 3) or ignore_index -100; got 3");
  EXPECT_EQ(error_of([&] { huber_loss(logits, logits, {.delta = 0}); }),
            "huber_loss: wanted delta > 0; got 0");
  EXPECT_EQ(error_of([&] { l1_loss(logits, ones({3})); }),
            "l1_loss: wanted two tensors of one shape; got [2, 3] and [3]");
  EXPECT_EQ(error_of([&] { info_nce_loss(logits, logits, {.temperature = 0}); }),
            "info_nce_loss: wanted temperature > 0; got 0");
}

}  // namespace
}  // namespace rapt
