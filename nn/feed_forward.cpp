#include "rapt/nn/feed_forward.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/detail/fused.h"

namespace rapt::nn {
namespace {

int64_t hidden_width(const FeedForwardOptions& options) {
  if (options.width < 1) fail("FeedForward: wanted width >= 1; got ", options.width);
  if (options.hidden < 0) fail("FeedForward: wanted hidden >= 0; got ", options.hidden);
  return options.hidden > 0 ? options.hidden : 4 * options.width;
}

}  // namespace

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::relu:
      return relu(x);
    case Activation::gelu:
      return gelu(x, Gelu::erf);
    case Activation::gelu_tanh:
      return gelu(x, Gelu::tanh);
    case Activation::silu:
      return silu(x);
    case Activation::relu_squared:
      return square(relu(x));
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::identity:
      return x;
  }
  fail("activate: wanted an Activation; got ", static_cast<int>(activation));
}

FeedForward::FeedForward(const FeedForwardOptions& options, Rng& rng)
    : up(child("up", Linear(options.width, hidden_width(options), rng, {.bias = options.bias}))),
      down(
          child("down", Linear(hidden_width(options), options.width, rng, {.bias = options.bias}))),
      activation_(options.activation) {
  FeedForwardOptions filled = options;
  filled.hidden = hidden_width(options);
  configure_with_layers(detail::values_of(filled));
  if (options.gated) {
    gate = child("gate", Linear(options.width, hidden_width(options), rng, {.bias = options.bias}));
  }
}

Tensor FeedForward::operator()(const Tensor& x) const {
  return call(x, [&] {
    if (gate) {
      const Tensor open = activate((*gate)(x), activation_);  // first, whatever the compiler
      return down(open * up(x));
    }
    const Tensor inner = up(x);
    switch (activation_) {
      case Activation::gelu:
        return call_on_gelu(inner, Gelu::erf, down);
      case Activation::gelu_tanh:
        return call_on_gelu(inner, Gelu::tanh, down);
      default:
        return down(activate(inner, activation_));
    }
  });
}

}  // namespace rapt::nn
