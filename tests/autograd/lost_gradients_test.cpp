// No gradient is lost in silence.

#include <gtest/gtest.h>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::normal_leaf;

constexpr Dtype f64 = Dtype::f64;

TEST(LostGradients, ClassWeightsThatRequireOne) {
  const Tensor w = tensor({1, 2, 3}, f64).set_requires_grad(), x = normal_leaf({2, 3}),
               targets = from_values<int64_t>({0, 1});
  const std::string rest =
      ": wanted class_weights that require no gradient, for there is none; got f64[3] that require "
      "one (detach() them)";
  EXPECT_EQ(error_of([&] { cross_entropy(x, targets, {.class_weights = w}); }),
            "cross_entropy" + rest);
  EXPECT_EQ(error_of([&] { nll_loss(x, targets, {.class_weights = w}); }), "nll_loss" + rest);
  const NoGrad no_grad;
  EXPECT_EQ(error_of([&] { cross_entropy(x, targets, {.class_weights = w}); }), "");
}

TEST(LostGradients, ACopyOfWhatHasAGraph) {
  Tensor buffer = zeros({3}, f64);
  const Tensor x = normal_leaf({3}), h = x * 2.0;
  EXPECT_EQ(error_of([&] { buffer.copy_from(h); }),
            "copy_from: wanted values that nothing would be lost of; got the output of mul, whose "
            "graph a copy does not keep (detach() it, or copy inside NoGrad)");
  EXPECT_EQ(buffer.str(), "f64[3] {0, 0, 0}");
  buffer.copy_from(h.detach());
  buffer.copy_from(x);  // a leaf has no graph
  const NoGrad no_grad;
  buffer.copy_from(h);
}

}  // namespace
}  // namespace rapt
