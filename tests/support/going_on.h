#pragma once

#include <gtest/gtest.h>

#include "tensors.h"

namespace rapt::tests {

/// Two layers with dropout that were built apart, of which `resumed` takes over the state of the
/// other: then they give the same, draw after draw. call(layer): its output for one input.
template <class Layer, class Call>
void expect_going_on_from_state(Layer layer, Layer resumed, Call call) {
  call(layer);
  resumed.load_state(layer.state());
  const Tensor first = call(layer), second = call(layer);
  EXPECT_FALSE(same_bits(first, second)) << "dropout is on";
  EXPECT_TRUE(same_bits(call(resumed), first));
  EXPECT_TRUE(same_bits(call(resumed), second));
  layer.eval();
  EXPECT_TRUE(same_bits(call(layer), call(layer)));
}

}  // namespace rapt::tests
