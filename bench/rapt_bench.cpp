#include <cblas.h>

#include <algorithm>

#include "measure.h"
#include "rapt/rapt.h"

namespace {

using namespace rapt;

/// GFLOP/s of a large sgemm with those threads, in this process.
double sgemm_peak(int threads) {
  constexpr int n = 2048;
  const std::vector<float> a(n * n, 1.0f), b(n * n, 1.0f);
  std::vector<float> c(n * n);
  const int before = openblas_get_num_threads();
  openblas_set_num_threads(threads);
  double best = 1e9;
  for (int i = 0; i < 4; ++i) {
    const double start = bench::seconds_now();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a.data(), n, b.data(), n, 0,
                c.data(), n);
    best = std::min(best, bench::seconds_now() - start);
  }
  openblas_set_num_threads(before);
  return 2.0 * n * n * n / best / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Request request = bench::read_request(argc, argv);
  const bench::Config& c = request.config;
  set_num_threads(request.threads);
  const double peak = sgemm_peak(request.threads);
  Rng rng(1);
  nn::Transformer model({.vocabulary = c.vocabulary,
                         .context = c.context,
                         .width = c.width,
                         .heads = c.heads,
                         .layers = c.layers},
                        rng);
  const NamedTensors parameters = model.parameters();
  optim::AdamW optimizer(optim::decay_groups(parameters, 0.1), {.lr = 1e-3});
  Tensor ids, targets;
  bench::report(
      "rapt", request, model.parameter_count(), peak,
      [&] {
        ids = rng.integers(0, c.vocabulary, {c.batch, c.context});
        targets = rng.integers(0, c.vocabulary, {c.batch, c.context});
      },
      [&] {
        const Tensor loss = cross_entropy(model(ids), targets).mean();
        optimizer.zero_grad();
        loss.backward();
        optim::clip_grad_norm(parameters, 1.0);
        optimizer.step();
      });
}
