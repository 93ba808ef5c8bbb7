#include "rapt/optim/weight_average.h"

#include <algorithm>
#include <utility>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/create.h"
#include "rapt/optim/block.h"

namespace rapt::optim {
namespace {

constexpr double each_the_same = -1;

struct Pair {
  Tensor parameter, average;
  void *p = nullptr, *a = nullptr;
};

/// f(parameter's element, average's element) over all, in one pass.
template <class F>
void for_each_pair(const NamedTensors& parameters, const NamedTensors& averages, const F& f) {
  PoolVector<Pair> pairs;
  Block block;
  for (const auto& [name, parameter] : parameters) {
    Pair pair{parameter, averages[name]};
    visit_float(parameter.dtype(), [&]<class T>(T) {
      pair.p = pair.parameter.mutable_data<T>();
      pair.a = pair.average.mutable_data<T>();
    });
    block.add(parameter.numel());
    pairs.push_back(std::move(pair));
  }
  block.for_each([&](int64_t, size_t i, int64_t begin, int64_t end) {
    visit_float(pairs[i].parameter.dtype(), [&]<class T>(T) {
      T *p = static_cast<T*>(pairs[i].p), *a = static_cast<T*>(pairs[i].a);
      for (int64_t at = begin; at < end; ++at) f(p[at], a[at]);
    });
  });
}

}  // namespace

WeightAverage::WeightAverage(const NamedTensors& parameters, double decay, bool warmup)
    : parameters_(parameters), decay_(decay), warmup_(warmup) {
  if (parameters.empty()) fail("WeightAverage: wanted parameters; got none");
  for (const auto& [name, p] : parameters) {
    if (!p.defined() || !is_float(p.dtype()) || !p.is_contiguous()) {
      fail("WeightAverage: wanted dense parameters of f32 or f64; got ", name,
           p.defined() ? text(" ", p.dtype(), p.shape()) : ", which is no tensor");
    }
    averages_.add(name, p.detach().clone());
  }
}

WeightAverage WeightAverage::exponential(const NamedTensors& parameters, double decay,
                                         bool warmup) {
  if (!(decay >= 0 && decay < 1)) {
    fail("WeightAverage::exponential: wanted decay in [0, 1); got ", decay);
  }
  return {parameters, decay, warmup};
}

WeightAverage WeightAverage::equal(const NamedTensors& parameters) {
  return {parameters, each_the_same, false};
}

void WeightAverage::update() {
  if (swapped_)
    fail("WeightAverage::update: the parameters have the averages' values: a Swap lives");
  const auto before = static_cast<double>(updates_++);
  double kept = decay_ < 0 ? before / (before + 1) : decay_;
  if (warmup_) kept = std::min(kept, (1 + before) / (10 + before));
  if (before == 0) kept = 0;
  for_each_pair(parameters_, averages_, [kept](auto& p, auto& a) {
    using T = std::remove_reference_t<decltype(p)>;
    a = T(kept) * a + T(1 - kept) * p;
  });
}

void WeightAverage::exchange() {
  for_each_pair(parameters_, averages_, [](auto& p, auto& a) { std::swap(p, a); });
  swapped_ = !swapped_;
}

WeightAverage::Swap::Swap(WeightAverage& average) : average_(average) {
  if (average.swapped_) fail("WeightAverage::Swap: another one lives");
  average.exchange();
}

WeightAverage::Swap::~Swap() { average_.exchange(); }

NamedTensors WeightAverage::state() const {
  if (swapped_) fail("WeightAverage::state: the averages are in the parameters: a Swap lives");
  NamedTensors state;
  state.add("updates", from_values<int64_t>({updates_}, {}));
  state.add_all("average.", averages_);
  return state;
}

void WeightAverage::load_state(const NamedTensors& given) {
  const NamedTensors target = state();
  assign("WeightAverage::load_state", target, given);
  updates_ = target["updates"].data<int64_t>()[0];
}

}  // namespace rapt::optim
