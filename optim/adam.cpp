#include "rapt/optim/adam.h"

#include <cmath>
#include <utility>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/create.h"
#include "rapt/autograd/kernels/portable.h"
#include "rapt/optim/block.h"

namespace rapt::optim {
namespace {

/// The numbers that a step has in common for all elements of a parameter.
struct Coefficients {
  double beta1, beta2, eps;
  double scale;        // times the gradient
  double l2;           // times the parameter, added to the gradient
  double keep;         // what is left of the parameter after decoupled decay
  double step_size;    // lr / (1 - beta1^t)
  double correction2;  // 1 / sqrt(1 - beta2^t)
};

template <class T>
void update_elements(const Coefficients& c, const T* __restrict gradient, T* __restrict parameter,
                     T* __restrict exp_avg, T* __restrict exp_avg_sq, int64_t n) {
  const T beta1 = static_cast<T>(c.beta1), rest1 = static_cast<T>(1 - c.beta1);
  const T beta2 = static_cast<T>(c.beta2), rest2 = static_cast<T>(1 - c.beta2);
  const T scale = static_cast<T>(c.scale);
  const T eps = static_cast<T>(c.eps), l2 = static_cast<T>(c.l2), keep = static_cast<T>(c.keep);
  const T step_size = static_cast<T>(c.step_size), correction2 = static_cast<T>(c.correction2);
  for (int64_t i = 0; i < n; ++i) {
    const T g = scale * gradient[i] + l2 * parameter[i];
    const T m = beta1 * exp_avg[i] + rest1 * g;
    const T v = beta2 * exp_avg_sq[i] + rest2 * g * g;
    exp_avg[i] = m;
    exp_avg_sq[i] = v;
    parameter[i] = keep * parameter[i] - step_size * m / (std::sqrt(v) * correction2 + eps);
  }
}

/// beta^t; 0^t is 0.
double power(double beta, double t) { return beta == 0 ? 0 : kernels::portable::pow(beta, t); }

/// A parameter that has a gradient, and what its update reads and writes.
class Part {
 public:
  Part(Tensor parameter, Tensor exp_avg, Tensor exp_avg_sq, const Coefficients& coefficients)
      : gradient_(parameter.grad().contiguous()), coefficients_(coefficients) {
    visit_float(gradient_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      parameter_ = parameter.mutable_data<T>();
      exp_avg_ = exp_avg.mutable_data<T>();
      exp_avg_sq_ = exp_avg_sq.mutable_data<T>();
    });
  }

  void update(int64_t begin, int64_t end) const {
    visit_float(gradient_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      update_elements(coefficients_, gradient_.data<T>() + begin,
                      static_cast<T*>(parameter_) + begin, static_cast<T*>(exp_avg_) + begin,
                      static_cast<T*>(exp_avg_sq_) + begin, end - begin);
    });
  }

 private:
  Tensor gradient_;  // dense
  void *parameter_, *exp_avg_, *exp_avg_sq_;
  Coefficients coefficients_;
};

void check_options(const AdamOptions& o) {
  for (const double beta : {o.beta1, o.beta2}) {
    if (!(beta >= 0 && beta < 1)) fail("Adam: wanted beta1 and beta2 in [0, 1); got ", beta);
  }
  if (!(o.eps >= 0)) fail("Adam: wanted eps >= 0; got ", o.eps);
}

AdamOptions shared_options(const AdamWOptions& o) {
  return {
      .lr = o.lr, .beta1 = o.beta1, .beta2 = o.beta2, .eps = o.eps, .weight_decay = o.weight_decay};
}

std::vector<ParameterGroup> one_group(const NamedTensors& parameters) {
  return {{.parameters = parameters}};
}

}  // namespace

Adam::Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options, Decay decay)
    : Optimizer(groups, options.lr, options.weight_decay), options_(options), decay_(decay) {
  check_options(options);
  for (const Slot& slot : slots()) {
    const Tensor& p = slot.parameter;
    moments_.push_back({0, zeros(p.shape(), p.dtype()), zeros(p.shape(), p.dtype())});
  }
}

Adam::Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options)
    : Adam(groups, options, Decay::l2) {}

Adam::Adam(const NamedTensors& parameters, const AdamOptions& options)
    : Adam(one_group(parameters), options) {}

AdamW::AdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options)
    : Adam(groups, shared_options(options), Decay::decoupled) {}

AdamW::AdamW(const NamedTensors& parameters, const AdamWOptions& options)
    : AdamW(one_group(parameters), options) {}

void Adam::update(double gradient_factor) {
  const NoGrad no_grad;
  PoolVector<Part> parts;
  Block block;
  for (size_t i = 0; i < slots().size(); ++i) {
    const Slot& slot = slots()[i];
    if (!slot.parameter.grad().defined()) continue;
    Moments& moments = moments_[i];
    if (slot.parameter.dtype() != moments.exp_avg.dtype()) {
      fail("Adam: wanted ", slot.name, " as ", moments.exp_avg.dtype(), ", as it was given; got ",
           slot.parameter.dtype(), " (build the optimizer after Module::to)");
    }
    const double lr = this->lr() * slot.lr_scale, t = static_cast<double>(moments.step + 1);
    const Coefficients c{
        .beta1 = options_.beta1,
        .beta2 = options_.beta2,
        .eps = options_.eps,
        .scale = gradient_factor,
        .l2 = decay_ == Decay::l2 ? slot.weight_decay : 0,
        .keep = decay_ == Decay::decoupled ? 1 - lr * slot.weight_decay : 1,
        .step_size = lr / (1 - power(options_.beta1, t)),
        .correction2 = 1 / std::sqrt(1 - power(options_.beta2, t)),
    };
    parts.emplace_back(slot.parameter, moments.exp_avg, moments.exp_avg_sq, c);
    block.add(slot.parameter.numel());
  }
  block.for_each(
      [&](int64_t, size_t i, int64_t begin, int64_t end) { parts[i].update(begin, end); });
  for (size_t i = 0; i < slots().size(); ++i) {
    if (slots()[i].parameter.grad().defined()) ++moments_[i].step;
  }
}

NamedTensors Adam::state() const {
  NamedTensors state;
  state.add("lr", tensor(lr(), Dtype::f64));
  for (size_t i = 0; i < slots().size(); ++i) {
    const std::string& name = slots()[i].name;
    state.add("step." + name, from_values<int64_t>({moments_[i].step}, {}));
    state.add("exp_avg." + name, moments_[i].exp_avg);
    state.add("exp_avg_sq." + name, moments_[i].exp_avg_sq);
  }
  return state;
}

void Adam::load_state(const NamedTensors& given) {
  const NamedTensors target = state();
  assign("load_state", target, given);
  // The numbers in `target` are copies: hand them on.
  set_lr(target["lr"].item());
  for (size_t i = 0; i < slots().size(); ++i) {
    moments_[i].step = target["step." + slots()[i].name].data<int64_t>()[0];
  }
}

}  // namespace rapt::optim
