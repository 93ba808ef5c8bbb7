#include "cli/run.h"

#include "rapt/autograd/error.h"

namespace rapt::cli {
namespace {

int64_t vocabulary_size(const Run& run) {
  return run.task ? run.task->vocabulary_size() : run.vocabulary->size();
}

/// The datasets; a text is read with the run's vocabulary if it has one already.
void read_data(Run& run) {
  const RunOptions& o = run.options;
  if (run.task) {
    run.train = std::make_shared<data::TaskDataset>(*run.task);
    run.test = std::make_shared<data::TaskDataset>(
        task_dataset(o, data::Split::test, test_sequences));
    return;
  }
  const data::Text text =
      run.vocabulary ? data::Text(o.text, *run.vocabulary) : data::Text(o.text);
  run.vocabulary = text.vocabulary();
  run.train = std::make_shared<data::TextDataset>(text, data::TextOptions{.context = o.context});
  run.test = std::make_shared<data::TextDataset>(
      text, data::TextOptions{.context = o.context, .split = data::Split::test});
}

/// The toy task, if it is one; it takes no memory.
void set_task(Run& run) {
  if (run.options.is_text()) return;
  run.task = task_dataset(run.options, data::Split::train, data::TaskOptions().size);
}

void build_model(Run& run) {
  const RunOptions& o = run.options;
  Rng rng(o.seed);
  run.model.emplace(nn::TransformerOptions{.vocabulary = vocabulary_size(run),
                                           .context = o.context,
                                           .width = o.width,
                                           .heads = o.heads,
                                           .layers = o.layers,
                                           .dropout = o.dropout,
                                           .positions = positions_named(o.positions)},
                    rng);
}

}  // namespace

Run start(const RunOptions& options) {
  Run run;
  run.options = options;
  set_task(run);
  read_data(run);
  build_model(run);
  return run;
}

bool holds_run(const std::string& folder) {
  return data::latest_checkpoint(folder).has_value();
}

Opened open(const std::string& folder, bool with_data) {
  const std::optional<data::NumberedCheckpoint> latest = data::latest_checkpoint(folder);
  if (!latest) fail(folder, ": wanted a folder with the checkpoints of a run; found none there");
  Opened out;
  out.checkpoint = data::load_checkpoint(latest->path);
  const data::Values& values = out.checkpoint.values;
  Run& run = out.run;
  run.options = from_values(values);
  run.step = values.integer("step");
  set_task(run);
  if (run.options.is_text()) run.vocabulary.emplace(values.text("vocabulary"));
  if (with_data) read_data(run);
  build_model(run);
  run.model->load_state(out.checkpoint.tensors.with_prefix("model."));
  return out;
}

}  // namespace rapt::cli
