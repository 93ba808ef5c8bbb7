// A run that is stopped and resumed is the run that was never stopped, to the last bit: dropout and
// shuffling go on where they were.
//
//   $ 07_checkpoint_resume
//   never stopped  loss ... after 20 steps
//   resumed        loss ... after 20 steps
//   the same, bit for bit

#include <cstdio>
#include <vector>

#include "rapt/rapt.h"

using namespace rapt;

// All that changes while a model is trained. Each part can say its state as NamedTensors.
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
  int64_t step = 0;

  double train_until(int64_t last) {
    double loss_now = 0;
    for (; step < last; ++step) {
      adam.zero_grad();
      const NamedTensors batch = loader.next();
      const Tensor loss = cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
      loss.backward();
      adam.step();
      loss_now = loss.item();
    }
    return loss_now;
  }

  void save(const std::string& path) const {
    data::Checkpoint c;
    c.tensors.add_all("model.", model.state());
    c.tensors.add_all("adam.", adam.state());
    c.tensors.add_all("loader.", loader.state());
    c.values.set("step", step);
    data::save_checkpoint(path, c);  // all or nothing: a crash leaves the old file whole
  }

  void load(const std::string& path) {
    const data::Checkpoint c = data::load_checkpoint(path);
    model.load_state(c.tensors.with_prefix("model."));
    adam.load_state(c.tensors.with_prefix("adam."));
    loader.load_state(c.tensors.with_prefix("loader."));
    step = c.values.integer("step");
  }
};

int main() {
  Run whole;
  const double loss = whole.train_until(20);
  std::printf("never stopped  loss %.17g after %d steps\n", loss, static_cast<int>(whole.step));

  Run first;
  first.train_until(12);
  first.save("resume.rapt");

  Run second;  // another process, as far as it can tell
  second.load("resume.rapt");
  const double resumed = second.train_until(20);
  std::printf("resumed        loss %.17g after %d steps\n", resumed, static_cast<int>(second.step));

  bool same = loss == resumed;
  const NamedTensors after = second.model.parameters();
  for (const auto& [name, parameter] : whole.model.parameters()) {
    same &= parameter.values<float>() == after[name].values<float>();
  }
  std::puts(same ? "the same, bit for bit" : "different");
  return same ? 0 : 1;
}
