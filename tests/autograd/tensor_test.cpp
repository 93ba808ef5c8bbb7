#include "rapt/autograd/tensor.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::error_of;

constexpr double infinity = std::numeric_limits<double>::infinity();

// ---- creation and reading ----------------------------------------------------------------------

TEST(Tensor, IsMadeFromNumbers) {
  EXPECT_EQ(tensor(3).str(), "f32[] 3");
  EXPECT_EQ(tensor({1, 2.5}).str(), "f32[2] {1, 2.5}");
  EXPECT_EQ(tensor({{1, 2, 3}, {4, 5, 6}}, Dtype::i64).str(), "i64[2, 3] {{1, 2, 3}, {4, 5, 6}}");
  EXPECT_EQ(tensor({1, 0}, Dtype::b8).str(), "b8[2] {true, false}");
  EXPECT_EQ(from_values<double>({1, 2, 3, 4}, {2, 2}).str(), "f64[2, 2] {{1, 2}, {3, 4}}");
  EXPECT_EQ(from_values<bool>({true, false}).str(), "b8[2] {true, false}");
}

TEST(Tensor, IsMadeByRule) {
  EXPECT_EQ(zeros({2}).str(), "f32[2] {0, 0}");
  EXPECT_EQ(ones({1, 2}, Dtype::f64).str(), "f64[1, 2] {{1, 1}}");
  EXPECT_EQ(full({2}, -7, Dtype::i64).str(), "i64[2] {-7, -7}");
  EXPECT_EQ(full({2}, 1, Dtype::b8).str(), "b8[2] {true, true}");
  EXPECT_EQ(arange(4).str(), "i64[4] {0, 1, 2, 3}");
  EXPECT_EQ(arange(0).str(), "i64[0] {}");
  EXPECT_EQ(eye(2).str(), "f32[2, 2] {{1, 0}, {0, 1}}");
}

TEST(Tensor, PrintsSpecialValuesAndDigits) {
  EXPECT_EQ(tensor({infinity, -infinity, std::numeric_limits<double>::quiet_NaN()}).str(),
            "f32[3] {inf, -inf, nan}");
  EXPECT_EQ(tensor({1.0 / 3, 1e-10, 123456789, -0.0}, Dtype::f64).str(),
            "f64[4] {0.33333, 1e-10, 1.2346e+08, -0}");
  EXPECT_EQ(Tensor().str(), "undefined");
}

TEST(Tensor, CutsLongAxesInTheMiddle) {
  EXPECT_EQ(arange(8).str(), "i64[8] {0, 1, 2, 3, 4, 5, 6, 7}");
  EXPECT_EQ(arange(9).str(), "i64[9] {0, 1, 2, 3, ..., 5, 6, 7, 8}");
  EXPECT_EQ(arange(1000).str(), "i64[1000] {0, 1, 2, 3, ..., 996, 997, 998, 999}");
  EXPECT_EQ(zeros({0, 3}).str(), "f32[0, 3] {}");
  EXPECT_EQ(zeros({2, 0}).str(), "f32[2, 0] {{}, {}}");
}

TEST(Tensor, PrintsAViewAsItLooks) {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(transpose(x).str(), "f32[3, 2] {{1, 4}, {2, 5}, {3, 6}}");
  EXPECT_EQ(expand(tensor({7}), {2, 2}).str(), "f32[2, 2] {{7, 7}, {7, 7}}");
}

