// Errors can be read: how they are put together, and what users of the layers see. (The texts of
// single functions stand in the tests of those.)

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

#include "../support/tensors.h"
#include "rapt/nn/nn.h"
#include "rapt/optim/optim.h"

namespace rapt {
namespace {

using tests::error_of;

TEST(Text, JoinsWhateverCanSayWhatItIs) {
  EXPECT_EQ(text("x ", 3, " ", int64_t{-4}, " ", size_t{5}, " ", Shape{2, 3}, " ", Dtype::f32),
            "x 3 -4 5 [2, 3] f32");
  EXPECT_EQ(text(tensor({1, 2}), std::string(" and "), std::string_view("more")),
            "f32[2] {1, 2} and more");
  EXPECT_EQ(text(true), "1");
  EXPECT_EQ(text(), "");
}

TEST(Text, NumbersAreShortAndExact) {
  EXPECT_EQ(text(0.1), "0.1");
  EXPECT_EQ(text(1.0), "1");
  EXPECT_EQ(text(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(text(-1e300), "-1e+300");
  EXPECT_EQ(text(std::numeric_limits<double>::infinity()), "inf");
}

TEST(Fail, ThrowsOneErrorOfOneKind) {
  EXPECT_EQ(error_of([] { fail("op: wanted ", 1, "; got ", 2); }), "op: wanted 1; got 2");
  EXPECT_THROW(fail("x"), std::runtime_error);  // caught by whoever does not know rapt
}

TEST(Dtypes, HaveNamesAndSizes) {
  EXPECT_EQ(name_of(Dtype::f32), "f32");
  EXPECT_EQ(name_of(Dtype::b8), "b8");
  EXPECT_EQ(size_of(Dtype::f64), 8);
  EXPECT_EQ(size_of(Dtype::b8), 1);
  EXPECT_TRUE(is_float(Dtype::f64));
  EXPECT_FALSE(is_float(Dtype::i64));
  EXPECT_EQ(error_of([] { visit_float(Dtype::i64, [](auto) {}); }),
            "wanted a tensor of f32 or f64; got i64");
}

TEST(Errors, AnUndefinedTensorIsNamedEverywhere) {
  const Tensor none;
  const std::string general =
      "tensor: wanted a tensor; got an undefined one (default-constructed, or a missing gradient)";
  EXPECT_EQ(error_of([&] { none.shape(); }), general);
  EXPECT_EQ(error_of([&] { none.item(); }), general);
  EXPECT_EQ(error_of([&] { none.requires_grad(); }), general);
  EXPECT_EQ(error_of([&] { none.grad(); }), general);
  EXPECT_EQ(error_of([&] { none.detach(); }), general);
  EXPECT_EQ(error_of([&] { sum(none); }), "sum: wanted a tensor as x; got an undefined one");
  EXPECT_EQ(error_of([&] { none + none; }),
            "add: wanted a tensor as the first argument; got an undefined one");
  EXPECT_EQ(error_of([&] { reshape(none, {1}); }),
            "reshape: wanted a tensor as x; got an undefined one");
  EXPECT_EQ(error_of([&] {
              concat({zeros({1}), none});
            }),
            "concat: wanted a tensor as the second argument; got an undefined one");
}

TEST(Errors, ItemAndTensorSayWhatTheyWanted) {
  EXPECT_EQ(error_of([] {
              zeros({2, 3}).item();
            }),
            "item: wanted a tensor of one element; got shape [2, 3]");
  EXPECT_EQ(error_of([] {
              tensor({{1, 2}, {3, 4, 5}});
            }),
            "tensor: wanted parts of one shape side by side; got [2] and [3]");
  EXPECT_EQ(error_of([] {
              from_values<float>({1, 2, 3}, {2, 2});
            }),
            "from_values: wanted 4 values for shape [2, 2]; got 3");
}

TEST(Errors, NormsNameTheArgument) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(error_of([&] { layer_norm(x, zeros({2})); }),
            "layer_norm: wanted weight [3], the last axis of x [2, 3]; got [2]");
  EXPECT_EQ(error_of([&] {
              layer_norm(x, {}, zeros({1, 3}));
            }),
            "layer_norm: wanted bias [3], the last axis of x [2, 3]; got [1, 3]");
  EXPECT_EQ(error_of([&] { rms_norm(tensor(1)); }),
            "rms_norm: wanted x [..., d], with at least 1 axes; got x []");
  EXPECT_EQ(error_of([&] { softmax(arange(3)); }), "softmax: wanted x of f32 or f64; got i64[3]");
  Rng rng(1);
  EXPECT_EQ(error_of([&] { dropout(x, 1, rng); }), "dropout: wanted 0 <= p < 1; got 1");
}

TEST(Errors, OfWholeModelsSayWhatIsWrong) {
  Rng rng(1);
  nn::DecoderOnly model(
      {.vocabulary = 5, .context = 4, .width = 8, .block = {.attention = {.heads = 2}}}, rng);
  EXPECT_EQ(error_of([&] {
              model(zeros({1, 5}, Dtype::i64));
            }),
            "DecoderOnly: wanted at most 4 tokens, the context; got 5");
  EXPECT_EQ(error_of([&] {
              model(full({1, 2}, 7, Dtype::i64));
            }),
            "embedding: wanted indices in [0, 5); got 7 at position 0 of [1, 2] (in tokens)");
  EXPECT_EQ(
      error_of([&] {
        nn::DecoderOnly(
            {.vocabulary = 5, .context = 4, .width = 10, .block = {.attention = {.heads = 4}}},
            rng);
      }),
      "MultiHeadAttention: wanted a width that is divisible by heads; got width 10 and heads 4");
}

// What a training loop gets wrong most often: the optimizer's step before the backward.
TEST(Errors, ASecondBackwardAfterAStepIsNoticed) {
  Tensor w = ones({2}).set_requires_grad();
  optim::Adam adam({{"w", w}});
  const Tensor loss = sum(w * w);
  loss.backward({.retain_graph = true});
  adam.step();
  EXPECT_EQ(error_of([&] { loss.backward(); }),
            "mul: backward needs input 0, which was overwritten since (mutable_data, copy_from, an "
            "optimizer's step)");
}

}  // namespace
}  // namespace rapt
