// Times what is in model_cases.h: models_bench [THREADS [WORD]]. One line of JSON for each case.
// torch_models_bench does the same with libtorch; bench/compare_models runs both in turn.
#include <cstdlib>
#include <functional>

#include "model_cases.h"
#include "rapt/rapt.h"

namespace {

using namespace rapt;
using bench::ModelCase;
using Step = std::function<void()>;

void drop_gradients(const NamedTensors& parameters) {
  for (const auto& [name, p] : parameters) Tensor(p).clear_grad();
}

nn::RecurrentStack layer_of(const ModelCase& c, Rng& rng) {
  if (c.model == "rnn") return nn::RNN({.input = c.width, .hidden = c.width}, rng);
  if (c.model == "lstm") return nn::LSTM({.input = c.width, .hidden = c.width}, rng);
  return nn::GRU({.input = c.width, .hidden = c.width}, rng);
}

Step recurrent_step(const ModelCase& c) {
  Rng rng(1);
  const nn::RecurrentStack layer = layer_of(c, rng);
  const Tensor x = rng.normal({c.rows, c.length, c.width}).set_requires_grad();
  const Tensor lengths = c.ragged ? from_values(c.lengths()) : Tensor();
  return [layer, x, lengths, parameters = layer.parameters()] {
    Tensor(x).clear_grad();
    drop_gradients(parameters);
    sum(layer(x, {.lengths = lengths})).backward();
  };
}

/// torch.nn.Transformer(width, 4, 2, 2, 4 * width, dropout=0): relu, post-norm.
Step pair_step(const ModelCase& c) {
  Rng rng(1);
  nn::TransformerStackOptions options{
      .width = c.width,
      .layers = 2,
      .block = {.attention = {.heads = 4},
                .feed_forward = {.activation = nn::Activation::relu},
                .pre_norm = false},
      .final_norm = true};
  const nn::TransformerStack encoder(options, rng);
  options.block.cross_attention = true;
  const nn::TransformerStack decoder(options, rng);
  const Tensor source = rng.normal({c.rows, c.length, c.width}).set_requires_grad();
  const Tensor target = rng.normal({c.rows, c.length, c.width}).set_requires_grad();
  NamedTensors parameters{{"source", source}, {"target", target}};
  parameters.add_all("encoder.", encoder.parameters());
  parameters.add_all("decoder.", decoder.parameters());
  return [=] {
    drop_gradients(parameters);
    sum(decoder(target, {.mask = Mask::causal(), .memory = encoder(source)})).backward();
  };
}

Step decoding_step(const ModelCase& c) {
  Rng rng(1);
  const nn::DecoderOnly model({.vocabulary = 65,
                               .context = c.length,
                               .width = c.width,
                               .layers = 4,
                               .block = {.attention = {.heads = 4}}},
                              rng);
  if (c.model == "beam") {
    return [model, c] {
      nn::beam_search(model, {{1}}, {.beams = c.rows, .max_tokens = c.length - 1});
    };
  }
  return [model, c] {
    Rng unused(1);
    nn::generate(model, {1}, {.max_tokens = c.length - 1, .temperature = 0}, unused);
  };
}

Step step_of(const ModelCase& c) {
  if (c.model == "encoder-decoder") return pair_step(c);
  if (c.model == "greedy" || c.model == "beam") return decoding_step(c);
  return recurrent_step(c);
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bench::time_models(argc > 2 ? argv[2] : "", step_of);
}
