#include "rapt/autograd/values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "../data/files.h"
#include "rapt/autograd/create.h"
#include "rapt/autograd/named_tensors.h"

namespace rapt {
namespace {

TEST(Values, GiveBackWhatWasSetInThatOrder) {
  Values values;
  values.set("task", "reverse");
  values.set("step", 1200);
  values.set("rate", 3e-3);
  values.set("smooth", true);
  EXPECT_EQ(values.text("task"), "reverse");
  EXPECT_EQ(values.integer("step"), 1200);
  EXPECT_EQ(values.number("rate"), 3e-3);
  EXPECT_TRUE(values.boolean("smooth"));
  std::string names;
  for (const auto& [name, value] : values) names += name + "=" + value + " ";
  EXPECT_EQ(names, "task=reverse step=1200 rate=0.003 smooth=1 ");
}

TEST(Values, SettingAgainReplacesInPlace) {
  Values values{{"a", "1"}, {"b", "2"}};
  values.set("a", 7);
  EXPECT_EQ(values, (Values{{"a", "7"}, {"b", "2"}}));
}

TEST(Values, NumbersSurviveToTheLastBit) {
  Values values;
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double x : {0.1, 1.0 / 3, -2.2250738585072014e-308, 5e-324, 1.7976931348623157e308,
                         123456789012345680.0, infinity, -infinity, -0.0}) {
    values.set("x", x);
    EXPECT_EQ(values.number("x"), x);
    EXPECT_EQ(std::signbit(values.number("x")), std::signbit(x));
  }
  values.set("x", std::nan(""));
  EXPECT_TRUE(std::isnan(values.number("x")));
  values.set("least", std::numeric_limits<int64_t>::min());
  EXPECT_EQ(values.integer("least"), std::numeric_limits<int64_t>::min());
}

TEST(Values, AnIntegerReadsAsANumberToo) {
  Values values;
  values.set("step", 3);
  EXPECT_EQ(values.number("step"), 3.0);
}

TEST(Values, SayWhatIsMissingAndWhatDoesNotRead) {
  Values values{{"step", "12x"}, {"task", "copy"}, {"none", ""}};
  EXPECT_ERROR("wanted a value named \"steps\"; got step, task, none", values.text("steps"));
  EXPECT_ERROR("wanted an integer as \"step\"; got \"12x\"", values.integer("step"));
  EXPECT_ERROR("wanted a number as \"task\"; got \"copy\"", values.number("task"));
  EXPECT_ERROR("wanted an integer as \"none\"; got \"\"", values.integer("none"));
  EXPECT_ERROR("wanted 0 or 1 as \"task\"", values.boolean("task"));
  EXPECT_ERROR("got none at all", Values().text("x"));
  EXPECT_ERROR("\"a\" twice", (Values{{"a", "1"}, {"b", "1"}, {"a", "2"}}));
  EXPECT_FALSE(values.contains("steps"));
  EXPECT_TRUE(values.contains("step"));
}

TEST(Values, GoBehindAPrefixAndComeBack) {
  const Values inner{{"width", "8"}, {"kind", "gru"}};
  Values all{{"step", "3"}, {"model.width", "4"}};
  all.set_all("model.", inner);
  EXPECT_EQ(all, (Values{{"step", "3"}, {"model.width", "8"}, {"model.kind", "gru"}}));
  EXPECT_EQ(all.with_prefix("model."), inner);
  EXPECT_TRUE(all.with_prefix("other.").empty());
  all.set_all("", all);
  EXPECT_EQ(all.size(), 3u);
}

TEST(NamedTensors, CarryTheConfiguration) {
  NamedTensors weights{{"w", ones({2})}}, all{{"step", ones({})}};
  weights.set_configuration({{"heads", "2"}});
  all.add_all("model.", weights);
  EXPECT_EQ(all.configuration(), (Values{{"model.heads", "2"}}));
  EXPECT_EQ(all.with_prefix("model.").configuration(), weights.configuration());
  EXPECT_TRUE(all.with_prefix("optimizer.").configuration().empty());
}

}  // namespace
}  // namespace rapt
