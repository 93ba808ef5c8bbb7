#include "rapt/optim/weight_average.h"

#include <algorithm>
#include <string>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/ops.h"
#include "rapt/optim/detail/state.h"

namespace rapt::optim {
namespace {

constexpr double each_the_same = -1;
constexpr const char* loading = "WeightAverage::load_state";

std::string name_of(double decay) {
  return decay < 0 ? "WeightAverage::equal" : "WeightAverage::exponential";
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
  const NoGrad no_grad;
  for (const auto& [name, p] : parameters_) {
    const Tensor& average = averages_[name];
    Tensor(average).copy_from(kept == 0 ? p : kept * average + (1 - kept) * p);
  }
}

void WeightAverage::exchange() {
  const NoGrad no_grad;
  for (const auto& [name, p] : parameters_) {
    const Tensor own = p.detach().clone();
    Tensor(p).copy_from(averages_[name]);
    Tensor(averages_[name]).copy_from(own);
  }
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
  state.set_configuration({{"name", name_of(decay_)}});
  return state;
}

void WeightAverage::check_state(const NamedTensors& given) const {
  detail::require_state_of(loading, name_of(decay_), given);
  detail::require_number(loading, given, "updates");
  check_assign(loading, state(), given);
}

void WeightAverage::load_state(const NamedTensors& given) {
  check_state(given);
  const NamedTensors target = state();
  assign(loading, target, given);
  updates_ = target["updates"].data<int64_t>()[0];
}

}  // namespace rapt::optim
