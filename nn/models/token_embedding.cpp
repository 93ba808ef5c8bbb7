#include "rapt/nn/models/token_embedding.h"

#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/init.h"
#include "rapt/nn/position/sinusoidal.h"

namespace rapt::nn {
namespace {

const TokenEmbeddingOptions& checked(const TokenEmbeddingOptions& o) {
  const auto at_least_1 = [](const char* name, int64_t value) {
    if (value < 1) fail("TokenEmbedding: wanted ", name, " >= 1; got ", value);
  };
  at_least_1("vocabulary", o.vocabulary);
  at_least_1("width", o.width);
  if (o.positions != Positions::none || o.context != 0) at_least_1("context", o.context);
  return o;
}

}  // namespace

TokenEmbedding::TokenEmbedding(const TokenEmbeddingOptions& options, Rng& rng)
    : tokens(child("tokens", Embedding(checked(options).vocabulary, options.width, rng))),
      dropout(child("dropout", Dropout(options.dropout, rng))),
      options_(options) {
  configure_with_layers(detail::values_of(options));
  if (options.positions == Positions::learned) {
    positions = child("positions", LearnedPositions(options.context, options.width, rng));
  } else if (options.positions == Positions::sinusoidal) {
    sinusoids_ = sinusoidal_positions(options.context, options.width, Dtype::f64);
  }
}

void TokenEmbedding::check(const char* model, const Tensor& ids, int64_t before) const {
  if (ids.rank() != 2 || ids.dtype() != Dtype::i64) {
    fail(model, ": wanted ids i64 [B, T]; got ", ids.dtype(), ids.shape());
  }
  const int64_t length = before + ids.size(1);
  if (options_.context > 0 && length > options_.context) {
    fail(model, ": wanted at most ", options_.context, " tokens, the context; got ", length,
         before > 0 ? text(", of which the cache holds ", before) : "");
  }
}

void TokenEmbedding::initialize(double stddev, Rng& rng) {
  const auto start = [&](Tensor weight) {
    weight.copy_from(gpt2_normal(weight.shape(), rng, 1, stddev));
  };
  start(tokens.weight);
  if (positions) start(positions->weight);
}

Tensor TokenEmbedding::operator()(const Tensor& ids) const {
  return call(ids, [&] {
    check("TokenEmbedding", ids);
    return with_places(ids, {});
  });
}

Tensor TokenEmbedding::operator()(const Tensor& ids, const Tensor& places) const {
  return call(ids, [&] { return with_places(ids, places); });
}

/// Undefined places: from 0 on.
Tensor TokenEmbedding::with_places(const Tensor& ids, const Tensor& places) const {
  const Tensor x = tokens(ids);  // [B, T, width]
  if (positions)
    return dropout(x + (places.defined() ? (*positions)(places) : (*positions)(ids.size(1))));
  if (!sinusoids_.defined()) return dropout(x);
  const Tensor waves =
      places.defined() ? embedding(sinusoids_, places) : slice(sinusoids_, 0, 0, ids.size(1));
  return dropout(x * std::sqrt(static_cast<double>(options_.width)) + waves.to(x.dtype()));
}

}  // namespace rapt::nn
