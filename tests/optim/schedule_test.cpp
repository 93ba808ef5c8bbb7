#include "rapt/optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "../reference/reference.h"
#include "rapt/optim/plateau.h"

namespace rapt::optim {
namespace {

using reference::error_of;

/// One of each kind, with settings unlike the defaults.
std::vector<Schedule> one_of_each() {
  using S = Schedule;
  return {
      S::constant({.lr = 0.25, .warmup = 3}),
      S::linear({.lr = 1, .warmup = 4, .total = 12, .end = 0.1}),
      S::polynomial({.lr = 1, .warmup = 4, .total = 12, .end = 0.1, .power = 3}),
      S::cosine({.lr = 1, .warmup = 4, .total = 12, .end = 0.1}),
      S::cosine_restarts({.lr = 1, .warmup = 4, .period = 3, .growth = 2, .end = 0.1}),
      S::exponential({.lr = 1, .warmup = 4, .factor = 0.9}),
      S::step({.lr = 1, .warmup = 4, .every = 3, .factor = 0.5}),
      S::multi_step({.lr = 1, .warmup = 4, .at = {6, 9}, .factor = 0.5}),
      S::one_cycle({.lr = 1, .total = 12, .rising = 0.4, .start_factor = 0.2, .end_factor = 0.01}),
      S::inverse_sqrt({.lr = 1, .warmup = 4}),
      S::noam({.width = 64, .warmup = 4, .factor = 2}),
      S::warmup_stable_decay({.lr = 1, .warmup = 4, .total = 12, .decay = 3, .end = 0.1}),
  };
}

TEST(Schedule, AgreesWithPyTorch) {
  using S = Schedule;
  const double lr = 3e-3;
  const std::vector<std::pair<const char*, Schedule>> cases = {
      {"warmup_cosine", S::cosine({.lr = lr, .warmup = 5, .total = 20, .end = 3e-4})},
      {"linear", S::linear({.lr = lr, .total = 20, .end = 0.25 * lr})},
      {"polynomial", S::polynomial({.lr = lr, .total = 20, .power = 1.5})},
      {"cosine", S::cosine({.lr = lr, .total = 20, .end = 3e-4})},
      {"cosine_restarts", S::cosine_restarts({.lr = lr, .period = 4, .growth = 2, .end = 3e-4})},
      {"cosine_restarts.equal", S::cosine_restarts({.lr = lr, .period = 7})},
      {"exponential", S::exponential({.lr = lr, .factor = 0.9})},
      {"step", S::step({.lr = lr, .every = 4, .factor = 0.5})},
      {"multi_step", S::multi_step({.lr = lr, .at = {3, 4, 17}, .factor = 0.5})},
      {"one_cycle", S::one_cycle({.lr = lr, .total = 20})},
      {"one_cycle.settings",
       S::one_cycle(
           {.lr = lr, .total = 20, .rising = 0.43, .start_factor = 0.1, .end_factor = 0.1 / 50})},
  };
  const NamedTensors file = reference::file("optim");
  for (const auto& [name, schedule] : cases) {
    const auto wanted = file[text("schedule.", name)].values<double>();
    ASSERT_GE(wanted.size(), 20u);
    for (size_t step = 0; step < wanted.size(); ++step) {
      EXPECT_NEAR(schedule.at(static_cast<int64_t>(step)), wanted[step], 1e-12) << name << step;
    }
  }
}

TEST(Schedule, MovesFromTheFirstStepAndReachesItsRateWithTheLastOfTheWarmup) {
  for (const Schedule& schedule : one_of_each()) {
    const Values values = schedule.values();
    if (!values.contains("warmup")) continue;  // one cycle
    const auto warmup = values.integer("warmup");
    const double lr = values.number("lr");
    SCOPED_TRACE(values.text("kind"));
    for (int64_t step = 0; step < warmup; ++step) {
      const double share = static_cast<double>(step + 1) / static_cast<double>(warmup);
      EXPECT_DOUBLE_EQ(schedule.at(step), lr * share);
    }
    if (values.text("kind") == "inverse_sqrt") continue;
    EXPECT_DOUBLE_EQ(schedule.at(warmup), lr);
  }
}

TEST(Schedule, StaysAtItsEnd) {
  for (const Schedule& schedule : one_of_each()) {
    const Values values = schedule.values();
    if (!values.contains("total")) continue;
    SCOPED_TRACE(values.text("kind"));
    const double end = values.contains("end") ? values.number("end") : values.number("end_factor");
    EXPECT_NEAR(schedule.at(12), end, 1e-12);
    EXPECT_NEAR(schedule.at(1000), end, 1e-12);
    EXPECT_NEAR(schedule.at(INT64_MAX), end, 1e-12);
  }
}

TEST(Schedule, FollowsThePapers) {
  const Schedule noam = Schedule::noam({.width = 512, .warmup = 4000, .factor = 2});
  for (const int64_t step : {0, 10, 3998, 3999, 4000, 100000}) {
    const double n = static_cast<double>(step + 1);
    const double wanted =
        2 * std::pow(512, -0.5) * std::min(std::pow(n, -0.5), n * std::pow(4000, -1.5));
    EXPECT_NEAR(noam.at(step), wanted, 1e-15) << step;
  }
  EXPECT_NEAR(noam.at(3999), 2 * 6.9877e-4, 1e-7);  // the peak, 1 / sqrt(512 * 4000)
  const Schedule stable =
      Schedule::warmup_stable_decay({.lr = 1, .warmup = 2, .total = 10, .decay = 4, .end = 0.2});
  const std::vector<double> wanted = {0.5, 1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2, 0.2};
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(stable.at(static_cast<int64_t>(i)), wanted[i], 1e-12) << i;
  }
}

TEST(Schedule, OfAnotherLengthIsThatOfTheNewLength) {
  // A run that is prolonged asks another value, and nothing is left of the first.
  const Schedule shorter = Schedule::cosine({.lr = 1, .warmup = 2, .total = 10});
  const Schedule longer = Schedule::cosine({.lr = 1, .warmup = 2, .total = 20});
  EXPECT_NEAR(shorter.at(10), 0, 1e-12);
  EXPECT_NEAR(longer.at(11), 0.5, 1e-12);
  EXPECT_EQ(longer.at(1), shorter.at(1));
}

TEST(Schedule, ChainsOneBehindTheOther) {
  const Schedule a = Schedule::constant({.lr = 1, .warmup = 2}), b = Schedule::constant(0.5);
  const Schedule c = Schedule::linear({.lr = 0.5, .total = 4});
  const Schedule chain = a.then(5, b).then(8, c);
  const std::vector<double> wanted = {0.5, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125, 0};
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(chain.at(static_cast<int64_t>(i)), wanted[i]) << i;
  }
  EXPECT_EQ(chain, a.then(5, b.then(3, c)));
  EXPECT_EQ(chain.values().text("1.start"), "5");
  EXPECT_EQ(Schedule::from(chain.values()), chain);
  EXPECT_EQ(error_of([&] { chain.then(8, a); }),
            "Schedule::then: wanted a step behind the start of the one before, 8; got 8");
}

