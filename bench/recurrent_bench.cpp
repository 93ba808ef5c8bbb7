// Times a training step of one recurrent layer: recurrent_bench [THREADS [WORD]]. One line of JSON
// for each cell, width and kind of lengths. torch_recurrent_bench does the same with libtorch;
// bench/compare_recurrent runs both in turn.
#include "rapt/rapt.h"
#include "recurrent_cases.h"

namespace {

using namespace rapt;

nn::RecurrentStack layer_of(const bench::RecurrentCase& c, Rng& rng) {
  if (c.cell == "rnn") return nn::RNN({.input = c.width, .hidden = c.width}, rng);
  if (c.cell == "lstm") return nn::LSTM({.input = c.width, .hidden = c.width}, rng);
  return nn::GRU({.input = c.width, .hidden = c.width}, rng);
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bench::time_recurrent(argc > 2 ? argv[2] : "", [](const bench::RecurrentCase& c) {
    Rng rng(1);
    const nn::RecurrentStack layer = layer_of(c, rng);
    const Tensor x = rng.normal({bench::rows, c.steps, c.width}).set_requires_grad();
    const Tensor lengths = c.ragged ? from_values(c.lengths()) : Tensor();
    return [layer, x, lengths, parameters = layer.parameters()] {
      Tensor(x).clear_grad();
      for (const auto& [name, p] : parameters) Tensor(p).clear_grad();
      sum(layer(x, {.lengths = lengths})).backward();
    };
  });
}
