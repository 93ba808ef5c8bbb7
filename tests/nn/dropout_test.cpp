#include "rapt/nn/dropout.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

using reference::error_of;
using Values = std::vector<float>;

TEST(Dropout, DropsAShareAndScalesTheRest) {
  Rng rng(1);
  const Dropout layer(0.25, rng);
  const Tensor x = ones({100, 100});
  const Tensor y = layer(x);
  const double kept = sum(equal(y, full({}, 4.0 / 3)).to(Dtype::f64)).item();
  const double dropped = sum(equal(y, zeros({})).to(Dtype::f64)).item();
  EXPECT_EQ(kept + dropped, 10000);
  EXPECT_NEAR(dropped, 2500, 200);  // four standard deviations and more
}

TEST(Dropout, IsTheIdentityInEvaluation) {
  Rng rng(1);
  Dropout layer(0.5, rng);
  layer.eval();
  const Tensor x = ones({3});
  EXPECT_TRUE(layer(x).same_as(x));
  EXPECT_EQ(layer.probability(), 0);
  layer.train();
  EXPECT_EQ(layer.probability(), 0.5);
}

TEST(Dropout, DrawsAnewInEachCallAndInEachLayer) {
  Rng rng(1);
  const Dropout a(0.5, rng), b(0.5, rng);
  const Tensor x = ones({64});
  const Values first = a(x).values<float>();
  EXPECT_NE(first, a(x).values<float>());
  EXPECT_NE(first, b(x).values<float>());
}

TEST(Dropout, NamesItsStream) {
  Rng rng(1);
  const Dropout layer(0.5, rng);
  EXPECT_TRUE(layer.parameters().empty());
  EXPECT_EQ(reference::names(layer.state()), std::vector<std::string>{"stream"});
}

TEST(Dropout, ResumesWhereItsStateWasTaken) {
  Rng rng(1), other(2);
  Dropout layer(0.5, rng), resumed(0.5, other);
  const Tensor x = ones({64});
  layer(x);
  const NamedTensors state = layer.state();
  const Values second = layer(x).values<float>(), third = layer(x).values<float>();
  resumed.load_state(state);
  EXPECT_EQ(resumed(x).values<float>(), second);
  EXPECT_EQ(resumed(x).values<float>(), third);
}

TEST(Dropout, DropsTheGradientOfWhatItDropped) {
  Rng rng(3);
  const Dropout layer(0.5, rng);
  Tensor x = full({64}, 2);
  x.set_requires_grad();
  const Tensor y = layer(x);
  sum(y).backward();
  const Values values = y.values<float>(), gradient = x.grad().values<float>();
  for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(gradient[i], values[i] / 2);
}

TEST(Dropout, RefusesWhatIsNoProbability) {
  Rng rng(1);
  EXPECT_EQ(error_of([&] { Dropout(1, rng); }), "Dropout: wanted 0 <= p < 1; got 1");
  EXPECT_EQ(error_of([&] { Dropout(-0.1, rng); }), "Dropout: wanted 0 <= p < 1; got -0.1");
  EXPECT_EQ(error_of([&] { Dropout(std::nan(""), rng); }), "Dropout: wanted 0 <= p < 1; got nan");
}

}  // namespace
}  // namespace rapt::nn
