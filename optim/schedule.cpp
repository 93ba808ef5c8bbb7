#include "rapt/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/portable.h"

namespace rapt::optim {
namespace {

/// From `from` down, or up, to `to` by half a cosine; done in [0, 1].
double along_cosine(double from, double to, double done) {
  return to + (from - to) * 0.5 * (1 + kernels::portable::cos(std::numbers::pi * done));
}

}  // namespace

Schedule::Schedule(Part part) {
  check(part);
  parts_.push_back(std::move(part));
}

Schedule Schedule::constant(const Constant& o) {
  return Schedule({.kind = Kind::constant, .lr = o.lr, .warmup = o.warmup});
}

Schedule Schedule::linear(const Decay& o) {
  return Schedule(
      {.kind = Kind::linear, .lr = o.lr, .warmup = o.warmup, .total = o.total, .end = o.end});
}

Schedule Schedule::polynomial(const Polynomial& o) {
  return Schedule({.kind = Kind::polynomial,
                   .lr = o.lr,
                   .warmup = o.warmup,
                   .total = o.total,
                   .end = o.end,
                   .power = o.power});
}

Schedule Schedule::cosine(const Decay& o) {
  return Schedule(
      {.kind = Kind::cosine, .lr = o.lr, .warmup = o.warmup, .total = o.total, .end = o.end});
}

Schedule Schedule::cosine_restarts(const Restarts& o) {
  return Schedule({.kind = Kind::cosine_restarts,
                   .lr = o.lr,
                   .warmup = o.warmup,
                   .end = o.end,
                   .period = o.period,
                   .growth = o.growth});
}

Schedule Schedule::exponential(const Exponential& o) {
  return Schedule({.kind = Kind::exponential, .lr = o.lr, .warmup = o.warmup, .factor = o.factor});
}

Schedule Schedule::step(const Step& o) {
  return Schedule(
      {.kind = Kind::step, .lr = o.lr, .warmup = o.warmup, .every = o.every, .factor = o.factor});
}

Schedule Schedule::multi_step(const MultiStep& o) {
  return Schedule(
      {.kind = Kind::multi_step, .lr = o.lr, .warmup = o.warmup, .factor = o.factor, .at = o.at});
}

Schedule Schedule::one_cycle(const OneCycle& o) {
  return Schedule({.kind = Kind::one_cycle,
                   .lr = o.lr,
                   .total = o.total,
                   .rising = o.rising,
                   .start_factor = o.start_factor,
                   .end_factor = o.end_factor});
}

Schedule Schedule::inverse_sqrt(const InverseSqrt& o) {
  return Schedule({.kind = Kind::inverse_sqrt, .lr = o.lr, .warmup = o.warmup});
}

Schedule Schedule::noam(const Noam& o) {
  if (o.width < 1 || o.warmup < 1) {
    fail("Schedule::noam: wanted width >= 1 and warmup >= 1; got ", o.width, " and ", o.warmup);
  }
  const double highest = std::sqrt(static_cast<double>(o.width) * static_cast<double>(o.warmup));
  return inverse_sqrt({.lr = o.factor / highest, .warmup = o.warmup});
}

Schedule Schedule::warmup_stable_decay(const WarmupStableDecay& o) {
  return Schedule({.kind = Kind::warmup_stable_decay,
                   .lr = o.lr,
                   .warmup = o.warmup,
                   .total = o.total,
                   .end = o.end,
                   .decay = o.decay});
}

Schedule Schedule::then(int64_t step, const Schedule& next) const {
  if (step <= parts_.back().start) {
    fail("Schedule::then: wanted a step behind the start of the one before, ", parts_.back().start,
         "; got ", step);
  }
  Schedule chain = *this;
  for (Part part : next.parts_) {
    part.start += step;
    chain.parts_.push_back(std::move(part));
  }
  return chain;
}

double Schedule::at(int64_t step) const {
  if (step < 0) fail("Schedule::at: wanted a step >= 0; got ", step);
  auto part = parts_.end() - 1;
  while (step < part->start) --part;
  return rate(*part, step - part->start);
}

double Schedule::rate(const Part& p, int64_t step) {
  const auto number = [](int64_t n) { return static_cast<double>(n); };
  if (step < p.warmup) return p.lr * number(step + 1) / number(p.warmup);
  const int64_t since = step - p.warmup;
  const double done =  // of those that decay over the whole training
      p.total > p.warmup ? std::min(number(since) / number(p.total - p.warmup), 1.0) : 0;
  switch (p.kind) {
    case Kind::constant:
      return p.lr;
    case Kind::linear:
      return p.lr + (p.end - p.lr) * done;
    case Kind::polynomial:
      if (done == 1) return p.end;  // no power of 0 is asked for
      return p.end + (p.lr - p.end) * kernels::portable::pow(1 - done, p.power);
    case Kind::cosine:
      return along_cosine(p.lr, p.end, done);
    case Kind::cosine_restarts: {
      int64_t at = since, period = p.period;
      if (p.growth == 1) at %= period;
      while (at >= period) {
        at -= period;
        period = period > INT64_MAX / p.growth ? INT64_MAX : period * p.growth;
      }
      return along_cosine(p.lr, p.end, number(at) / number(period));
    }
    case Kind::exponential:
      return p.lr * kernels::portable::pow(p.factor, number(since));
    case Kind::step:
      return p.lr * kernels::portable::pow(p.factor, number(since / p.every));
    case Kind::multi_step: {
      const auto reached = std::ranges::count_if(p.at, [&](int64_t at) { return at <= step; });
      return p.lr * kernels::portable::pow(p.factor, number(reached));
    }
    case Kind::one_cycle: {
      // PyTorch's: the highest rate may stand between two steps.
      const double top = p.rising * number(p.total) - 1, last = number(p.total - 1);
      const double at = std::min(number(step), last);
      if (at <= top) return along_cosine(p.lr * p.start_factor, p.lr, at / top);
      return along_cosine(p.lr, p.lr * p.end_factor, (at - top) / (last - top));
    }
    case Kind::inverse_sqrt:
      return p.lr * std::sqrt(number(p.warmup) / (number(step) + 1));
    case Kind::warmup_stable_decay: {
      const int64_t left = std::max<int64_t>(p.total - step, 0);
      if (left >= p.decay) return p.lr;
      return p.end + (p.lr - p.end) * number(left) / number(p.decay);
    }
  }
  return p.lr;
}

}  // namespace rapt::optim
