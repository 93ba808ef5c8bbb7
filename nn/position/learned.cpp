#include "rapt/nn/position/learned.h"

#include "rapt/autograd/ops.h"
#include "rapt/nn/init.h"

namespace rapt::nn {

LearnedPositions::LearnedPositions(int64_t context, int64_t width, Rng& rng) {
  if (context < 1 || width < 1) {
    fail("LearnedPositions: wanted context >= 1 and width >= 1; got ", context, " and ", width);
  }
  weight = parameter("weight", gpt2_normal({context, width}, rng));
}

Tensor LearnedPositions::operator()(int64_t length) const {
  return call(Tensor(), [&] {
    if (length < 0 || length > weight.size(0)) {
      fail("LearnedPositions: wanted a length of at most the context, ", weight.size(0), "; got ",
           length);
    }
    return slice(weight, 0, 0, length);
  });
}

Tensor LearnedPositions::operator()(const Tensor& places) const {
  return call(Tensor(), [&] { return embedding(weight, places); });
}

}  // namespace rapt::nn
