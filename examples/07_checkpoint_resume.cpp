// A run that is stopped and resumed is the run that was never stopped, to the last bit: dropout and
// shuffling go on where they were.
//
//   $ 07_checkpoint_resume
//   never stopped  loss ... after 20 steps
//   resumed        loss ... after 20 steps
//   the same, bit for bit

#include <cstdio>
#include <filesystem>

#include "rapt/rapt.h"

using namespace rapt;

constexpr const char* folder = "resume-example";

// All that changes while a model is trained. What is added to the State is saved and comes back;
// what is forgotten is named when the run is resumed.
struct Run {
  const data::TaskDataset dataset{{.task = data::Task::reverse, .max_length = 8}};
  Rng rng{1};
  nn::DecoderOnly model{{.vocabulary = dataset.vocabulary_size(),
                         .context = dataset.context(),
                         .width = 32,
                         .dropout = 0.1},
                        rng};
  optim::AdamW adam{model.parameters(), {.lr = 3e-3}};
  data::Loader loader{dataset, {.batch_size = 16}};
  double loss = 0;
  training::State state{folder};

  Run() {
    state.add("model", model);
    state.add("optimizer", adam);
    state.add("loader", loader);
    state.add("loss", loss);
  }

  void train_until(int64_t last) {
    while (state.step() < last) {
      adam.zero_grad();
      const NamedTensors batch = loader.next();
      const Tensor mean = cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
      mean.backward();
      adam.step();
      loss = mean.item();
      state.advance();
    }
  }
};

int main() {
  Run whole;
  whole.train_until(20);
  std::printf("never stopped  loss %.17g after %d steps\n", whole.loss,
              static_cast<int>(whole.state.step()));

  std::filesystem::remove_all(folder);  // of the last time that this example was run
  {
    Run first;
    first.train_until(12);
    first.state.save();  // all or nothing: a crash leaves the old file whole
  }
  Run second;  // another process, as far as it can tell
  second.state.resume();
  second.train_until(20);
  std::printf("resumed        loss %.17g after %d steps\n", second.loss,
              static_cast<int>(second.state.step()));

  bool same = whole.loss == second.loss;
  const NamedTensors after = second.model.parameters();
  for (const auto& [name, parameter] : whole.model.parameters()) {
    same &= parameter.values<float>() == after[name].values<float>();
  }
  std::puts(same ? "the same, bit for bit" : "different");
  return same ? 0 : 1;
}
