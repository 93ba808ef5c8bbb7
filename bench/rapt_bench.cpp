// Times training steps on rapt: rapt_bench train --help.
#include "measure.h"
#include "rapt/rapt.h"

namespace {

using namespace rapt;

int train(int argc, char** argv) {
  const bench::Request request = bench::read_request(argc, argv, /*for_libtorch=*/false);
  const bench::Config& c = request.config;
  const bench::Start start = bench::measure_start(request);
  set_num_threads(request.threads);
  Rng rng(1);
  nn::DecoderOnly model({.vocabulary = c.vocabulary,
                         .context = c.context,
                         .width = c.width,
                         .layers = c.layers,
                         .block = {.attention = {.heads = c.heads}},
                         .tie_weights = request.tied_head},
                        rng);
  const NamedTensors parameters = model.parameters();
  optim::AdamW optimizer(optim::decay_groups(parameters, 0.1), {.lr = 1e-3});
  Tensor ids, targets;
  const auto draw = [&] {
    ids = rng.integers(0, c.vocabulary, {c.batch, c.context});
    targets = rng.integers(0, c.vocabulary, {c.batch, c.context});
  };
  const auto step = [&] {
    optimizer.zero_grad();
    cross_entropy(model(ids), targets).mean().backward();
    optimizer.step_clipped(1.0);
  };
  bench::print_report("rapt", request, start, model.parameter_count(),
                      bench::time_steps(request, draw, step));
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::run(train, argc, argv); }
