// jvp, vjp, hvp, jacobian, hessian and per-sample gradients.

#include "rapt/autograd/derivatives.h"

#include <gtest/gtest.h>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;

using In = const Tensors&;

Tensor numbers(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).normal(shape, 0, 1, Dtype::f64);
}

// [2, 3] and [3] to [2], with mixed terms of second order.
Tensor mixed(In in) { return sum(exp(in[0] * 0.5) * in[1] * in[1], {1}); }
Tensor scalar(In in) { return sum(mixed(in)); }

TEST(Jacobian, IsFiniteDifferences) {
  const Tensors x = {numbers({2, 3}), numbers({3}, 2)};
  const Tensors found = jacobian(mixed, x);
  ASSERT_EQ(found[0].shape(), (Shape{2, 2, 3}));
  ASSERT_EQ(found[1].shape(), (Shape{2, 3}));
  constexpr double step = 1e-5;
  for (int64_t i = 0; i < 3; ++i) {
    Tensors up = {x[0], x[1].clone()}, down = {x[0], x[1].clone()};
    up[1].mutable_data<double>()[i] += step;
    down[1].mutable_data<double>()[i] -= step;
    EXPECT_TRUE(close(select(found[1], 1, i), (mixed(up) - mixed(down)) / (2 * step), 1e-8));
  }
}

TEST(Jacobian, TimesVectorsIsJvpAndVjp) {
  const Tensors x = {numbers({2, 3}), numbers({3}, 2)}, t = {numbers({2, 3}, 3), numbers({3}, 4)};
  const Tensor cotangent = numbers({2}, 5);
  const Tensors j = jacobian(mixed, x);
  const Jvp forward = jvp(mixed, x, t);
  EXPECT_TRUE(close(forward.value, mixed(x), 1e-15));
  EXPECT_TRUE(close(forward.tangent, sum(j[0] * t[0], {1, 2}) + matmul(j[1], t[1]), 1e-12));
  const Vjp backward = vjp(mixed, x, cotangent);
  EXPECT_TRUE(close(backward.gradients[0], einsum("a,abc->bc", {cotangent, j[0]}), 1e-12));
  EXPECT_TRUE(close(backward.gradients[1], matmul(cotangent, j[1]), 1e-12));
}

TEST(Hessian, IsSymmetricAndTimesVectorsIsHvp) {
  const Tensors x = {numbers({2, 3}), numbers({3}, 2)}, v = {numbers({2, 3}, 3), numbers({3}, 4)};
  const std::vector<Tensors> h = hessian(scalar, x);
  ASSERT_EQ(h[0][1].shape(), (Shape{2, 3, 3}));
  EXPECT_TRUE(close(h[0][1], permute(h[1][0], {1, 2, 0}), 1e-12));
  // d2 f / d b_i d b_j = 2 sum over rows of exp(a / 2), on the diagonal.
  EXPECT_TRUE(close(h[1][1], diag_embed(sum(exp(x[0] * 0.5), {0}) * 2), 1e-12));
  const Hvp found = hvp(scalar, x, v);
  EXPECT_TRUE(close(found.value, scalar(x), 1e-15));
  EXPECT_TRUE(close(found.products[1], einsum("iab,ab->i", {h[1][0], v[0]}) + matmul(h[1][1], v[1]),
                    1e-12));
  EXPECT_TRUE(close(found.products[0],
                    einsum("abcd,cd->ab", {h[0][0], v[0]}) + matmul(h[0][1], v[1]), 1e-12));
}

TEST(Derivatives, OfWhatDependsOnNothingAreZero) {
  const Tensors x = {numbers({2}), numbers({3})};
  const auto of_first = [](In in) { return in[0] * 3; };
  EXPECT_TRUE(close(jacobian(of_first, x)[1], zeros({2, 3}, Dtype::f64), 0));
  const auto constant = [](In) { return tensor(1, Dtype::f64); };
  EXPECT_EQ(jvp(constant, x, x).tangent.item(), 0);
  EXPECT_TRUE(close(hvp(constant, x, x).products[0], zeros({2}, Dtype::f64), 0));
  EXPECT_TRUE(
      close(hessian([](In in) { return sum(in[0]); }, x)[0][1], zeros({2, 3}, Dtype::f64), 0));
  EXPECT_EQ(jacobian([](In in) { return slice(in[0], 0, 0, 0); }, x)[0].shape(), (Shape{0, 2}));
}