TEST(Schedule, GoesThroughNamedValues) {
  for (const Schedule& schedule : one_of_each()) {
    const Values values = schedule.values();
    EXPECT_EQ(Schedule::from(values), schedule) << values.text("kind");
    for (const int64_t step : {0, 3, 4, 5, 9, 12, 40}) {
      EXPECT_EQ(Schedule::from(values).at(step), schedule.at(step));
    }
  }
  EXPECT_EQ(Schedule::from({{"kind", "cosine"}, {"total", "9"}}), Schedule::cosine({.total = 9}));
  EXPECT_EQ(Schedule::from({{"kind", "inverse_sqrt"}}), Schedule::inverse_sqrt({}));
  EXPECT_EQ(Schedule::from({{"kind", "exponential"}}), Schedule::exponential({}));
  EXPECT_EQ(error_of([] {
              Schedule::from({{"kind", "constant"}, {"total", "9"}});
            }),
            "Schedule::from: constant has no total");
  EXPECT_EQ(error_of([] {
              Schedule::from({{"kind", "cosin"}});
            }),
            "Schedule::from: wanted a kind of constant, linear, polynomial, cosine, "
            "cosine_restarts, exponential, step, multi_step, one_cycle, inverse_sqrt, "
            "warmup_stable_decay; got cosin");
  EXPECT_EQ(error_of([] {
              Schedule::from({{"kind", "multi_step"}, {"at", "3,x"}});
            }),
            "Schedule::from: wanted at as integers with commas between them; got \"3,x\"");
  EXPECT_EQ(error_of([] {
              Schedule::from({{"kind", "constant"}, {"start", "9"}});
            }),
            "Schedule::from: one that is no chain has no start");
  EXPECT_EQ(error_of([] {
              Schedule::from({{"0.kind", "constant"}, {"lr", "9"}});
            }),
            "Schedule::from: wanted 0., 1., ... in front of each name");
}

