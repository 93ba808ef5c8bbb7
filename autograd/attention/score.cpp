#include "rapt/autograd/attention/score.h"

#include <cmath>
#include <utility>

#include "rapt/autograd/error.h"

namespace rapt {

Score Score::scaled_dot(const ScaledDotOptions& options) {
  if (options.scale && !std::isfinite(*options.scale)) {
    fail("Score::scaled_dot: wanted a finite scale; got ", *options.scale);
  }
  if (options.soft_cap && !(*options.soft_cap > 0 && std::isfinite(*options.soft_cap))) {
    fail("Score::scaled_dot: wanted a finite soft_cap > 0; got ", *options.soft_cap);
  }
  Score score;
  score.dot_ = options;
  return score;
}

Score Score::then(Function f) const {
  if (!f) fail("Score::then: wanted a function; got an empty one");
  Score score = *this;
  score.functions_.push_back(std::make_shared<const Function>(std::move(f)));
  return score;
}

}  // namespace rapt
