#include "rapt/autograd/attention/score.h"

#include <cmath>
#include <utility>

#include "rapt/autograd/attention/detail/parts.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {
namespace {

const ScoreOptions& checked(const char* function, const ScoreOptions& options) {
  if (options.scale && !std::isfinite(*options.scale)) {
    fail(function, ": wanted a finite scale; got ", *options.scale);
  }
  if (options.soft_cap && !(*options.soft_cap > 0 && std::isfinite(*options.soft_cap))) {
    fail(function, ": wanted a finite soft_cap > 0; got ", *options.soft_cap);
  }
  return options;
}

ScoreOptions with_scale_of_1(ScoreOptions options) {
  if (!options.scale) options.scale = 1;
  return options;
}

}  // namespace

Score::Score(State state)
    : state_(std::allocate_shared<State>(PoolAllocator<State>(), std::move(state))) {}

Score::State Score::changed() const { return state_ ? *state_ : State{}; }

Score Score::scaled_dot(const ScoreOptions& options) {
  return Score(State{.options = checked("Score::scaled_dot", options)});
}

Score Score::dot(const ScoreOptions& options) {
  return Score(State{.options = with_scale_of_1(checked("Score::dot", options))});
}

Score Score::bilinear(const Tensor& weight, const ScoreOptions& options) {
  require_float("Score::bilinear", "weight", weight);
  if (weight.rank() < 2) {
    fail("Score::bilinear: wanted weight [..., dq, dk]; got ", weight.shape());
  }
  return Score(State{.kind = State::Kind::bilinear,
                     .options = with_scale_of_1(checked("Score::bilinear", options)),
                     .weight = weight});
}

Score Score::cosine(TensorOrNumber scale) {
  State state{.kind = State::Kind::cosine};
  if (scale.tensor()) {
    require_float("Score::cosine", "scale", *scale.tensor());
    state.weight = *scale.tensor();
  } else {
    state.options = checked("Score::cosine", {.scale = scale.number()});
  }
  return Score(std::move(state));
}

Score Score::additive(const Tensor& weight) {
  require_float("Score::additive", "weight", weight);
  if (weight.rank() < 1) fail("Score::additive: wanted weight [..., d]; got a scalar");
  return Score(State{.kind = State::Kind::additive, .weight = weight});
}

Score Score::with_relative_bias(const Tensor& bias) const {
  require_float("Score::with_relative_bias", "bias", bias);
  if (bias.rank() < 1) {
    fail("Score::with_relative_bias: wanted bias [..., Tq + Tk - 1]; got a scalar");
  }
  State state = changed();
  state.biases.push_back(bias);
  return Score(std::move(state));
}

Score Score::then(Function f) const {
  if (!f) fail("Score::then: wanted a function; got an empty one");
  State state = changed();
  state.functions.push_back(
      std::allocate_shared<Function>(PoolAllocator<Function>(), std::move(f)));
  return Score(std::move(state));
}

}  // namespace rapt
