// A Transformer learns to copy: all that a training takes. 600 steps or as many as told; then its
// accuracy on sequences that it has never seen, and its weights in copy_task.safetensors.
//
//   $ 06_copy_task 20
//   step    0  loss 3...
//   accuracy on unseen sequences: 0...
#include <cstdio>
#include <cstdlib>

#include "rapt/rapt.h"

using namespace rapt;

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 600;
  Rng rng(1);
  const data::TaskDataset train({.task = data::Task::copy});
  const data::TaskDataset test({.task = data::Task::copy, .split = data::Split::test});
  data::Loader loader(train, {.batch_size = 64});
  const nn::TransformerOptions options{
      .vocabulary = train.vocabulary_size(),
      .context = train.context(),
      .block = {.attention = {.heads = 4, .positions = nn::AttentionPositions::rotary()}}};
  nn::DecoderOnly model(options, rng);
  const NamedTensors parameters = model.parameters();
  optim::AdamW adam(optim::decay_groups(parameters, 0.01));
  const auto schedule = optim::Schedule::cosine({.lr = 3e-3, .warmup = steps / 10, .total = steps});
  for (int step = 0; step < steps; ++step) {
    adam.zero_grad();
    const NamedTensors batch = loader.next();
    const Tensor logits = model(batch["tokens"]);  // [B, T, vocabulary]
    const Tensor loss = cross_entropy(logits, batch["targets"]).mean();
    if (step % 50 == 0) std::printf("step %4d  loss %.4f\n", step, loss.item());
    loss.backward();
    optim::clip_grad_norm(parameters, 1);
    adam.set_lr(schedule.at(step));
    adam.step();
  }
  const NoGrad no_grad;
  const NamedTensors unseen = data::Loader(test, {.batch_size = 500}).next();
  const Tensor logits = model(unseen["tokens"]), targets = unseen["targets"];
  const double right = sum(equal(argmax(logits, -1), targets).to(Dtype::i64)).item();
  std::printf("accuracy on unseen sequences: %.4f\n", right / cross_entropy(logits, targets).count);
  data::save_safetensors("copy_task.safetensors", parameters);
}