TEST(Derivatives, AreDifferentiableThemselvesWhenAsked) {
  // The Hessian of sum(x^3) is diag(6 x); the gradient of its sum is 6 each.
  const Tensor x = numbers({3}).set_requires_grad();
  const auto cubes = [](In in) { return sum(in[0] * in[0] * in[0]); };
  const Tensor h = hessian(cubes, {x}, {.create_graph = true})[0][0];
  EXPECT_TRUE(close(grad({sum(h)}, {x})[0], full({3}, 6, Dtype::f64), 1e-12));
  EXPECT_FALSE(hessian(cubes, {x})[0][0].requires_grad());
  // Through what f captures, too: a penalty on the Jacobian of x w by w.
  const Tensor w = numbers({3}, 7).set_requires_grad();
  const Tensor j = jacobian([&](In in) { return in[0] * w; }, {x}, {.create_graph = true})[0];
  EXPECT_TRUE(close(grad({sum(j * j)}, {w})[0], w.detach() * 2, 1e-12));
  EXPECT_FALSE(x.grad().defined());
}

TEST(PerSampleGradients, AddUpToTheBatchs) {
  const Tensor w = numbers({3, 4}).set_requires_grad(), b = numbers({3}, 2).set_requires_grad();
  const Tensor x = numbers({5, 4}, 3), y = Rng(4).integers(0, 3, {5});
  const auto loss = [&](int64_t i) {
    return cross_entropy(linear(slice(x, 0, i, i + 1), w, b), slice(y, 0, i, i + 1)).sum;
  };
  const Tensors found = per_sample_gradients(loss, 5, {w, b, numbers({2}).set_requires_grad()});
  EXPECT_EQ(found[0].shape(), (Shape{5, 3, 4}));
  const Tensors whole = grad({cross_entropy(linear(x, w, b), y).sum}, {w, b});
  EXPECT_TRUE(close(sum(found[0], {0}), whole[0], 1e-12));
  EXPECT_TRUE(close(sum(found[1], {0}), whole[1], 1e-12));
  EXPECT_TRUE(close(found[0][2], grad({loss(2)}, {w})[0], 1e-12));
  EXPECT_TRUE(close(found[2], zeros({5, 2}, Dtype::f64), 0));
  EXPECT_FALSE(w.grad().defined());
}

TEST(Derivatives, BadArgumentsAreErrors) {
  const Tensors x = {numbers({2})};
  const auto twice = [](In in) { return in[0] * 2; };
  EXPECT_EQ(error_of([&] { hessian(twice, x); }),
            "hessian: wanted a function that returns a scalar; got [2]");
  EXPECT_EQ(error_of([&] { hvp(twice, x, x); }),
            "hvp: wanted a function that returns a scalar; got [2]");
  EXPECT_EQ(error_of([&] { vjp(twice, x); }),
            "vjp: wanted a function that returns a scalar; got [2]");
  EXPECT_EQ(error_of([&] { jvp(twice, x, {}); }),
            "jvp: wanted 1 tangents, one for each input; got 0");
  EXPECT_EQ(error_of([&] { jvp(twice, x, {zeros({2})}); }),
            "jvp: wanted tangents like the inputs, f64[2]; got f32[2] at 0");
  EXPECT_EQ(error_of([&] { jacobian(twice, {arange(3)}); }),
            "jacobian: wanted inputs of f32 or f64; got i64[3] as input 0");
  EXPECT_EQ(error_of([&] { jacobian(twice, {}); }),
            "jacobian: wanted at least one input; got none");
  EXPECT_EQ(error_of([&] { per_sample_gradients([&](int64_t) { return x[0]; }, 2, {}); }),
            "per_sample_gradients: wanted a loss that is a scalar; got [2] for sample 0");
}

}  // namespace
}  // namespace rapt
