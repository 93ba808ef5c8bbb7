#include "rapt/nn/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

/// A token drawn with probability softmax(logits / temperature) among the top_k best.
int64_t draw(const std::vector<double>& logits, const GenerateOptions& options, Rng& rng) {
  std::vector<int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto better = [&](int64_t a, int64_t b) {
    const double u = logits[static_cast<size_t>(a)], v = logits[static_cast<size_t>(b)];
    return u > v || (u == v && a < b);
  };
  if (options.temperature == 0) return *std::min_element(order.begin(), order.end(), better);
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(order.size())) {
    std::partial_sort(order.begin(), order.begin() + options.top_k, order.end(), better);
    order.resize(static_cast<size_t>(options.top_k));
  }
  double top = -INFINITY;
  for (const int64_t i : order) top = std::max(top, logits[static_cast<size_t>(i)]);
  std::vector<double> weights;
  weights.reserve(order.size());
  for (const int64_t i : order) {
    weights.push_back(
        kernels::portable::exp((logits[static_cast<size_t>(i)] - top) / options.temperature));
  }
  double rest = rng.uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
  for (size_t i = 0; i + 1 < weights.size(); ++i) {
    rest -= weights[i];
    if (rest < 0) return order[i];
  }
  return order.back();
}

}  // namespace

std::vector<int64_t> generate(const DecoderOnly& model, const std::vector<int64_t>& prompt,
                              const GenerateOptions& options, Rng& rng) {
  if (prompt.empty()) fail("generate: wanted a prompt of at least one token; got none");
  if (!(options.temperature >= 0)) {
    fail("generate: wanted temperature >= 0; got ", options.temperature);
  }
  if (options.top_k < 0) fail("generate: wanted top_k >= 0; got ", options.top_k);
  const NoGrad no_grad;
  const EvalMode eval_mode;
  const int64_t context = model.options().context;
  std::vector<int64_t> tokens = prompt;
  std::vector<int64_t> added;
  while (static_cast<int64_t>(added.size()) < options.max_tokens) {
    const int64_t length = std::min(context, static_cast<int64_t>(tokens.size()));
    const std::vector<int64_t> window(tokens.end() - length, tokens.end());
    const Tensor logits = model(from_values(window, {1, length}));  // [1, length, vocabulary]
    const Tensor last = select(select(logits, 1, -1), 0, 0);        // [vocabulary]
    tokens.push_back(draw(last.to(Dtype::f64).values<double>(), options, rng));
    added.push_back(tokens.back());
    if (added.back() == options.stop) break;
  }
  return added;
}

}  // namespace rapt::nn
