#include "rapt/optim/rmsprop.h"

#include <cmath>

#include "rapt/optim/elementwise.h"

namespace rapt::optim {
namespace {

/// The numbers of a parameter's step.
struct Coefficients {
  double lr, alpha, eps, l2, momentum;

  /// g / (sqrt(s) + eps)
  template <class T>
  T divided(T g, T w, T& s) const {
    g += T(l2) * w;
    s = T(alpha) * s + T(1 - alpha) * g * g;
    return g / (std::sqrt(s) + T(eps));
  }
  /// g / (sqrt(s - a^2) + eps)
  template <class T>
  T divided(T g, T w, T& s, T& a) const {
    g += T(l2) * w;
    s = T(alpha) * s + T(1 - alpha) * g * g;
    a = T(alpha) * a + T(1 - alpha) * g;
    return g / (std::sqrt(s - a * a) + T(eps));
  }
};

}  // namespace

RMSprop::RMSprop(const std::vector<ParameterGroup>& groups, const RMSpropOptions& options)
    : Optimizer("RMSprop", groups, {.lr = options.lr, .weight_decay = options.weight_decay}),
      options_(options) {
  check_setting("alpha", options.alpha, 1);
  check_setting("eps", options.eps);
  check_setting("momentum", options.momentum);
  keep("square_avg");
  if (options.momentum != 0) keep("momentum_buffer");
  if (options.centered) keep("grad_avg");
}

RMSprop::RMSprop(const NamedTensors& parameters, const RMSpropOptions& options)
    : RMSprop({{.parameters = parameters}}, options) {}

void RMSprop::update(std::span<Slot* const> slots, double gradient_factor) {
  const auto coefficients = [&](const Slot& slot) {
    return Coefficients{lr_of(slot), options_.alpha, options_.eps, slot.weight_decay,
                        options_.momentum};
  };
  if (options_.momentum != 0 && options_.centered) {
    elementwise<3>(slots, gradient_factor, [&](const Slot& slot) {
      return [c = coefficients(slot)](auto g, auto& w, auto& s, auto& b, auto& a) {
        using T = decltype(g);
        b = T(c.momentum) * b + c.divided(g, w, s, a);
        w -= T(c.lr) * b;
      };
    });
  } else if (options_.momentum != 0) {
    elementwise<2>(slots, gradient_factor, [&](const Slot& slot) {
      return [c = coefficients(slot)](auto g, auto& w, auto& s, auto& b) {
        using T = decltype(g);
        b = T(c.momentum) * b + c.divided(g, w, s);
        w -= T(c.lr) * b;
      };
    });
  } else if (options_.centered) {
    elementwise<2>(slots, gradient_factor, [&](const Slot& slot) {
      return [c = coefficients(slot)](auto g, auto& w, auto& s, auto& a) {
        w -= decltype(g)(c.lr) * c.divided(g, w, s, a);
      };
    });
  } else {
    elementwise<1>(slots, gradient_factor, [&](const Slot& slot) {
      return [c = coefficients(slot)](auto g, auto& w, auto& s) {
        w -= decltype(g)(c.lr) * c.divided(g, w, s);
      };
    });
  }
}

}  // namespace rapt::optim
