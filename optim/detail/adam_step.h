#pragma once

// Private to rapt's own sources: the formula of Adam, for those that are built on it.

#include <cmath>

#include "rapt/optim/detail/bias_correction.h"
#include "rapt/optim/optimizer.h"

namespace rapt::optim::detail {

/// The averages of the gradient (m) and of its square (v), which Adam's relatives keep too.
class AdamMoments {
 public:
  explicit AdamMoments(const Slot& slot, double l2 = 0)
      : beta1_(slot.beta1), beta2_(slot.beta2), l2_(l2) {}

  /// Takes in g + l2 w, which it returns.
  template <class T>
  T average(T g, T w, T& m, T& v) const {
    g = g + T(l2_) * w;
    m = T(beta1_) * m + T(1 - beta1_) * g;
    v = T(beta2_) * v + T(1 - beta2_) * g * g;
    return g;
  }

 private:
  double beta1_, beta2_;
  double l2_;  // times the parameter, added to the gradient
};

/// The numbers of a parameter's step, and what they do with its elements.
class AdamStep {
 public:
  struct Settings {
    double lr, eps;
    double l2 = 0;     // times the parameter, added to the gradient
    double decay = 0;  // times lr, the share of itself that the parameter loses
  };

  AdamStep(const Slot& slot, const Settings& settings)
      : moments_(slot, settings.l2),
        eps_(settings.eps),
        keep_(1 - settings.lr * settings.decay),
        step_size_(settings.lr / bias_correction(slot.beta1, slot.step)),
        correction2_(1 / std::sqrt(bias_correction(slot.beta2, slot.step))) {}

  template <class T>
  void average(T g, T w, T& m, T& v) const {
    moments_.average(g, w, m, v);
  }
  template <class T>
  void move(T& w, T m, T v) const {
    w = T(keep_) * w - T(step_size_) * m / (std::sqrt(v) * T(correction2_) + T(eps_));
  }

 private:
  AdamMoments moments_;
  double eps_;
  double keep_;         // what is left of the parameter
  double step_size_;    // lr / (1 - beta1^t)
  double correction2_;  // 1 / sqrt(1 - beta2^t)
};

}  // namespace rapt::optim::detail
