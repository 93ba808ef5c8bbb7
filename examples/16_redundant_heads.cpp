// Which heads does a trained model need? It learns to reverse, 1000 steps or as many as told; then
// half of its 16 heads are taken away: those of the least importance (arXiv:1905.10650), or any,
// three times, and each is trained on for a tenth of the steps. After 1000 steps the accuracy of
// all heads was 1.000, that of the 8 best 0.438 (trained on, 1.000), that of any 8 from 0.176 to
// 0.293 (0.766 to 0.960); the file is smaller by a sixth, and so is the time of a step.
//
//   $ 16_redundant_heads 60
//   all 16 heads     accuracy 0...   ... KB, ... ms a step
//   the 8 best       accuracy 0...   ... KB, ... ms a step, trained on: 0...
//   any 8            accuracy 0...   ... KB, ... ms a step, trained on: 0...
//   any 8            accuracy 0...   ... KB, ... ms a step, trained on: 0...
//   any 8            accuracy 0...   ... KB, ... ms a step, trained on: 0...
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "rapt/rapt.h"

using namespace rapt;

const data::TaskOptions task{.task = data::Task::reverse, .max_length = 12};

Tensor loss_of(const nn::DecoderOnly& model, const NamedTensors& batch) {
  return cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
}

/// Returns the milliseconds of the fastest step.
double train(const nn::DecoderOnly& model, int steps, uint64_t seed) {
  const NamedTensors parameters = model.parameters();
  optim::AdamW adam(optim::decay_groups(parameters, 0.1));
  const auto schedule = optim::Schedule::cosine({.lr = 5e-3, .warmup = steps / 10, .total = steps});
  const data::TaskDataset dataset(task);
  data::Loader loader(dataset, {.batch_size = 64, .seed = seed});
  double fastest = 1e9;
  for (int step = 0; step < steps; ++step) {
    const auto begin = std::chrono::steady_clock::now();
    adam.zero_grad();
    loss_of(model, loader.next()).backward();
    optim::clip_grad_norm(parameters, 1);
    adam.set_lr(schedule.at(step));
    adam.step();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    fastest = std::min(fastest, 1e3 * seconds.count());
  }
  return fastest;
}

/// Of the tokens of sequences that it has never seen.
double accuracy(const nn::DecoderOnly& model) {
  const NoGrad no_grad;
  data::TaskOptions unseen = task;
  unseen.split = data::Split::test;
  const data::TaskDataset dataset(unseen);
  const NamedTensors batch = data::Loader(dataset, {.batch_size = 500}).next();
  const Tensor logits = model(batch["tokens"]), targets = batch["targets"];
  const double right = sum(equal(argmax(logits, -1), targets).to(Dtype::i64)).item();
  return right / static_cast<double>(cross_entropy(logits, targets).count);
}

double kilobytes(const nn::DecoderOnly& model) {
  data::save_safetensors("heads.safetensors", model.parameters());
  return static_cast<double>(std::filesystem::file_size("heads.safetensors")) / 1000;
}

/// Eight of the sixteen heads, by lot.
std::vector<std::vector<int64_t>> any_eight(Rng& rng) {
  const NamedTensors lots{{"0", rng.uniform({8}, 0, 1)}, {"1", rng.uniform({8}, 0, 1)}};
  return nn::most_important_heads(lots, 8);
}

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 1000;
  Rng rng(1);
  const data::TaskDataset dataset(task);
  nn::DecoderOnly model(
      {.vocabulary = dataset.vocabulary_size(),
       .context = dataset.context(),
       .block = {.attention = {.heads = 8, .positions = nn::AttentionPositions::rotary()}},
       .stddev = 0.05},
      rng);
  const double ms = train(model, steps, 1);
  std::printf("all 16 heads     accuracy %.3f   %.0f KB, %.1f ms a step\n", accuracy(model),
              kilobytes(model), ms);

  const NamedTensors batch = data::Loader(dataset, {.batch_size = 500}).next();
  const NamedTensors importance = nn::head_importance(model, [&] { return loss_of(model, batch); });
  const NamedTensors weights = model.parameters();
  for (int i = 0; i < 4; ++i) {
    const auto kept = i == 0 ? nn::most_important_heads(importance, 8) : any_eight(rng);
    nn::DecoderOnly pruned(weights.configuration(), rng);
    pruned.load_parameters(weights);
    for (size_t layer = 0; layer < kept.size(); ++layer) {
      pruned.stack.blocks[layer].attention.keep_heads(kept[layer]);
    }
    const double left = accuracy(pruned);
    const double faster = train(pruned, steps / 10, 2);
    std::printf("%s accuracy %.3f   %.0f KB, %.1f ms a step, trained on: %.3f\n",
                i == 0 ? "the 8 best      " : "any 8           ", left, kilobytes(pruned), faster,
                accuracy(pruned));
  }
}
