#include "rapt/optim/clip.h"

#include <gtest/gtest.h>

#include <limits>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/threads.h"

namespace rapt::optim {
namespace {

using reference::close;
using reference::error_of;

/// Leaves with those gradients.
NamedTensors with_gradients(const NamedTensors& gradients) {
  NamedTensors out;
  for (const auto& [name, gradient] : gradients) {
    Tensor leaf = zeros(gradient.shape(), gradient.dtype());
    leaf.set_requires_grad();
    leaf.set_grad(gradient);
    out.add(name, leaf);
  }
  return out;
}

TEST(ClipGradNorm, AgreesWithPyTorch) {
  for (const auto& [name, limit] :
       {std::pair("clip.norm.above/", 0.75), {"clip.norm.below/", 100.0}}) {
    const NamedTensors wanted = reference::file("optim").with_prefix(name);
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      const NamedTensors leaves =
          with_gradients(reference::converted(wanted.with_prefix("before."), dtype));
      EXPECT_NEAR(clip_grad_norm(leaves, limit), wanted["norm"].item(), 1e-10);
      for (const auto& [leaf_name, after] : wanted.with_prefix("after.")) {
        EXPECT_TRUE(close(leaves[leaf_name].grad(), after, reference::tolerance(dtype))) << name;
      }
    }
  }
}

TEST(ClipGradNorm, SumsInF64) {
  // In f32 the small squares would vanish beside the large one.
  std::vector<float> values(1 << 20, 1.0f);
  values[0] = 8192.0f;
  const NamedTensors leaves = with_gradients({{"a", from_values(values)}});
  const double wanted = std::sqrt(8192.0 * 8192.0 + static_cast<double>(values.size() - 1));
  EXPECT_NEAR(clip_grad_norm(leaves, 1e9), wanted, 1e-9);
}

TEST(ClipGradNorm, PassesOverParametersWithoutAGradient) {
  NamedTensors leaves = with_gradients({{"a", tensor({3, 4})}});
  leaves.add("b", ones({2}).set_requires_grad());
  EXPECT_EQ(clip_grad_norm(leaves, 1), 5);
  EXPECT_TRUE(close(leaves["a"].grad(), tensor({0.6, 0.8}), 1e-6));
  EXPECT_FALSE(leaves["b"].grad().defined());
  EXPECT_EQ(clip_grad_norm({}, 1), 0);
}

TEST(ClipGradNorm, LeavesGradientsAloneWhenTheNormIsNotFinite) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  const NamedTensors leaves = with_gradients({{"a", tensor({3, nan})}, {"b", tensor({3, 4})}});
  EXPECT_TRUE(std::isnan(clip_grad_norm(leaves, 1)));
  EXPECT_EQ(leaves["b"].grad().values<float>(), (std::vector<float>{3, 4}));
  EXPECT_EQ(clip_grad_norm(with_gradients({{"a", tensor({3, infinity})}}), 1), infinity);
}

TEST(ClipGradNorm, TakesAGradientThatIsAStridedView) {
  const Tensor shared = tensor({{3, 0}, {0, 4}});
  const NamedTensors leaves =
      with_gradients({{"a", transpose(shared)}, {"b", expand(tensor(2), {3})}});
  EXPECT_NEAR(clip_grad_norm(leaves, 1), std::sqrt(37.0), 1e-12);
  EXPECT_TRUE(close(leaves["a"].grad(), transpose(shared) / std::sqrt(37.0), 1e-6));
  EXPECT_TRUE(close(leaves["b"].grad(), full({3}, 2 / std::sqrt(37.0)), 1e-6));
}

TEST(ClipGradNorm, GivesTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  const auto run = [](int threads) {
    set_num_threads(threads);
    Rng rng(1);
    const NamedTensors leaves =
        with_gradients({{"a", rng.normal({300, 301})}, {"b", rng.normal({70001})}});
    std::vector<double> bits{clip_grad_norm(leaves, 1)};
    for (const float v : leaves["b"].grad().values<float>()) bits.push_back(v);
    return bits;
  };
  const auto one = run(1);
  EXPECT_EQ(run(2), one);
  EXPECT_EQ(run(5), one);
  set_num_threads(before);
}

TEST(ClipGradValue, AgreesWithPyTorch) {
  const NamedTensors wanted = reference::file("optim").with_prefix("clip.value/");
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const NamedTensors leaves = with_gradients({{"a", wanted["before"].to(dtype).clone()}});
    clip_grad_value(leaves, 0.5);
    EXPECT_TRUE(close(leaves["a"].grad(), wanted["after"], reference::tolerance(dtype)));
  }
}

TEST(Clip, WantsAPositiveLimit) {
  EXPECT_EQ(error_of([] { clip_grad_norm({}, 0); }), "clip_grad_norm: wanted max_norm > 0; got 0");
  EXPECT_EQ(error_of([] { clip_grad_value({}, -1); }), "clip_grad_value: wanted limit > 0; got -1");
}

}  // namespace
}  // namespace rapt::optim
