#include "rapt/nn/position/alibi.h"

#include <bit>

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/position/relative.h"

namespace rapt::nn {

Tensor alibi_exponents(int64_t heads) {
  if (heads < 1) fail("alibi_slopes: wanted heads >= 1; got ", heads);
  const auto below = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(heads)));
  std::vector<int64_t> pairs;
  for (int64_t h = 1; h <= below; ++h) pairs.insert(pairs.end(), {h, below});
  for (int64_t h = 1; static_cast<int64_t>(pairs.size()) < 2 * heads; h += 2) {
    pairs.insert(pairs.end(), {h, 2 * below});
  }
  return from_values(pairs, {heads, 2});
}

Tensor alibi_slopes(const Tensor& exponents, Dtype dtype) {
  const std::vector<int64_t> pairs = exponents.values<int64_t>();
  std::vector<double> slopes;
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const double h = static_cast<double>(pairs[i]), of = static_cast<double>(pairs[i + 1]);
    slopes.push_back(kernels::portable::pow(2.0, -8.0 * h / of));
  }
  return from_values(slopes, {exponents.size(0)}).to(dtype);
}

Tensor alibi_slopes(int64_t heads, Dtype dtype) {
  return alibi_slopes(alibi_exponents(heads), dtype);
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
