#include "rapt/nn/position/alibi.h"

#include <bit>

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/position/relative.h"

namespace rapt::nn {

Tensor alibi_slopes(int64_t heads, Dtype dtype) {
  if (heads < 1) fail("alibi_slopes: wanted heads >= 1; got ", heads);
  const auto below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<double> slopes;
  const auto add = [&](int64_t h, int64_t of) {
    const double exponent = -8.0 * static_cast<double>(h) / static_cast<double>(of);
    slopes.push_back(kernels::portable::pow(2.0, exponent));
  };
  for (int64_t h = 1; h <= below; ++h) add(h, below);
  for (int64_t h = 1; static_cast<int64_t>(slopes.size()) < heads; h += 2) add(h, 2 * below);
  return from_values(slopes, {heads}).to(dtype);
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
