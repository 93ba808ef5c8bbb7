// Heads apart, and side by side again.

#include <gtest/gtest.h>

#include "../../support/tensors.h"
#include "rapt/nn/attention/multi_head.h"

namespace rapt::nn {
namespace {

using tests::error_of;
using tests::same_bits;

TEST(SplitHeads, EachHeadHasItsColumns) {
  const Tensor x = reshape(arange(24), {2, 3, 4});
  const Tensor heads = split_heads(x, 2);  // [2, 2, 3, 2]
  for (const int64_t h : {0, 1}) {
    EXPECT_TRUE(same_bits(select(heads, 1, h), slice(x, -1, 2 * h, 2 * h + 2)));
  }
  EXPECT_TRUE(same_bits(merge_heads(heads), x));
}

TEST(SplitHeads, TakesAnyLeadingAxesAndEmptySequences) {
  const Tensor one = reshape(arange(12), {3, 4});
  EXPECT_EQ(split_heads(one, 4).shape(), (Shape{4, 3, 1}));
  EXPECT_TRUE(same_bits(merge_heads(split_heads(one, 4)), one));
  EXPECT_EQ(split_heads(zeros({5, 2, 0, 6}), 3).shape(), (Shape{5, 2, 3, 0, 2}));
  EXPECT_EQ(merge_heads(zeros({5, 2, 3, 0, 2})).shape(), (Shape{5, 2, 0, 6}));
}

TEST(SplitHeads, Errors) {
  const std::string wanted =
      "split_heads: wanted x [..., T, width] whose width is divisible by heads; got ";
  EXPECT_EQ(error_of([] { split_heads(zeros({2, 3, 5}), 2); }), wanted + "[2, 3, 5] and heads 2");
  EXPECT_EQ(error_of([] { split_heads(zeros({4}), 2); }), wanted + "[4] and heads 2");
  EXPECT_EQ(error_of([] { split_heads(zeros({3, 4}), 0); }), wanted + "[3, 4] and heads 0");
  EXPECT_EQ(error_of([] {
              merge_heads(zeros({3, 4}));
            }),
            "merge_heads: wanted x [..., heads, T, d]; got [3, 4]");
}

}  // namespace
}  // namespace rapt::nn
