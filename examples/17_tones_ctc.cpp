// Speech in small: an encoder hears tones in noise and writes down their symbols. Nobody tells it
// where one ends: the loss is CTC's. 300 steps or as many as told; then how many unseen examples it
// writes down without a mistake.
//
//   $ 17_tones_ctc
//   step   0  loss 3...
//   step 100  loss ...
//   step 200  loss ...
//   right: 0.9... of 500 unseen
//   played 1 5 6 8 6 1, heard 1 5 6 8 6 1

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "rapt/rapt.h"

using namespace rapt;

namespace {

// [model]
struct Listener : nn::Module {
  Listener(const data::TonesOptions& tones, Rng& rng)
      : input(child("input", nn::Linear(tones.frame, 64, rng))),
        stack(child("stack",
                    nn::TransformerStack(
                        {.width = 64,
                         .block = {.attention = {.heads = 4,
                                                 .positions = nn::AttentionPositions::rotary()}}},
                        rng))),
        head(child("head", nn::Linear(64, tones.symbols + 1, rng))) {}  // and the blank, 0
  /// frames [B, T, frame] -> log probabilities [B, T, symbols + 1]
  Tensor operator()(const Tensor& frames, const Tensor& lengths) const {
    return log_softmax(head(stack(input(frames), {.mask = Mask::lengths(lengths)})), -1);
  }
  nn::Linear input;
  nn::TransformerStack stack;
  nn::Linear head;
};
// [end]

/// The likeliest class of each frame, without repeats and blanks.
std::vector<int64_t> heard(const Tensor& log_probabilities, int64_t length) {
  std::vector<int64_t> out;
  int64_t before = 0;
  const std::vector<int64_t> classes = argmax(log_probabilities, -1).values<int64_t>();
  for (int64_t t = 0; t < length; ++t) {
    const int64_t symbol = classes[static_cast<size_t>(t)];
    if (symbol != before && symbol != 0) out.push_back(symbol);
    before = symbol;
  }
  return out;
}

std::string text_of(const std::vector<int64_t>& symbols) {
  std::string out;
  for (const int64_t symbol : symbols) out += " " + std::to_string(symbol);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t steps = argc > 1 ? std::atoll(argv[1]) : 300;
  const data::TonesOptions tones;
  Rng rng(1);
  const Listener model(tones, rng);
  optim::AdamW adam(model.parameters(), {.lr = 3e-3});
  const auto schedule = optim::Schedule::cosine({.lr = 3e-3, .warmup = 20, .total = steps});
  const std::vector<data::Padding> padding = {{"targets", 0}};  // which ctc_loss does not read
  data::Loader loader(data::TonesDataset(tones), {.padding = padding});
  for (int64_t step = 0; step < steps; ++step) {
    const NamedTensors batch = loader.next();
    adam.zero_grad();
    const Tensor loss = ctc_loss(model(batch["frames"], batch["frames.lengths"]), batch["targets"],
                                 batch["frames.lengths"], batch["targets.lengths"])
                            .mean();
    loss.backward();
    adam.set_lr(schedule.at(step));
    adam.step_clipped(1);
    if (step % 100 == 0) std::printf("step %3d  loss %.4f\n", static_cast<int>(step), loss.item());
  }

  const NoGrad no_grad;
  const nn::EvalMode eval_mode;
  const data::TonesDataset unseen({.split = data::Split::test, .size = 500});
  int right = 0;
  std::string last;
  for (int64_t i = 0; i < unseen.size(); ++i) {
    const NamedTensors example = unseen.get(i);
    const Tensor frames = unsqueeze(example["frames"], 0);
    const int64_t length = frames.size(1);
    const std::vector<int64_t> played = example["targets"].values<int64_t>();
    const std::vector<int64_t> written =
        heard(model(frames, full({1}, static_cast<double>(length), Dtype::i64))[0], length);
    right += played == written ? 1 : 0;
    last = "played" + text_of(played) + ", heard" + text_of(written);
  }
  std::printf("right: %.3f of 500 unseen\n%s\n", right / 500.0, last.c_str());
}
