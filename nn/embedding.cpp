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
  if (ids.dtype() != Dtype::i64) fail("Embedding: wanted ids i64; got ", ids.dtype(), ids.shape());
  const int64_t count = weight.size(0);
  const Tensor dense = ids.contiguous();
  const int64_t* id = dense.data<int64_t>();
  for (int64_t i = 0; i < dense.numel(); ++i) {
    if (id[i] < 0 || id[i] >= count) {
      fail("Embedding: wanted ids in [0, ", count, "); got ", id[i]);
    }
  }
  return embedding(weight, ids);
}

}  // namespace rapt::nn
