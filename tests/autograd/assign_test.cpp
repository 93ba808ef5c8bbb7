#include "rapt/autograd/assign.h"

#include <gtest/gtest.h>

#include <string>

#include "../support/tensors.h"

namespace rapt {
namespace {

TEST(Assign, WritesByNameWhateverTheOrder) {
  const NamedTensors target{{"a", zeros({2})}, {"b", zeros({}, Dtype::i64)}};
  assign("load", target, {{"b", full({}, 7, Dtype::i64)}, {"a", tensor({1, 2})}});
  EXPECT_EQ(target["a"].values<float>(), (std::vector<float>{1, 2}));
  EXPECT_EQ(target["b"].item(), 7);
}

TEST(Assign, WritesToALeafThatWantsAGradient) {
  const NamedTensors target{{"a", zeros({2}).set_requires_grad()}};
  assign("load", target, {{"a", tensor({1, 2})}});
  EXPECT_EQ(target["a"].values<float>(), (std::vector<float>{1, 2}));
  EXPECT_TRUE(target["a"].is_leaf());
}

TEST(Assign, ListsAllThatDoesNotFitAndWritesNothing) {
  const NamedTensors target{{"fits", zeros({2})}, {"shape", zeros({2})}, {"missing", zeros({1})}};
  try {
    assign("load", target,
           {{"fits", ones({2})}, {"shape", ones({3})}, {"extra", ones({1}, Dtype::f64)}});
    FAIL() << "wanted an error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "load: the tensors do not fit; nothing was loaded\n"
                 "  different: shape, wanted f32[2]; got f32[3]\n"
                 "  missing: missing f32[1]\n"
                 "  unexpected: extra f64[1]");
  }
  EXPECT_EQ(target["fits"].values<float>(), (std::vector<float>{0, 0}));
}

TEST(Assign, IsStrictAboutDtypes) {
  const NamedTensors target{{"a", zeros({2})}};
  EXPECT_EQ(tests::error_of([&] {
              assign("load", target, {{"a", zeros({2}, Dtype::f64)}});
            }),
            "load: the tensors do not fit; nothing was loaded\n"
            "  different: a, wanted f32[2]; got f64[2]");
}

}  // namespace
}  // namespace rapt
