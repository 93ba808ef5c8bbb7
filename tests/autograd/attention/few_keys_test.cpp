// Attention over few keys has the bits of the blocks that it spares, and their inf and NaN.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::same_bits;

struct Lengths {
  int64_t queries, keys, width, value_width;
};

Tensors outcome(const Tensors& inputs, const Mask& mask, double dropout) {
  Tensors leaves;
  for (const Tensor& x : inputs) leaves.push_back(x.clone().set_requires_grad());
  Rng rng(3);
  const Tensor out =
      attention(leaves[0], leaves[1], leaves[2], {.mask = mask, .dropout = dropout, .rng = &rng});
  Tensors all = grad({out}, leaves, {.cotangents = {Rng(4).normal(out.shape())}});
  all.push_back(out.detach());
  return all;
}

/// A tensor of a mask sends attention through blocks, also one that allows all.
Mask by_blocks(const Mask& mask, const Lengths& n) {
  return mask & ones({n.queries, n.keys}, Dtype::b8);
}

Tensors inputs_of(const Lengths& n) {
  return {Rng(n.keys).normal({2, 3, n.queries, n.width}),
          Rng(n.queries + 7).normal({2, 3, n.keys, n.width}),
          Rng(n.width + 9).normal({2, 3, n.keys, n.value_width})};
}

constexpr Lengths lengths[] = {{7, 7, 4, 4},    {1, 1, 1, 1},   {16, 16, 64, 64}, {15, 16, 5, 33},
                               {64, 16, 16, 3}, {1, 9, 64, 17}, {3, 2, 7, 1},     {33, 5, 31, 64},
                               {5, 13, 2, 6},   {16, 8, 48, 16}};

TEST(FewKeys, HaveTheBitsOfBlocks) {
  for (const Lengths& n : lengths) {
    const Tensors inputs = inputs_of(n);
    const Tensor counts = reshape(from_values<int64_t>({n.keys, n.keys / 2}), {2, 1});
    const std::vector<std::pair<const char*, Mask>> masks = {
        {"none", Mask()},
        {"causal", Mask::causal()},
        {"window", Mask::causal() & Mask::window(3, 0)},
        {"lengths", Mask::lengths(counts)},
        {"causal, lengths", Mask::causal() & Mask::lengths(counts)}};
    for (const auto& [name, mask] : masks) {
      for (const double dropout : {0.0, 0.3}) {
        SCOPED_TRACE(text(name, ", ", n.queries, " x ", n.keys, ", widths ", n.width, " and ",
                          n.value_width, ", dropout ", dropout));
        const Tensors found = outcome(inputs, mask, dropout);
        const Tensors wanted = outcome(inputs, by_blocks(mask, n), dropout);
        for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
      }
    }
  }
}

// What is masked has no say; what is seen is inf and NaN where blocks have it.
TEST(FewKeys, HaveTheInfAndNaNOfBlocks) {
  const Lengths n{6, 6, 4, 5};
  for (const double odd : {std::nan(""), std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity()}) {
    for (size_t which = 0; which < 3; ++which) {
      for (const int64_t row : {0, 3, 5}) {
        SCOPED_TRACE(text(odd, " in input ", which, ", row ", row));
        Tensors inputs = inputs_of(n);
        float* const at = inputs[which].mutable_data<float>();
        at[row * inputs[which].size(-1) + 2] = static_cast<float>(odd);
        const Tensors found = outcome(inputs, Mask::causal(), 0);
        const Tensors wanted = outcome(inputs, by_blocks(Mask::causal(), n), 0);
        for (size_t i = 0; i < found.size(); ++i) {
          EXPECT_TRUE(tests::close(found[i], wanted[i], 0)) << i;
        }
      }
    }
  }
}

TEST(FewKeys, AndManyHeadsHaveTheSameBitsForAnyNumberOfThreads) {
  const Tensor x = Rng(1).normal({600, 4, 7, 4});
  const int before = num_threads();
  Tensors first;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    const Tensors found = outcome({x, x, x}, Mask::causal(), 0.1);
    if (first.empty()) first = found;
    for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(same_bits(found[i], first[i])) << i;
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace rapt
