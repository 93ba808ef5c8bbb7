#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/random.h"

// Rng's draws that are made of ops.
namespace rapt {
namespace {

/// Exponential numbers of mean 1, never 0.   f64
Tensor exponential(Rng& rng, const Shape& shape) {
  const Tensor u = rng.uniform(shape, 0, 1, Dtype::f64);  // multiples of 2^-53
  return maximum(-log1p(-u), 0x1p-54);
}

/// Throws unless each row can be drawn from `count` times.   rows [..., n], dense, f64
void require_weights(const Tensor& rows, int64_t count, bool replacement) {
  const int64_t n = rows.size(-1), wanted = replacement ? std::min<int64_t>(count, 1) : count;
  const double* weight = rows.data<double>();
  for (int64_t row = 0; row < (n == 0 ? 0 : rows.numel() / n); ++row) {
    int64_t positive = 0;
    for (int64_t i = 0; i < n; ++i, ++weight) {
      if (!(*weight >= 0) || !std::isfinite(*weight)) {
        fail("multinomial: wanted finite weights of at least 0; got ", *weight, " at ", i,
             " of row ", row);
      }
      positive += *weight > 0;
    }
    if (positive < wanted) {
      fail("multinomial: wanted at least ", wanted, " weights above 0 to draw ", count,
           " from; got ", positive, " in row ", row);
    }
  }
}

/// For each draw the first index whose running sum is above it.   sums [rows, n], draws
/// [rows, count] in [0, 1)
Tensor found(const Tensor& sums, const Tensor& draws) {
  const Tensor out = empty(draws.shape(), Dtype::i64);
  const int64_t n = sums.size(-1), count = draws.size(-1);
  const double *sum = sums.data<double>(), *draw = draws.data<double>();
  int64_t* index = fresh_data<int64_t>(out);
  for (int64_t row = 0; row < draws.size(0); ++row, sum += n) {
    // The last weight above 0: where a draw ends that rounding takes to the total.
    const int64_t last = std::lower_bound(sum, sum + n, sum[n - 1]) - sum;
    for (int64_t i = 0; i < count; ++i, ++draw, ++index) {
      *index = std::min(last, std::upper_bound(sum, sum + n, *draw * sum[n - 1]) - sum);
    }
  }
  return out;
}

}  // namespace

Tensor Rng::gumbel(const Shape& shape, Dtype dtype) {
  if (!is_float(dtype)) fail("gumbel: wanted dtype f32 or f64; got ", dtype);
  const NoGrad no_grad;
  return (-log(exponential(*this, shape))).to(dtype);
}

Tensor Rng::multinomial(const Tensor& weights, Int count, MultinomialOptions options) {
  rapt::require_float("multinomial", "weights", weights);
  if (weights.rank() == 0) fail("multinomial: wanted weights [..., n]; got a scalar");
  if (count < 0) fail("multinomial: wanted a count of at least 0; got ", count);
  const NoGrad no_grad;
  const int64_t n = weights.size(-1);
  Shape shape = weights.shape();
  shape.back() = count;
  if (shape.numel() == 0) return zeros(shape, Dtype::i64);
  if (n == 0) fail("multinomial: wanted weights to draw from; got ", weights.shape());
  const Tensor rows = reshape(weights.detach(), {-1, n}).to(Dtype::f64).contiguous();
  require_weights(rows, count, options.replacement);
  const Tensor scaled = rows / max(rows, {-1}, {.keepdim = true});  // their sum is finite
  if (options.replacement) {
    const Tensor draws = uniform({rows.size(0), count}, 0, 1, Dtype::f64);
    return reshape(found(cumsum(scaled, -1), draws), shape);
  }
  // The smallest of exponential numbers over their weights come first as draws do that leave out
  // what has been drawn (the exponential race).
  constexpr double largest = std::numeric_limits<double>::max();
  const Tensor times = minimum(exponential(*this, rows.shape()) / scaled, largest);
  const Tensor arrivals = where(rows > 0, times, std::numeric_limits<double>::infinity());
  return reshape(topk(arrivals, count, -1, {.largest = false}).indices, shape);
}

}  // namespace rapt
