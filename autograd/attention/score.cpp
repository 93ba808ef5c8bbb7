#include "rapt/autograd/attention/score.h"

#include <cmath>
#include <utility>

#include "rapt/autograd/attention/detail/parts.h"
#include "rapt/autograd/error.h"

namespace rapt {

Score Score::scaled_dot(const ScaledDotOptions& options) {
  if (options.scale && !std::isfinite(*options.scale)) {
    fail("Score::scaled_dot: wanted a finite scale; got ", *options.scale);
  }
  if (options.soft_cap && !(*options.soft_cap > 0 && std::isfinite(*options.soft_cap))) {
    fail("Score::scaled_dot: wanted a finite soft_cap > 0; got ", *options.soft_cap);
  }
  const auto state = std::allocate_shared<State>(PoolAllocator<State>());
  state->dot = options;
  Score score;
  score.state_ = state;
  return score;
}

Score Score::then(Function f) const {
  if (!f) fail("Score::then: wanted a function; got an empty one");
  const auto state = std::allocate_shared<State>(PoolAllocator<State>());
  if (state_) *state = *state_;
  state->functions.push_back(std::make_shared<const Function>(std::move(f)));
  Score score;
  score.state_ = state;
  return score;
}

}  // namespace rapt