TEST(Schedule, SaysWhichSettingIsWrong) {
  using S = Schedule;
  EXPECT_EQ(error_of([] { S::constant(1).at(-1); }), "Schedule::at: wanted a step >= 0; got -1");
  EXPECT_EQ(error_of([] { S::constant(-1); }),
            "Schedule::constant: wanted a finite lr >= 0; got -1");
  EXPECT_EQ(error_of([] { S::constant({.warmup = -2}); }),
            "Schedule::constant: wanted warmup >= 0; got -2");
  EXPECT_EQ(error_of([] { S::cosine({.warmup = 3, .total = 3}); }),
            "Schedule::cosine: wanted 0 <= warmup < total; got warmup 3 and total 3");
  EXPECT_EQ(error_of([] { S::linear({.total = 3, .end = std::nan("")}); }),
            "Schedule::linear: wanted a finite end >= 0; got nan");
  EXPECT_EQ(error_of([] { S::polynomial({.total = 3, .power = 0}); }),
            "Schedule::polynomial: wanted power > 0; got 0");
  EXPECT_EQ(error_of([] { S::cosine_restarts({}); }),
            "Schedule::cosine_restarts: wanted period >= 1; got 0");
  EXPECT_EQ(error_of([] { S::exponential({.factor = 2}); }),
            "Schedule::exponential: wanted factor in (0, 1]; got 2");
  EXPECT_EQ(error_of([] { S::step({}); }), "Schedule::step: wanted every >= 1; got 0");
  EXPECT_EQ(error_of([] {
              S::multi_step({.at = {4, 4}});
            }),
            "Schedule::multi_step: wanted steps that grow, the first behind the warm-up; got 4,4");
  EXPECT_EQ(error_of([] { S::one_cycle({}); }), "Schedule::one_cycle: wanted total >= 2; got 0");
  EXPECT_EQ(error_of([] { S::inverse_sqrt({.warmup = 0}); }),
            "Schedule::inverse_sqrt: wanted warmup >= 1; got 0");
  EXPECT_EQ(error_of([] { S::noam({}); }),
            "Schedule::noam: wanted width >= 1 and warmup >= 1; got 0 and 4000");
  EXPECT_EQ(error_of([] { S::warmup_stable_decay({.warmup = 3, .total = 5, .decay = 3}); }),
            "Schedule::warmup_stable_decay: wanted 1 <= decay <= total - warmup; got decay 3, "
            "total 5 and warmup 3");
}

TEST(ReduceOnPlateau, AgreesWithPyTorch) {
  const NamedTensors file = reference::file("optim");
  const auto metrics = file["plateau.metrics"].values<double>();
  for (const bool larger : {false, true}) {
    const ReduceOnPlateauOptions options{.lr = 3e-3,
                                         .factor = 0.5,
                                         .patience = 1,
                                         .cooldown = 2,
                                         .min_lr = 5e-4,
                                         .larger_is_better = larger};
    ReduceOnPlateau plateau(options);
    const auto wanted = file[larger ? "plateau.max" : "plateau.min"].values<double>();
    for (size_t i = 0; i < metrics.size(); ++i) {
      EXPECT_NEAR(plateau.after(metrics[i]), wanted[i], 1e-12) << larger << " " << i;
      ReduceOnPlateau resumed(options);  // saved and loaded after each
      resumed.load_state(plateau.state());
      plateau = resumed;
    }
  }
  // What is worse is no improvement, below 0 too.
  ReduceOnPlateau below({.lr = 1, .factor = 0.5, .patience = 0, .threshold = 0.1});
  EXPECT_EQ(below.after(-1), 1);
  EXPECT_EQ(below.after(-0.95), 0.5);
  EXPECT_EQ(below.after(-1.2), 0.5);
  EXPECT_EQ(error_of([] { ReduceOnPlateau({.factor = 1}); }),
            "ReduceOnPlateau: wanted factor in (0, 1); got 1");
  EXPECT_EQ(error_of([] { ReduceOnPlateau().load_state({{"lr", "1"}}); }).substr(0, 8), "values: ");
}

}  // namespace
}  // namespace rapt::optim
