#include "rapt/nn/position/alibi.h"

#include <bit>

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/position/relative.h"

namespace rapt::nn {

Tensor alibi_slopes(int64_t heads, Dtype dtype) {
  if (heads < 1) fail("alibi_slopes: wanted heads >= 1; got ", heads);
  const auto below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  Tensor slopes = zeros({heads}, Dtype::f64);
  double* const out = slopes.mutable_data<double>();
  const auto slope = [](int64_t h, int64_t of) {
    return kernels::portable::pow(2.0, -8.0 * static_cast<double>(h) / static_cast<double>(of));
  };
  for (int64_t h = 0; h < below; ++h) out[h] = slope(h + 1, below);
  for (int64_t h = below; h < heads; ++h) out[h] = slope(2 * (h - below) + 1, 2 * below);
  return slopes.to(dtype);
}

Tensor alibi(const Tensor& slopes, int64_t queries, int64_t keys, const Tensor& starts) {
  if (!slopes.defined() || slopes.rank() != 1) {
    fail("alibi: wanted slopes [heads]; got ",
         slopes.defined() ? text(slopes.shape()) : "an undefined tensor");
  }
  const Tensor distance = abs(relative_distances(queries, keys, starts)).to(slopes.dtype());
  return -unsqueeze(slopes, 1) * unsqueeze(distance, -2);
}

}  // namespace rapt::nn
