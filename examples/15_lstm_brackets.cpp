// An LSTM learns to match brackets: at each place of a text such as ([]( it says which bracket may
// close there, which takes a memory of all that is still open. 150 steps or as many as told; then
// its accuracy on texts drawn anew, and on texts three times as long as those of the training.
//
//   $ 15_lstm_brackets
//   step   0  loss 1.1...
//   step  50  loss ...
//   step 100  loss 0.0...
//   right: 1.000, three times as long 0.99...
//   ( [ ] ( ( ) [
//   ) ] ) ) ) ) ]

#include <cstdio>
#include <cstdlib>

#include "rapt/rapt.h"

using namespace rapt;

namespace {

// [model]
struct Brackets : nn::Module {
  explicit Brackets(Rng& rng)
      : tokens(child("tokens", nn::Embedding(4, 16, rng))),
        lstm(child("lstm", nn::LSTM({.input = 16, .hidden = 48}, rng))),
        head(child("head", nn::Linear(48, 3, rng))) {}
  Tensor operator()(const Tensor& ids) const { return head(lstm(tokens(ids))); }  // [B, T, 3]
  nn::Embedding tokens;
  nn::LSTM lstm;
  nn::Linear head;
};
// [end]

const std::string characters = "([)]", closes = ")].";  // tokens; what may close: . for nothing

/// Texts {ids [B, T], closing [B, T]}, never deeper than 4.
NamedTensors draw_texts(int64_t count, int64_t length, Rng& rng) {
  std::vector<int64_t> ids, closing;
  for (int64_t b = 0; b < count; ++b) {
    std::vector<int64_t> open;  // 0 for (, 1 for [
    for (int64_t t = 0; t < length; ++t) {
      const bool opens = open.empty() || (open.size() < 4 && rng.uniform() < 0.5);
      if (opens) {
        open.push_back(rng.integer(0, 2));
        ids.push_back(open.back());
      } else {
        ids.push_back(open.back() + 2);
        open.pop_back();
      }
      closing.push_back(open.empty() ? 2 : open.back());
    }
  }
  return {{"ids", from_values(ids, {count, length})},
          {"closing", from_values(closing, {count, length})}};
}

double accuracy(const Brackets& model, const NamedTensors& texts) {
  const NoGrad no_grad;
  const Tensor right = argmax(model(texts["ids"]), -1) == texts["closing"];
  return mean(right.to(Dtype::f32)).item();
}

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 150;
  Rng rng(1);
  const Brackets model(rng);
  const NamedTensors parameters = model.parameters();
  optim::Adam adam(parameters, {.lr = 5e-3});
  for (int step = 0; step < steps; ++step) {
    const NamedTensors texts = draw_texts(64, 24, rng);
    adam.zero_grad();
    const Tensor loss = cross_entropy(model(texts["ids"]), texts["closing"]).mean();
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item());
    loss.backward();
    optim::clip_grad_norm(parameters, 1);
    adam.step();
  }
  const double right = accuracy(model, draw_texts(500, 24, rng));
  const double right_if_long = accuracy(model, draw_texts(500, 72, rng));
  std::printf("right: %.3f, three times as long %.3f\n", right, right_if_long);

  std::vector<int64_t> ids;
  for (const char c : std::string("([](()[")) {
    ids.push_back(static_cast<int64_t>(characters.find(c)));
    std::printf("%c ", c);
  }
  std::puts("");
  const NoGrad no_grad;
  const Tensor said = argmax(model(unsqueeze(from_values(ids), 0)), -1);
  for (const int64_t token : said.values<int64_t>()) {
    std::printf("%c ", closes[static_cast<size_t>(token)]);
  }
  std::puts("");
}
