#include "rapt/nn/models/pooling.h"

#include <cmath>
#include <limits>

#include "rapt/autograd/attention/attention.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/fields.h"
#include "rapt/nn/models/detail/parts.h"

namespace rapt::nn {
namespace {

/// b8 [B, T, 1]: which tokens count.
Tensor counting(const Tensor& lengths, int64_t tokens) {
  return unsqueeze(arange(tokens) < unsqueeze(lengths, 1), -1);
}

}  // namespace

Pooling::Pooling(PoolingKind kind, int64_t width, Rng& rng) : kind_(kind), width_(width) {
  if (width < 1) fail("Pooling: wanted width >= 1; got ", width);
  Values settings;
  settings.set("kind", detail::names_of(kind)[static_cast<size_t>(kind)]);
  configure(settings);
  if (kind != PoolingKind::attention) return;
  const double bound = 1 / std::sqrt(static_cast<double>(width));
  weight = parameter("weight", rng.uniform({width, width}, -bound, bound));
  bias = parameter("bias", zeros({width}));
  query = parameter("query", rng.uniform({width}, -bound, bound));
}

Tensor Pooling::operator()(const Tensor& x, const Tensor& lengths) const {
  return call(x, [&] {
    if (x.rank() != 3 || x.size(2) != width_) {
      fail("Pooling: wanted x [B, T, ", width_, "]; got ", x.shape());
    }
    const int64_t batch = x.size(0), tokens = x.size(1);
    Tensor own =
        lengths.defined() ? lengths : full({batch}, static_cast<double>(tokens), Dtype::i64);
    if (own.dtype() != Dtype::i64 || own.shape() != Shape{batch}) {
      fail("Pooling: wanted lengths i64 [", batch, "]; got ", own.dtype(), own.shape());
    }
    const Tensor dense = own.contiguous();
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t length = dense.data<int64_t>()[b];
      if (length < 0 || length > tokens) {
        fail("Pooling: wanted lengths in [0, ", tokens, "], of the tokens given; got ", length);
      }
    }
    const Tensor counts = counting(own, tokens);
    const Tensor seen = lengths.defined() ? where(counts, x, 0) : x;  // NaN of padding ends here
    switch (kind_) {
      case PoolingKind::first:
        return tokens == 0 ? zeros({batch, x.size(2)}, x.dtype()) : select(seen, 1, 0);
      case PoolingKind::mean:
        return sum(seen, {1}) / unsqueeze(maximum(own, 1).to(x.dtype()), 1);
      case PoolingKind::max: {
        if (tokens == 0) return zeros({batch, x.size(2)}, x.dtype());
        const double infinity = std::numeric_limits<double>::infinity();
        const Tensor most = max(where(counts, x, -infinity), {1});
        return where(unsqueeze(own, 1) > 0, most, 0);
      }
      case PoolingKind::attention: {
        const Tensor keys = tanh(linear(seen, weight, bias));
        const Tensor asks = reshape(query, {1, 1, query.numel()});
        return select(
            attention(asks, keys, seen, {.mask = lengths_mask(lengths), .score = Score::dot()}), 1,
            0);
      }
    }
    return Tensor();
  });
}

}  // namespace rapt::nn