TEST(Tensor, SaysWhatItIs) {
  const Tensor x = zeros({2, 3, 4}, Dtype::f64);
  EXPECT_EQ(x.shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(x.rank(), 3);
  EXPECT_EQ(x.numel(), 24);
  EXPECT_EQ(x.size(0), 2);
  EXPECT_EQ(x.size(-1), 4);
  EXPECT_EQ(x.dtype(), Dtype::f64);
  EXPECT_EQ(x.strides(), (Strides{12, 4, 1}));
  EXPECT_TRUE(x.is_contiguous());
  EXPECT_TRUE(x.defined());
  EXPECT_FALSE(Tensor().defined());
  EXPECT_EQ(tensor(1).numel(), 1);
  EXPECT_EQ(tensor(1).rank(), 0);
}

TEST(Tensor, ItemReadsAnyDtype) {
  EXPECT_EQ(tensor(2.5).item(), 2.5);
  EXPECT_EQ(full({1, 1}, -3, Dtype::i64).item(), -3);
  EXPECT_EQ(tensor(1, Dtype::b8).item(), 1);
  EXPECT_EQ(select(transpose(tensor({{1, 2}, {3, 4}})), 0, 1).values<float>(),
            (std::vector<float>{2, 4}));
  EXPECT_EQ(select(arange(5), 0, 3).item(), 3);
}

TEST(Tensor, ValuesAreInRowMajorOrderWhateverTheStrides) {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(transpose(x).values<float>(), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(slice(x, 1, 0, 3, 2).values<float>(), (std::vector<float>{1, 3, 4, 6}));
  EXPECT_EQ(expand(slice(x, 1, 1, 2), {2, 2}).values<float>(), (std::vector<float>{2, 2, 5, 5}));
  EXPECT_EQ(zeros({0}).values<float>(), std::vector<float>{});
}

// ---- views -------------------------------------------------------------------------------------

TEST(Tensor, ACopyAliases) {
  Tensor a = zeros({2});
  const Tensor b = a;
  a.mutable_data<float>()[1] = 5;
  EXPECT_EQ(b.str(), "f32[2] {0, 5}");
  EXPECT_TRUE(a.same_as(b));
  EXPECT_FALSE(a.same_as(a.detach()));
}

TEST(Tensor, ViewsShareElements) {
  Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  const Tensors views = {reshape(x, {3, 2}), transpose(x),    slice(x, 1, 1, 3),
                         select(x, 0, 1),    unsqueeze(x, 0), expand(x, {2, 2, 3}),
                         x.detach(),         diagonal(x)};
  x.mutable_data<float>()[4] = 50;  // row 1, column 1
  EXPECT_EQ(views[0].str(), "f32[3, 2] {{1, 2}, {3, 4}, {50, 6}}");
  EXPECT_EQ(views[1].str(), "f32[3, 2] {{1, 4}, {2, 50}, {3, 6}}");
  EXPECT_EQ(views[2].str(), "f32[2, 2] {{2, 3}, {50, 6}}");
  EXPECT_EQ(views[3].str(), "f32[3] {4, 50, 6}");
  EXPECT_EQ(views[4].str(), "f32[1, 2, 3] {{{1, 2, 3}, {4, 50, 6}}}");
  EXPECT_EQ(views[5].str(), "f32[2, 2, 3] {{{1, 2, 3}, {4, 50, 6}}, {{1, 2, 3}, {4, 50, 6}}}");
  EXPECT_EQ(views[6].str(), "f32[2, 3] {{1, 2, 3}, {4, 50, 6}}");
  EXPECT_EQ(views[7].str(), "f32[2] {1, 50}");
}

TEST(Tensor, StridesOfViews) {
  const Tensor x = zeros({2, 3, 4});
  EXPECT_EQ(permute(x, {2, 0, 1}).strides(), (Strides{1, 12, 4}));
  EXPECT_EQ(slice(x, 1, 0, 3, 2).strides(), (Strides{12, 8, 1}));
  EXPECT_EQ(expand(slice(x, 1, 0, 1), {5, 2, 3, 4}).strides(), (Strides{0, 12, 0, 1}));
  EXPECT_EQ(select(x, 1, 2).strides(), (Strides{12, 1}));
  EXPECT_FALSE(transpose(x).is_contiguous());
  EXPECT_TRUE(select(x, 0, 1).is_contiguous());
  EXPECT_TRUE(slice(x, 0, 1, 2).is_contiguous());
}

TEST(Tensor, ReshapeIsAViewWhereStridesAllowAndElseACopy) {
  Tensor x = from_values<float>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {2, 3, 2});
  const Tensor swapped = permute(x, {1, 0, 2});        // [3, 2, 2], strides 2, 6, 1
  const Tensor view = reshape(swapped, {3, 2, 1, 2});  // needs no copy
  const Tensor copy = reshape(swapped, {3, 4});        // 2 and 6 do not join
  x.mutable_data<float>()[0] = 100;
  EXPECT_EQ(view.values<float>()[0], 100);
  EXPECT_EQ(copy.values<float>()[0], 0);
  EXPECT_EQ(copy.values<float>(), (std::vector<float>{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11}));
}

TEST(Tensor, ContiguousCopiesOnlyWhatIsStrided) {
  const Tensor x = tensor({{1, 2}, {3, 4}});
  EXPECT_TRUE(x.contiguous().same_as(x));
  const Tensor t = transpose(x).contiguous();
  EXPECT_TRUE(t.is_contiguous());
  EXPECT_EQ(t.str(), "f32[2, 2] {{1, 3}, {2, 4}}");
}

TEST(Tensor, CloneHasItsOwnElementsAndTheGradientFlowsThrough) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = x.clone();
  sum(y * y).backward();
  EXPECT_EQ(x.grad().str(), "f32[2] {2, 4}");
  x.mutable_data<float>()[0] = 9;
  EXPECT_EQ(y.str(), "f32[2] {1, 2}");
}

