#include "rapt/optim/gradient_noise.h"

#include <gtest/gtest.h>

#include "../data/files.h"
#include "rapt/autograd/create.h"
#include "rapt/autograd/ops.h"

namespace rapt::optim {
namespace {

Tensor with_gradient(const Shape& shape, double gradient, Dtype dtype = Dtype::f32) {
  Tensor out = zeros(shape, dtype);
  out.set_requires_grad();
  out.set_grad(full(shape, gradient, dtype));
  return out;
}

TEST(GradientNoise, HasTheMeanAndTheDeviationThatIsAskedFor) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Tensor parameter = with_gradient({100'000}, 3, dtype);
    Rng rng(1);
    add_gradient_noise({{"w", parameter}}, 0.5, rng);
    EXPECT_EQ(parameter.grad().dtype(), dtype);
    EXPECT_NEAR(mean(parameter.grad()).item(), 3, 0.01);
    EXPECT_NEAR(stddev(parameter.grad()).item(), 0.5, 0.01);
    EXPECT_EQ(max(abs(parameter)).item(), 0);
  }
}

TEST(GradientNoise, IsAFunctionOfItsStream) {
  const auto noisy = [](uint64_t seed) {
    const Tensor a = with_gradient({3}, 0), b = with_gradient({2}, 0);
    Rng rng(seed);
    add_gradient_noise({{"a", a}, {"b", b}}, 1, rng);
    return std::pair(a.grad().values<float>(), b.grad().values<float>());
  };
  EXPECT_EQ(noisy(1), noisy(1));
  EXPECT_NE(noisy(1), noisy(2));
  EXPECT_NE(noisy(1).first[0], noisy(1).second[0]);
}

TEST(GradientNoise, LeavesWhatHasNoGradientAndDrawsNothingForZero) {
  Tensor bare = zeros({2});
  bare.set_requires_grad();
  const Tensor other = with_gradient({2}, 1);
  Rng rng(1);
  const auto before = rng.state().values<int64_t>();
  add_gradient_noise({{"bare", bare}, {"other", other}}, 0, rng);
  EXPECT_EQ(other.grad().values<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(rng.state().values<int64_t>(), before);
  add_gradient_noise({{"bare", bare}}, 1, rng);
  EXPECT_FALSE(bare.grad().defined());
  EXPECT_EQ(rng.state().values<int64_t>(), before);
}

TEST(GradientNoise, FadesAsThePaperSays) {
  EXPECT_DOUBLE_EQ(gradient_noise_stddev(0.3, 0), std::sqrt(0.3));
  EXPECT_DOUBLE_EQ(gradient_noise_stddev(1, 99), std::pow(100.0, -0.275));
  EXPECT_ERROR("wanted a finite eta and a step of at least 0; got 1 and -1",
               gradient_noise_stddev(1, -1));
  Rng rng(1);
  EXPECT_ERROR("wanted a finite stddev of at least 0; got -1", add_gradient_noise({}, -1, rng));
}

}  // namespace
}  // namespace rapt::optim
