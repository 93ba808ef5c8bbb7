// What rules keep: an op that can compute its output again cheaply spares others its elements.

#include <gtest/gtest.h>

#include "../support/tensors.h"
#include "rapt/autograd/gradient_check_gtest.h"
#include "rapt/autograd/kernels/runtime/allocator.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::normal;
using tests::normal_leaf;
using tests::same_bits;

using Norm = Tensor (*)(const Tensor& x, const Tensor& gain);
const std::vector<Norm> norms = {
    [](const Tensor& x, const Tensor& gain) { return layer_norm(x, gain, gain * 0.5); },
    [](const Tensor& x, const Tensor& gain) { return rms_norm(x, gain); },
};

/// Blocks that the graph of a norm and a product behind it keeps, `held` with the norm's output.
size_t blocks_kept(Norm norm, bool held) {
  Tensor x = normal_leaf({64, 48});
  const Tensor gain = normal({48}, 2), weight = normal_leaf({32, 48}, 3);
  const size_t before = kernels::blocks_in_use();
  Tensor n = norm(x, gain);
  const Tensor y = linear(n, weight);
  if (!held) n = Tensor();
  return kernels::blocks_in_use() - before;
}

TEST(Kept, AProductDoesNotKeepANormsOutput) {
  for (const Norm norm : norms) EXPECT_LT(blocks_kept(norm, false), blocks_kept(norm, true));
}

struct Gradients3 {
  Tensor x, gain, weight;
};

Gradients3 gradients_of(Norm norm, bool held, int walks) {
  Tensor x = normal_leaf({5, 7}), gain = normal_leaf({7}, 2), weight = normal_leaf({3, 7}, 3);
  const Tensor n = norm(x, gain);
  Tensor y;
  if (held) {
    y = sum(tanh(linear(n, weight)) * 3.0);
  } else {
    y = sum(tanh(linear(norm(x, gain), weight)) * 3.0);
  }
  for (int i = 1; i < walks; ++i) y.backward({.retain_graph = true});
  y.backward();
  return {x.grad(), gain.grad(), weight.grad()};
}

TEST(Kept, WhatIsComputedAgainHasTheSameBits) {
  for (const Norm norm : norms) {
    const Gradients3 wanted = gradients_of(norm, true, 1), found = gradients_of(norm, false, 1);
    EXPECT_TRUE(same_bits(found.x, wanted.x));
    EXPECT_TRUE(same_bits(found.gain, wanted.gain));
    EXPECT_TRUE(same_bits(found.weight, wanted.weight));
    const Gradients3 twice = gradients_of(norm, false, 2);
    EXPECT_TRUE(same_bits(twice.weight, wanted.weight * 2.0));
  }
}

TEST(Kept, HasItsPlaceInTheGraphOfTheGradient) {
  for (const Norm norm : norms) {
    EXPECT_TRUE(
        GradientsMatch([norm](const Tensors& in) { return linear(norm(in[0], in[1]), in[2]); },
                       {normal({2, 3}), normal({3}, 2), normal({2, 3}, 3)}));
  }
}

TEST(Kept, IsNotComputedFromOverwrittenValues) {
  Tensor x = normal_leaf({5, 7});
  const Tensor weight = normal_leaf({3, 7}, 3);
  const Tensor y = sum(linear(layer_norm(x), weight));
  x.copy_from(normal({5, 7}, 9));
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "layer_norm: backward needs input 0, which was overwritten since (mutable_data, "
            "copy_from, an optimizer's step)");
}

// The norm's own rule, which would notice, does not run.
TEST(Kept, IsNotComputedFromAnOverwrittenGain) {
  const Tensor x = normal({5, 7});
  Tensor gain = normal_leaf({7}, 2), weight = normal_leaf({3, 7}, 3);
  const Tensor y = sum(linear(rms_norm(x, gain), weight));
  gain.copy_from(normal({7}, 9));
  EXPECT_EQ(error_of([&] { grad({y}, {weight}); }),
            "rms_norm: backward needs input 1, which was overwritten since (mutable_data, "
            "copy_from, an optimizer's step)");
}

TEST(Kept, IsNotComputedBehindAFreedGraph) {
  Tensor x = normal_leaf({5, 7});
  const Tensor weight = normal_leaf({3, 7}, 3);
  Tensor n = layer_norm(x);
  const Tensor one = sum(linear(n, weight)), two = sum(linear(n, weight));
  n = Tensor();
  one.backward();
  EXPECT_EQ(error_of([&] { two.backward(); }),
            "backward: the graph behind layer_norm was freed by an earlier walk; give that one "
            ".retain_graph = true");
}

// ---- what was computed again goes with the walk ------------------------------------------------

TEST(Kept, WhatIsComputedAgainGoesWithTheWalk) {
  for (const Norm norm : norms) {
    const Tensor x = normal_leaf({5, 7});
    const Tensor weight = normal_leaf({3, 7}, 3);
    const Tensor y = sum(linear(norm(x, normal({7}, 2)), weight));
    const size_t before = kernels::blocks_in_use();
    grad({y}, {weight}, {.retain_graph = true});  // which does not go on to the norm
    EXPECT_EQ(kernels::blocks_in_use(), before);
    grad({y}, {weight, x}, {.retain_graph = true});
    EXPECT_EQ(kernels::blocks_in_use(), before);
  }
}

/// Blocks that a walk has in use when it has done with a product of a norm's output, and with the
/// norm if it goes there.
size_t blocks_behind(Norm norm, bool goes_there, bool held) {
  const Tensor x = normal_leaf({5, 7});
  const Tensor weight = normal_leaf({3, 7}, 3);
  const Tensor older = linear(normal({5, 7}, 4), weight);
  Tensor n = norm(x, normal({7}, 2));
  const Tensor y = sum(older) + sum(linear(n, weight));
  if (!held) n = Tensor();
  const size_t before = kernels::blocks_in_use();
  size_t in_use = 0;
  Hook hook = register_hook(older, [&](const Tensor&) { in_use = kernels::blocks_in_use(); });
  grad({y}, goes_there ? Tensors{weight, x} : Tensors{weight}, {.retain_graph = true});
  return in_use - before;
}

TEST(Kept, WhatNoOtherRuleWillNeedGoesAtOnce) {
  for (const Norm norm : norms) {
    for (const bool goes_there : {false, true}) {  // one block is the walk's own
      EXPECT_LE(blocks_behind(norm, goes_there, false), blocks_behind(norm, goes_there, true) + 1);
    }
  }
}

TEST(Kept, WhatIsComputedAgainGoesWithAWalkThatFails) {
  Tensor x = normal_leaf({5, 7}), weight = normal_leaf({3, 7}, 3);
  const Tensor y = sum(linear(layer_norm(x), weight));
  const auto walk = [&] {
    weight.copy_from(normal({3, 7}, 9));
    EXPECT_EQ(error_of([&] { y.backward({.retain_graph = true}); }),
              "linear: backward needs input 1, which was overwritten since (mutable_data, "
              "copy_from, an optimizer's step)");
  };
  const size_t before = kernels::blocks_in_use();
  walk();
  EXPECT_EQ(kernels::blocks_in_use(), before);
}

}  // namespace
}  // namespace rapt
