// Tensors over memory of the caller's.

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::same_bits;

TEST(FromMemory, ReadsWhereItLiesAndKeepsTheOwner) {
  auto numbers = std::make_shared<std::vector<float>>(std::vector<float>{1, 2, 3, 4, 5, 6});
  const std::weak_ptr<std::vector<float>> there = numbers;
  Tensor x = from_memory(numbers->data(), {2, 3}, numbers);
  EXPECT_EQ(x.data<float>(), numbers->data());
  numbers.reset();
  Tensor view = transpose(x);
  x = Tensor();
  EXPECT_EQ(view.str(), "f32[3, 2] {{1, 4}, {2, 5}, {3, 6}}");
  EXPECT_FALSE(there.expired());
  view = Tensor();
  EXPECT_TRUE(there.expired());
}

TEST(FromMemory, IsOfEveryDtype) {
  const auto owner = std::make_shared<int>();
  static const double d[] = {1.5};
  static const int64_t i[] = {7, 8};
  static const bool b[] = {true, false};
  EXPECT_EQ(from_memory(d, {}, owner).str(), "f64[] 1.5");
  EXPECT_EQ(from_memory(i, {2}, owner).str(), "i64[2] {7, 8}");
  EXPECT_EQ(from_memory(b, {2}, owner).str(), "b8[2] {true, false}");
  EXPECT_EQ(from_memory(static_cast<const float*>(nullptr), {0, 3}, owner).shape(), (Shape{0, 3}));
}

TEST(FromMemory, IsNeverWritten) {
  const auto numbers = std::make_shared<std::vector<double>>(64, 0.25);
  const auto borrowed = [&] { return from_memory(numbers->data(), {8, 8}, numbers); };
  const std::string refused =
      "mutable_data: wanted memory of rapt's own; got f64[8, 8] made by from_memory, which is only "
      "read (clone() it)";
  EXPECT_EQ(error_of([&] { borrowed().mutable_data<double>(); }), refused);
  EXPECT_EQ(error_of([&] { borrowed().copy_from(zeros({8, 8}, Dtype::f64)); }), refused);
  EXPECT_EQ(error_of([&] { borrowed().detach().mutable_data<double>(); }), refused);
  // A gradient that is the only handle on it, and logits that become their gradient elsewhere.
  Tensor w = ones({8, 8}, Dtype::f64).set_requires_grad();
  sum(w * w).backward();
  record(
      "mine", {w}, [&] { return w * 1; },
      [&](const Backward&) -> Gradients { return {borrowed()}; })
      .backward(ones({8, 8}, Dtype::f64));
  record(
      "mine", {w}, [&] { return w * 1; },
      [&](const Backward&) -> Gradients { return {borrowed()}; })
      .backward(ones({8, 8}, Dtype::f64));
  EXPECT_EQ(w.grad()[0][0].item(), 2.5);
  Tensor leaf = borrowed().set_requires_grad();
  cross_entropy(leaf, zeros({8}, Dtype::i64)).sum.backward();
  gelu_linear(leaf, ones({2, 8}, Dtype::f64)).backward(ones({8, 2}, Dtype::f64));
  EXPECT_TRUE(leaf.grad().defined());
  for (const double number : *numbers) ASSERT_EQ(number, 0.25);
}

TEST(FromMemory, BadArgumentsAreErrors) {
  const auto owner = std::make_shared<std::vector<double>>(4);
  EXPECT_EQ(error_of([&] { from_memory(owner->data(), {4}, nullptr); }),
            "from_memory: wanted an owner of the memory, which lives as long as the tensor; got "
            "null");
  EXPECT_EQ(error_of([&] { from_memory(static_cast<double*>(nullptr), {4}, owner); }),
            "from_memory: wanted elements for [4]; got null");
  const auto* const bytes = reinterpret_cast<const char*>(owner->data());
  EXPECT_EQ(error_of([&] { from_memory(reinterpret_cast<const double*>(bytes + 4), {2}, owner); }),
            "from_memory: wanted an address that f64 can lie at, a multiple of 8; got one 4 above "
            "that");
  EXPECT_EQ(error_of([&] { from_memory(owner->data(), {-1}, owner); }),
            "shape: wanted lengths of at least 0; got [-1]");
}

}  // namespace
}  // namespace rapt
