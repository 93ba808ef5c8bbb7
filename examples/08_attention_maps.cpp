// What a model attends to, head by head, as a picture in text: the darker, the more. Trains a small
// model to reverse for 300 steps, or as many as told, and shows how it answers "abcde": the rows
// are the tokens that look, the columns those that they look at.
//
//   $ 08_attention_maps 20
//   abcde|edcba
//   blocks.0.attention, head 0
//   a @
//   b ...
//   ...
//   blocks.1.attention, head 3
//   ...

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "rapt/rapt.h"

using namespace rapt;

// Weights in [0, 1] as characters: one row.
std::string picture(const Tensor& weights) {
  const std::string shades = " .:-=+*#%@";
  std::string out;
  for (const float w : weights.values<float>()) {
    out += shades[std::min(static_cast<size_t>(w * 10), shades.size() - 1)];
  }
  return out;
}

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 300;
  Rng rng(1);
  const data::TaskDataset task({.task = data::Task::reverse, .max_length = 6, .symbols = 8});
  nn::DecoderOnly model(
      {.vocabulary = task.vocabulary_size(),
       .context = task.context(),
       .width = 32,
       .block = {.attention = {.heads = 4, .positions = nn::AttentionPositions::rotary()}}},
      rng);
  optim::AdamW adam(model.parameters(), {.lr = 5e-3});
  data::Loader loader(task, {.batch_size = 64});
  for (int step = 0; step < steps; ++step) {
    const NamedTensors batch = loader.next();
    adam.zero_grad();
    cross_entropy(model(batch["tokens"]), batch["targets"]).mean().backward();
    adam.step();
  }

  const NoGrad no_grad;
  std::vector<int64_t> tokens = task.prompt("abcde");
  const std::vector<int64_t> answer = task.encode(task.answer("abcde"));
  tokens.insert(tokens.end(), answer.begin(), answer.end());
  const std::string letters = task.decode(tokens);
  std::printf("%s\n", letters.c_str());
  const Tensor ids = unsqueeze(from_values(tokens), 0);  // [1, T]
  const NamedTensors maps = nn::attention_maps(model, [&] { model(ids); });
  for (const auto& [layer, map] : maps) {  // "blocks.0.attention", [1, heads, T, T]
    for (int64_t head = 0; head < map.size(1); ++head) {
      std::printf("%s, head %d\n", layer.c_str(), static_cast<int>(head));
      const Tensor weights = map[0][head];  // [T, T]
      for (int64_t row = 0; row < weights.size(0); ++row) {
        const std::string line = picture(select(weights, 0, row));
        std::printf("%c %s\n", letters[static_cast<size_t>(row)], line.c_str());
      }
    }
  }
}
