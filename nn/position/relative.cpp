#include "rapt/nn/position/relative.h"

#include <cmath>

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/init.h"

namespace rapt::nn {

Tensor relative_distances(int64_t queries, int64_t keys, const Tensor& starts) {
  if (queries < 0 || keys < 0) {
    fail("relative_distances: wanted lengths >= 0; got ", queries, " and ", keys);
  }
  if (!starts.defined()) return queries + keys == 0 ? arange(0) : arange(1 - keys, queries);
  if (starts.dtype() != Dtype::i64 || starts.rank() != 1) {
    fail("relative_distances: wanted starts i64 [B]; got ", starts.dtype(), starts.shape());
  }
  const Tensor from_first = queries + keys == 0 ? arange(0) : arange(1 - queries, keys);
  return from_first - unsqueeze(starts, 1);
}

// ---- T5 ----------------------------------------------------------------------------------------

namespace {

const RelativeBiasOptions& checked(const RelativeBiasOptions& o) {
  if (o.heads < 1) fail("RelativeBias: wanted heads >= 1; got ", o.heads);
  const int64_t each = o.causal ? o.buckets : o.buckets / 2;
  if (each < 2 || (!o.causal && o.buckets % 2 != 0)) {
    fail("RelativeBias: wanted buckets >= ", o.causal ? "2" : "4 and even", "; got ", o.buckets);
  }
  if (o.max_distance <= each / 2) {
    fail("RelativeBias: wanted max_distance above ", each / 2,
         ", the distances that have a bucket each; got ", o.max_distance);
  }
  return o;
}

/// The first distance of each bucket of one direction.
PoolVector<double> first_distances(int64_t buckets, int64_t max_distance) {
  const int64_t exact = buckets / 2;
  PoolVector<double> first;
  for (int64_t b = 0; b < buckets; ++b) {
    const double share = static_cast<double>(b - exact) / static_cast<double>(buckets - exact);
    const double ratio = static_cast<double>(max_distance) / static_cast<double>(exact);
    first.push_back(b < exact ? static_cast<double>(b)
                              : static_cast<double>(exact) * kernels::portable::pow(ratio, share));
  }
  return first;
}

}  // namespace

RelativeBias::RelativeBias(const RelativeBiasOptions& options, Rng& rng)
    : weight(parameter("weight", gpt2_normal({checked(options).buckets, options.heads}, rng))),
      options_(options) {
  configure(detail::values_of(options));
}

Tensor RelativeBias::operator()(int64_t queries, int64_t keys, const Tensor& starts) const {
  return call(Tensor(), [&] {
    return transpose(embedding(weight, buckets_of(relative_distances(queries, keys, starts))));
  });
}

Tensor RelativeBias::buckets_of(const Tensor& distances) const {
  const int64_t each = options_.causal ? options_.buckets : options_.buckets / 2;
  const PoolVector<double> first = first_distances(each, options_.max_distance);
  Tensor buckets = zeros(distances.shape(), Dtype::i64);
  int64_t* const out = buckets.mutable_data<int64_t>();
  const Tensor dense = distances.contiguous();
  for (int64_t i = 0; i < dense.numel(); ++i) {
    const int64_t distance = dense.data<int64_t>()[i];
    const bool behind = distance > 0;
    const double far =
        behind && options_.causal ? 0.0 : static_cast<double>(std::abs(distance)) * (1 + 1e-9);
    int64_t bucket = 0;  // the last that begins no later; some begin at a whole number
    while (bucket + 1 < each && first[static_cast<size_t>(bucket + 1)] <= far) ++bucket;
    out[i] = bucket + (behind && !options_.causal ? each : 0);
  }
  return buckets;
}

// ---- Shaw --------------------------------------------------------------------------------------

RelativeKeys::RelativeKeys(const RelativeKeysOptions& options, Rng& rng) {
  if (options.head_width < 1 || options.max_distance < 0) {
    fail("RelativeKeys: wanted head_width >= 1 and max_distance >= 0; got ", options.head_width,
         " and ", options.max_distance);
  }
  weight =
      parameter("weight", gpt2_normal({2 * options.max_distance + 1, options.head_width}, rng));
}

Score RelativeKeys::operator()(const Tensor& q, const Score& score, const Tensor& starts) const {
  if (!q.defined() || q.rank() < 2 || q.size(-1) != weight.size(1)) {
    fail("RelativeKeys: wanted q [..., Tq, ", weight.size(1), "]; got ",
         q.defined() ? text(q.shape()) : "an undefined tensor");
  }
  const int64_t most = weight.size(0) / 2;
  const double scale = 1 / std::sqrt(static_cast<double>(weight.size(1)));
  const Tensor products = matmul(q, transpose(weight)) * scale;  // [..., Tq, 2 most + 1]
  Tensor first_places;                                           // [B, 1 ...], as products
  if (starts.defined()) {
    Shape shape = filled<Shape>(q.rank(), 1);
    shape[0] = starts.numel();
    first_places = reshape(starts, shape);
  }
  return score.then([products, most, first_places](const Tensor& scores, const AttentionBlock& b) {
    const int64_t first = b.rows.data<int64_t>()[0];
    const Tensor own = slice(products, -2, first, first + b.rows.size(0));
    const Tensor distances =  // [rows, keys], or of each sequence
        first_places.defined() ? b.keys - b.rows - first_places
                               : b.keys - b.rows + (b.query_count - b.key_count);
    Shape shape = own.shape();
    shape.back() = b.keys.size(1);
    return scores + gather(own, -1, expand(clamp(distances, -most, most) + most, shape));
  });
}

}  // namespace rapt::nn
