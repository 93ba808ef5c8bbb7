// Sizes are computed with checks, before anything is made; a shape cannot lie.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>

#include "../support/tensors.h"
#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using tests::error_of;

constexpr int64_t most = std::numeric_limits<int64_t>::max(), huge = int64_t{1} << 61;

TEST(Sizes, ShapesThatNoMemoryCouldHave) {
  const Tensor none = zeros({0}), one = ones({1});
  const auto no_memory = [](const char* shape) {
    return text("shape: ", shape, " has more elements than memory can hold");
  };
  const auto no_machine = [](const char* what) {
    return text("shape: ", what, " is larger than this machine's memory, ",
                kernels::machine_memory() >> 20, " MiB");
  };
  struct Case {
    std::function<void()> call;
    std::string says;
  };
  const Case cases[] = {
      {[&] {
         reshape(none, {int64_t{1} << 32, int64_t{1} << 32});
       },
       no_memory("[4294967296, 4294967296]")},
      {[&] {
         reshape(none, {0, int64_t{1} << 32, int64_t{1} << 32});
       },
       no_memory("[0, 4294967296, 4294967296]")},
      {[&] {
         reshape(none, {-1, int64_t{1} << 32, int64_t{1} << 32});
       },
       no_memory("[4294967296, 4294967296]")},
      {[&] {
         zeros({0, int64_t{1} << 32, int64_t{1} << 32});
       },
       no_memory("[0, 4294967296, 4294967296]")},
      {[&] {
         zeros({int64_t{1} << 32, int64_t{1} << 32, 0});
       },
       no_memory("[4294967296, 4294967296, 0]")},
      {[&] {
         expand(one, {huge, 8});
       },
       no_memory("[2305843009213693952, 8]")},
      {[&] {
         expand(zeros({0, 1}), {0, most}).clone(), expand(one, {most, 2});
       },
       no_memory("[9223372036854775807, 2]")},
      {[&] {
         zeros({most, most});
       },
       no_memory("[9223372036854775807, 9223372036854775807]")},
      {[&] { eye(int64_t{1} << 33); }, no_memory("[8589934592, 8589934592]")},
      {[&] {
         concat(
             {expand(one, {huge}), expand(one, {huge}), expand(one, {huge}), expand(one, {huge})});
       },
       "concat: wanted lengths whose sum is below 2^63; got 6917529027641081856 and "
       "2305843009213693952"},
      {[&] {
         stack(
             {expand(one, {huge}), expand(one, {huge}), expand(one, {huge}), expand(one, {huge})});
       },
       no_memory("[4, 2305843009213693952]")},
      {[&] { expand(one, {huge}).clone(); }, no_machine("[2305843009213693952] of f32")},
      {[&] { expand(one, {huge}) + 1.0; }, no_machine("[2305843009213693952] of f32")},
      {[&] {
         matmul(zeros({huge / 8, 0}), zeros({0, huge / 8}));
       },
       no_memory("[288230376151711744, 288230376151711744]")},
      {[&] { one_hot(zeros({2}, Dtype::i64), most); }, no_memory("[2, 9223372036854775807]")},
      {[&] {
         one_hot(zeros({0}, Dtype::i64), most).clone(), one_hot(zeros({2}, Dtype::i64), huge);
       },
       no_machine("[2, 2305843009213693952] of f32")},
      {[&] {
         einsum("i,j->ij", {expand(one, {huge}), expand(one, {huge})});
       },
       no_memory("[2305843009213693952, 2305843009213693952]")},
      {[&] {
         split(arange(4), {most, most, 6});
       },
       "split: wanted lengths whose sum is below 2^63; got 9223372036854775807 and "
       "9223372036854775807"},
      {[&] {
         rotary(zeros({3, 2}), {.offset = most});
       },
       "rotary: wanted lengths whose sum is below 2^63; got 9223372036854775807 and 3"},
      {[&] { Rng(1).normal({huge}); }, no_machine("[2305843009213693952] of f32")},
      {[&] { arange(huge); }, no_machine("[2305843009213693952] of i64")},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of(c.call), c.says);
}

TEST(Sizes, MoreThanTheMachineHasIsRefusedAtOnce) {
  const auto mebibytes = kernels::machine_memory() >> 20;
  EXPECT_EQ(error_of([] { zeros({int64_t{1} << 40}); }),
            text("shape: [1099511627776] of f32 is larger than this machine's memory, ", mebibytes,
                 " MiB"));
  EXPECT_EQ(
      error_of([] { kernels::allocate(size_t{1} << 42); }),
      text("memory: wanted 4398046511104 bytes; got none (this machine has ", mebibytes, " MiB)"));
  const size_t before = kernels::blocks_in_use();
  EXPECT_TRUE(error_of([] {
                zeros({int64_t{1} << 38});
              }).starts_with("shape: [274877906944] of f32 is larger than this machine's memory"));
  EXPECT_EQ(kernels::blocks_in_use(), before);
}

TEST(Sizes, StepsAndDiagonalsOfAnySize) {
  EXPECT_EQ(slice(arange(10), 0, 1, 10, most).str(), "i64[1] {1}");
  EXPECT_EQ(slice(arange(10), 0, 1, most, 4).str(), "i64[3] {1, 5, 9}");
  EXPECT_EQ(slice(arange(10), 0, -most, most, most).str(), "i64[1] {0}");
  EXPECT_EQ(slice(arange(10), 0, most, most, 2).numel(), 0);
  Tensor x = ones({10}).set_requires_grad();
  sum(slice(x, 0, 1, 10, most)).backward();
  EXPECT_EQ(x.grad().str(), "f32[10] {0, 1, 0, 0, ..., 0, 0, 0, 0}");
  const Tensor square = ones({2, 2});
  EXPECT_EQ(tril(square, most).str(), square.str());
  EXPECT_EQ(triu(square, most).str(), zeros({2, 2}).str());
  EXPECT_EQ(tril(square, -most - 1).str(), zeros({2, 2}).str());
  EXPECT_EQ(triu(square, -most - 1).str(), square.str());
}

// Nothing is made of it, so an expanded view may be as large as it likes.
TEST(Sizes, AViewOfOneElement) {
  const Tensor wide = expand(ones({1}), {huge});
  EXPECT_EQ(wide.numel(), huge);
  EXPECT_EQ(slice(wide, 0, huge - 2, huge).str(), "f32[2] {1, 1}");
}

}  // namespace
}  // namespace rapt
