#include "rapt/nn/dropout.h"

#include "rapt/autograd/ops.h"

namespace rapt::nn {

Dropout::Dropout(double p, Rng& rng) : p_(p) {
  if (!(p >= 0 && p < 1)) fail("Dropout: wanted 0 <= p < 1; got ", p);
  stream_ = stream("stream", rng.fork());
}

Tensor Dropout::operator()(const Tensor& x) const {
  return call(x, [&] {
    const double p = probability();
    return p > 0 ? dropout(x, p, *stream_) : x;
  });
}

}  // namespace rapt::nn
