#include "cli/run.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "cli/format.h"
#include "cli/run_folder.h"
#include "cli/tokenizer.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"

namespace rapt::cli {
namespace {

int64_t vocabulary_size(const Run& run) {
  return run.task ? run.task->vocabulary_size() : run.tokenizer->size();
}

/// Elements of the weight matrices.
double matrix_elements(const RunOptions& o, int64_t vocabulary) {
  const auto width = static_cast<double>(o.width);
  return 2 * static_cast<double>(vocabulary) * width +
         12 * static_cast<double>(o.layers) * width * width;
}

/// Throws when a step surely needs more memory than the machine has: the weights, their gradients
/// and Adam's two moments, and for each token of the batch what every layer keeps for its gradient.
void require_memory(const RunOptions& o, int64_t vocabulary) {
  const double tokens = static_cast<double>(o.batch) * static_cast<double>(o.context);
  const double kept = 8 * static_cast<double>(o.layers) * static_cast<double>(o.width);
  const double wanted = sizeof(float) * (4 * matrix_elements(o, vocabulary) +
                                         tokens * (kept + static_cast<double>(vocabulary)));
  const double there =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (wanted <= there) return;
  fail("training this model would take more than ", formatted("%.0f", wanted / 1e9),
       " GB, and this machine has ", formatted("%.0f", there / 1e9),
       " GB: wanted a smaller --width, --layers, --batch or --context");
}

/// FNV-1a over the tokens.
int64_t hash_of(const data::Text& text) {
  uint64_t hash = 0xcbf29ce484222325;
  std::vector<int64_t> tokens(size_t{1} << 16);
  for (int64_t position = 0; position < text.size();) {
    const auto count = std::min(static_cast<int64_t>(tokens.size()), text.size() - position);
    text.copy(position, count, tokens.data());
    for (int64_t i = 0; i < count; ++i) {
      hash = (hash ^ static_cast<uint64_t>(tokens[static_cast<size_t>(i)])) * 0x100000001b3;
    }
    position += count;
  }
  return static_cast<int64_t>(hash);
}

/// The datasets; a text is read with the run's tokenizer if it has one already.
void read_data(Run& run) {
  const RunOptions& o = run.options;
  if (run.task) {
    run.train = std::make_shared<data::TaskDataset>(*run.task);
    run.test =
        std::make_shared<data::TaskDataset>(task_dataset(o, data::Split::test, test_sequences));
    return;
  }
  if (!run.tokenizer) run.tokenizer = tokenizer_for(o);
  const data::Text text(o.text, run.tokenizer);
  // A tenth is held out, and that has to fill a window, too.
  if (text.size() / 10 <= o.context) {
    fail("--text ", o.text, ": wanted more than ten times as many tokens as --context ", o.context,
         "; got ", text.size());
  }
  run.text_hash = hash_of(text);
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
  run.model.emplace(
      nn::TransformerOptions{
          .vocabulary = vocabulary_size(run),
          .context = o.context,
          .width = o.width,
          .layers = o.layers,
          .block = {.attention = {.heads = o.heads,
                                  .positions = attention_positions_named(o.positions)}},
          .dropout = o.dropout,
          .positions = positions_named(o.positions),
          .stddev = o.init_stddev},
      rng);
}

/// All but the data and the model. In 0.1's checkpoints the settings have no name in front.
void read_options(Run& run, const data::Checkpoint& checkpoint) {
  run.saved = checkpoint.values.with_prefix("options.");
  const Values& values = run.saved.empty() ? checkpoint.values : run.saved;
  run.options = from_values(values);
  run.step = checkpoint.values.integer("step");
  set_task(run);
  if (run.options.is_text()) {
    // Those of 0.1 have characters alone.
    run.tokenizer = data::load_tokenizer(
        values.contains("vocabulary")
            ? Values({{"kind", "characters"}, {"characters", values.text("vocabulary")}})
            : values.with_prefix("tokenizer."));
    run.text_hash = values.integer("text-hash");
  }
  double elements = 0;
  for (const auto& [name, tensor] : checkpoint.tensors.with_prefix("model.")) {
    elements += static_cast<double>(tensor.numel());
  }
  // Before a model of that size is made.
  if (elements < matrix_elements(run.options, vocabulary_size(run))) {
    fail("its weights are smaller than its options say");
  }
}

/// Weights that are not finite are good for nothing: throws, naming the first such.
void require_finite(const nn::DecoderOnly& model, const std::string& path) {
  const NoGrad no_grad;
  for (const auto& [name, weight] : model.parameters()) {
    if (std::isfinite(max(abs(weight)).item())) continue;
    fail(path, ": the weights are of no use: ", name, " is not finite");
  }
}

}  // namespace

Run start(const RunOptions& options) {
  Run run;
  run.options = options;
  set_task(run);
  read_data(run);
  require_memory(options, vocabulary_size(run));
  build_model(run);
  return run;
}

Values settings_of(const Run& run) {
  Values out = to_values(run.options);
  if (run.tokenizer) {
    out.set_all("tokenizer.", run.tokenizer->state());
    out.set("text-hash", run.text_hash);
  }
  return out;
}

Run open(const std::string& folder, bool with_data, const std::optional<std::string>& moved_text) {
  if (!holds_run(folder)) fail(folder, ": wanted the folder of a run; found no checkpoints there");
  const data::Checkpoint checkpoint = data::load_latest(folder);
  const std::string path = data::latest_checkpoint(folder)->path;
  Run run;
  try {
    read_options(run, checkpoint);
  } catch (const Error& error) {
    fail(path, ": wanted a checkpoint of rapt train; ", error.what());
  }
  if (moved_text && run.options.is_text()) run.options.text = absolute_path(*moved_text);
  if (with_data) {
    const int64_t saved_hash = run.text_hash;
    read_data(run);
    if (run.text_hash != saved_hash) {
      fail(run.options.text, moved_text
                                 ? ": this is another text than the run was started with"
                                 : ": this text has changed since the run was started with it");
    }
  }
  build_model(run);
  run.model->load_state(checkpoint.tensors.with_prefix("model."));
  require_finite(*run.model, path);
  return run;
}

}  // namespace rapt::cli
