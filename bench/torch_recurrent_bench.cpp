// The same on libtorch: torch_recurrent_bench [THREADS [WORD]].
#include <torch/torch.h>

#include <functional>
#include <tuple>

#include "recurrent_cases.h"

namespace {

using torch::Tensor;

/// A step of a torch::nn::RNN, LSTM or GRU.
template <class Module>
std::function<void()> step_of(Module layer, const bench::RecurrentCase& c) {
  namespace rnn = torch::nn::utils::rnn;
  const Tensor x = torch::randn({bench::rows, c.steps, c.width}).requires_grad_();
  const Tensor lengths = torch::tensor(c.lengths());
  const bool ragged = c.ragged;
  return [layer, x, lengths, ragged]() mutable {
    x.mutable_grad() = Tensor();
    for (Tensor& p : layer->parameters()) p.mutable_grad() = Tensor();
    Tensor y;
    if (ragged) {
      const auto packed = rnn::pack_padded_sequence(x, lengths, true, false);
      y = std::get<0>(rnn::pad_packed_sequence(
          std::get<0>(layer->forward_with_packed_input(packed)), true, 0, x.size(1)));
    } else {
      y = std::get<0>(layer->forward(x));
    }
    y.sum().backward();
  };
}

std::function<void()> step_of(const bench::RecurrentCase& c) {
  namespace nn = torch::nn;
  if (c.cell == "rnn") {
    return step_of(nn::RNN(nn::RNNOptions(c.width, c.width).batch_first(true)), c);
  }
  if (c.cell == "lstm") {
    return step_of(nn::LSTM(nn::LSTMOptions(c.width, c.width).batch_first(true)), c);
  }
  return step_of(nn::GRU(nn::GRUOptions(c.width, c.width).batch_first(true)), c);
}

}  // namespace

int main(int argc, char** argv) {
  torch::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bench::time_recurrent(argc > 2 ? argv[2] : "",
                        [](const bench::RecurrentCase& c) { return step_of(c); });
}