TEST(Tensor, DetachCutsTheGraph) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = (x * 2.0).detach();
  EXPECT_FALSE(y.requires_grad());
  EXPECT_TRUE(y.is_leaf());
  sum(x * y).backward();  // y is a constant
  EXPECT_EQ(x.grad().str(), "f32[2] {2, 4}");
}

// ---- dtypes ------------------------------------------------------------------------------------

TEST(Tensor, ToConvertsAndTheGradientIsCastBack) {
  EXPECT_EQ(tensor({1.7, -1.7}).to(Dtype::i64).str(), "i64[2] {1, -1}");
  EXPECT_EQ(tensor({0, 0.5, -3}).to(Dtype::b8).str(), "b8[3] {false, true, true}");
  EXPECT_EQ(tensor({1, 0}, Dtype::b8).to(Dtype::f64).str(), "f64[2] {1, 0}");
  Tensor x = tensor({1, 2}).set_requires_grad();
  EXPECT_TRUE(x.to(Dtype::f32).same_as(x));
  sum(x.to(Dtype::f64) * x.to(Dtype::f64)).backward();
  EXPECT_EQ(x.grad().str(), "f32[2] {2, 4}");
  EXPECT_FALSE(x.to(Dtype::i64).requires_grad());
}

TEST(Tensor, DataOfAnotherDtypeThrows) {
  const Tensor x = tensor({1, 2});
  EXPECT_EQ(error_of([&] { x.data<double>(); }), "data: wanted a tensor of f64; got f32");
  EXPECT_EQ(error_of([&] { (void)x.values<int64_t>(); }), "data: wanted a tensor of i64; got f32");
  EXPECT_EQ(error_of([&] { (void)zeros({0}).values<bool>(); }),
            "data: wanted a tensor of b8; got f32");
}

// ---- writing -----------------------------------------------------------------------------------

TEST(Tensor, CopyFromConvertsAndReadsStridedSources) {
  Tensor x = zeros({2, 2});
  const Tensor alias = transpose(x);
  x.copy_from(transpose(tensor({{1, 2}, {3, 4}}, Dtype::i64)));
  EXPECT_EQ(x.str(), "f32[2, 2] {{1, 3}, {2, 4}}");
  EXPECT_EQ(alias.str(), "f32[2, 2] {{1, 2}, {3, 4}}");
  EXPECT_EQ(error_of([&] {
              x.copy_from(tensor({1, 2}));
            }),
            "copy_from: wanted shape [2, 2]; got [2]");
  EXPECT_EQ(error_of([&] { transpose(x).copy_from(x); }),
            "copy_from: wanted a dense tensor to write to; got a strided view");
}

TEST(Tensor, CopyFromAnOverlappingViewOfItself) {
  Tensor x = tensor({{1, 2}, {3, 4}});
  x.copy_from(transpose(x));
  EXPECT_EQ(x.str(), "f32[2, 2] {{1, 3}, {2, 4}}");
  Tensor y = arange(5);
  Tensor tail = slice(y, 0, 1, 5);
  tail.copy_from(slice(y, 0, 0, 4));
  EXPECT_EQ(y.str(), "i64[5] {0, 0, 1, 2, 3}");
}

TEST(Tensor, TheOutputOfAnOpIsNotWritten) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  Tensor y = x * x;
  EXPECT_EQ(error_of([&] { y.mutable_data<float>(); }),
            "mutable_data: wanted a leaf; got the output of mul, whose graph may need its "
            "values "
            "(clone() it, or compute it under NoGrad)");
  EXPECT_EQ(error_of([&] { y.copy_from(x); }),
            "copy_from: wanted a leaf to write to; got the output of mul, whose graph may need its "
            "values "
            "(clone() it, or compute it under NoGrad)");
  EXPECT_EQ(y.str(), "f32[2] {1, 4}");
}

TEST(Tensor, AnOverwrittenInputIsNoticedInBackward) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = sum(x * x);
  x.mutable_data<float>()[0] = 7;
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "mul: backward needs input 0, which was overwritten since (mutable_data, copy_from, an "
            "optimizer's step)");
  EXPECT_FALSE(x.grad().defined());
}

