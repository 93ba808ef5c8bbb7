#include "rapt/nn/embedding.h"

#include "rapt/autograd/ops.h"

namespace rapt::nn {

Embedding::Embedding(int64_t count, int64_t width, Rng& rng) {
  if (count < 1 || width < 1) {
    fail("Embedding: wanted count >= 1 and width >= 1; got ", count, " and ", width);
  }
  weight = parameter("weight", rng.normal({count, width}));
}

Tensor Embedding::operator()(const Tensor& ids) const {
  return call(ids, [&] { return embedding(weight, ids); });
}

}  // namespace rapt::nn
