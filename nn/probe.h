#pragma once

#include "rapt/nn/module.h"

namespace rapt::nn {

/// A value inside of a layer that ForwardHooks see by name, and may replace.
class Probe : public Module {
 public:
  /// What hooks put in the place of x; undefined if nothing.
  Tensor operator()(const Tensor& x) const { return shown(x); }
};

}  // namespace rapt::nn