TEST(Tensor, AnOverwrittenConstantIsNoticedThroughAnyAlias) {
  Tensor c = tensor({1, 2});
  Tensor x = tensor({3, 4}).set_requires_grad();
  const Tensor y = sum(x * c);
  Tensor alias = reshape(c, {2, 1});
  alias.copy_from(full({2, 1}, 5));
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "mul: backward needs input 1, which was overwritten since (mutable_data, copy_from, an "
            "optimizer's step)");
}

TEST(Tensor, AnOverwrittenOutputIsNoticedThroughItsDetachedAlias) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  const Tensor y = exp(x);
  Tensor alias = y.detach();
  alias.mutable_data<float>()[0] = 0;
  EXPECT_EQ(
      error_of([&] { y.backward(ones({2})); }),
      "exp: backward needs its output, which was overwritten since (mutable_data, copy_from, an "
      "optimizer's step)");
}

TEST(Tensor, WritingAfterBackwardIsWhatAnOptimizerDoes) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  for (int step = 0; step < 2; ++step) {
    x.clear_grad();
    sum(x * x).backward();
    x.copy_from(x.detach() - x.grad() * 0.25);
  }
  EXPECT_EQ(x.str(), "f32[2] {0.25, 0.5}");
}

// ---- leaves ------------------------------------------------------------------------------------

TEST(Tensor, LeavesAndOutputs) {
  Tensor x = tensor({1, 2});
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(x.requires_grad());
  EXPECT_FALSE((x * x).requires_grad());
  x.set_requires_grad();
  const Tensor y = x * x;
  EXPECT_TRUE(y.requires_grad());
  EXPECT_FALSE(y.is_leaf());
  EXPECT_FALSE(x.grad().defined());
  x.set_requires_grad(false);
  EXPECT_FALSE(x.requires_grad());
  EXPECT_EQ(error_of([&] { Tensor(y).set_requires_grad(); }),
            "set_requires_grad: wanted a leaf; got the output of mul (detach() it first)");
  EXPECT_EQ(error_of([] { arange(3).set_requires_grad(); }),
            "set_requires_grad: wanted f32 or f64; got i64");
}

TEST(Tensor, SetGradIsChecked) {
  Tensor x = tensor({1, 2}).set_requires_grad();
  x.set_grad(tensor({5, 6}));
  EXPECT_EQ(x.grad().str(), "f32[2] {5, 6}");
  EXPECT_EQ(error_of([&] {
              x.set_grad(tensor({1, 2, 3}));
            }),
            "set_grad: wanted f32[2]; got f32[3]");
  EXPECT_EQ(error_of([&] { x.set_grad(zeros({2}, Dtype::f64)); }),
            "set_grad: wanted f32[2]; got f64[2]");
  EXPECT_EQ(error_of([&] { tensor({1}).set_grad(tensor({1})); }),
            "set_grad: wanted a leaf that requires a gradient");
  x.clear_grad();
  EXPECT_FALSE(x.grad().defined());
}

// ---- names -------------------------------------------------------------------------------------

TEST(NamedTensors, KeepTheirOrderAndTheirNamesApart) {
  NamedTensors t = {{"b", tensor(1)}, {"a", tensor(2)}};
  t.add("c.x", tensor(3));
  t.add_all("d.", NamedTensors{{"x", tensor(4)}});
  std::string names;
  for (const auto& [name, value] : t) names += name + " ";
  EXPECT_EQ(names, "b a c.x d.x ");
  EXPECT_EQ(t["d.x"].item(), 4);
  EXPECT_EQ(t.size(), 4u);
  EXPECT_TRUE(t.contains("a"));
  EXPECT_FALSE(t.contains("x"));
  EXPECT_EQ(t.with_prefix("c.")["x"].item(), 3);
  EXPECT_EQ(t.with_prefix("c.").size(), 1u);
  EXPECT_EQ(error_of([&] { t.add("a", tensor(0)); }),
            "named tensors: wanted each name once; got a twice");
  EXPECT_EQ(error_of([&] { (void)t["z"]; }), "named tensors: wanted z; got b, a, c.x, d.x");
  EXPECT_EQ(error_of([&] { (void)NamedTensors()["z"]; }),
            "named tensors: wanted z; got none at all");
}

}  // namespace
}  // namespace rapt
