#include "rapt/optim/weight_average.h"

#include <gtest/gtest.h>

#include "on_a_problem.h"

namespace rapt::optim {
namespace {

using reference::error_of;
using tests::close;
using tests::leaves;
using tests::same_bits;

/// The averages after the weights were 1, 2, ... in turn.
std::vector<double> after_each(WeightAverage& average, const NamedTensors& p, int count) {
  std::vector<double> out;
  for (int i = 1; i <= count; ++i) {
    Tensor(p["w"]).copy_from(full({2, 3}, i, p["w"].dtype()));
    average.update();
    out.push_back(average.averages()["w"][1][2].item());
  }
  return out;
}

TEST(WeightAverage, IsItsFormula) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const NamedTensors p = leaves({{"w", zeros({2, 3}, dtype)}}, dtype);
    WeightAverage plain = WeightAverage::exponential(p, 0.75, false);
    const std::vector<double> found = after_each(plain, p, 4);
    double wanted = 1;  // the first is taken as it is
    for (size_t i = 0; i < 4; ++i) {
      if (i > 0) wanted = 0.75 * wanted + 0.25 * static_cast<double>(i + 1);
      EXPECT_NEAR(found[i], wanted, 1e-6);
    }
    WeightAverage equal = WeightAverage::equal(p);
    EXPECT_EQ(after_each(equal, p, 4), (std::vector<double>{1, 1.5, 2, 2.5}));
    WeightAverage warm = WeightAverage::exponential(p, 0.2);
    const std::vector<double> warmed = after_each(warm, p, 3);
    EXPECT_NEAR(warmed[1], 2.0 / 11 * 1 + 9.0 / 11 * 2, 1e-6);  // (1 + n) / (10 + n) of n = 1
    EXPECT_NEAR(warmed[2], 0.2 * warmed[1] + 0.8 * 3, 1e-6);    // 0.2 is less than 3 / 12
  }
}

TEST(WeightAverage, IsSwappedInForAWhile) {
  const NamedTensors p = leaves({{"w", zeros({2, 3})}}, Dtype::f32);
  WeightAverage average = WeightAverage::equal(p);
  after_each(average, p, 3);
  {
    const WeightAverage::Swap swap(average);
    EXPECT_TRUE(same_bits(p["w"].detach(), full({2, 3}, 2)));
    EXPECT_EQ(error_of([&] { average.update(); }),
              "WeightAverage::update: the parameters have the averages' values: a Swap lives");
    EXPECT_EQ(error_of([&] { average.state(); }),
              "WeightAverage::state: the averages are in the parameters: a Swap lives");
    EXPECT_EQ(error_of([&] { const WeightAverage::Swap again(average); }),
              "WeightAverage::Swap: another one lives");
  }
  EXPECT_TRUE(same_bits(p["w"].detach(), full({2, 3}, 3)));
  EXPECT_TRUE(same_bits(average.averages()["w"], full({2, 3}, 2)));
}

TEST(WeightAverage, GoesOnFromItsState) {
  const NamedTensors p = leaves({{"w", zeros({2, 3})}}, Dtype::f32);
  WeightAverage average = WeightAverage::equal(p);
  after_each(average, p, 3);
  NamedTensors saved;
  for (const auto& [name, x] : average.state()) saved.add(name, x.detach().clone());
  WeightAverage again = WeightAverage::equal(p);
  again.load_state(saved);
  EXPECT_EQ(again.updates(), 3);
  average.update();
  again.update();
  EXPECT_TRUE(same_bits(again.averages()["w"], average.averages()["w"]));
  EXPECT_EQ(
      error_of([&] { WeightAverage::exponential(p, 0.9).load_state(average.state()); }),
      "WeightAverage::load_state: wanted the state of WeightAverage::exponential; got that of "
      "WeightAverage::equal; nothing was loaded");
  NamedTensors wrong;
  wrong.add("updates", from_values<int64_t>({-3}, {}));
  wrong.add("average.w", ones({2, 3}));
  EXPECT_EQ(error_of([&] { again.load_state(wrong); }),
            "WeightAverage::load_state: wanted updates >= 0; got -3; nothing was loaded");
}

TEST(WeightAverage, SaysWhatIsWrong) {
  EXPECT_EQ(error_of([] { WeightAverage::equal({}); }),
            "WeightAverage: wanted parameters; got none");
  const NamedTensors p = leaves({{"w", zeros({2, 3})}}, Dtype::f32);
  EXPECT_EQ(error_of([&] { WeightAverage::exponential(p, 1); }),
            "WeightAverage::exponential: wanted decay in [0, 1); got 1");
}

}  // namespace
}  // namespace rapt::optim
