#include "cli/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numbers>
#include <string>

#include "cli/format.h"
#include "cli/run.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/data/utf8.h"

namespace rapt::cli {

Matches count_matches(const Tensor& logits, const Tensor& targets) {
  const NoGrad no_grad;
  const std::vector<int64_t> predicted = argmax(logits, -1).values<int64_t>();
  const std::vector<int64_t> wanted = targets.values<int64_t>();
  const auto length = static_cast<size_t>(targets.size(1));
  Matches out;
  for (size_t begin = 0; begin < wanted.size(); begin += length) {
    bool all_right = true;
    for (size_t i = begin; i < begin + length; ++i) {
      if (wanted[i] < 0) continue;
      const bool right = wanted[i] == predicted[i];
      ++out.tokens;
      out.right += right;
      all_right &= right;
    }
    out.sequences_right += all_right;
  }
  return out;
}

Evaluation evaluate(const nn::DecoderOnly& model, std::shared_ptr<const data::Dataset> dataset,
                    const EvaluateOptions& options) {
  const NoGrad no_grad;
  const nn::EvalMode eval_mode;
  Evaluation out;
  const int64_t wanted = std::min(options.count, dataset->size());
  data::Loader loader(std::move(dataset),
                      {.batch_size = std::min(wanted, options.batch), .shuffle = false});
  double loss = 0, targets = 0, right = 0, exact = 0;
  while (out.sequences < wanted) {
    NamedTensors batch = loader.next();
    const int64_t some = std::min(batch["tokens"].size(0), wanted - out.sequences);
    const Tensor logits = model(slice(batch["tokens"], 0, 0, some));
    const Tensor wanted_tokens = slice(batch["targets"], 0, 0, some);
    const Loss batch_loss = cross_entropy(logits, wanted_tokens);
    const Matches matches = count_matches(logits, wanted_tokens);
    loss += batch_loss.sum.item();
    targets += batch_loss.count;
    right += static_cast<double>(matches.right);
    exact += static_cast<double>(matches.sequences_right);
    out.sequences += some;
  }
  out.loss = loss / std::max(targets, 1.0);
  out.accuracy = right / std::max(targets, 1.0);
  out.exact_match = exact / static_cast<double>(out.sequences);
  return out;
}

namespace {

/// In all of the text that was held out; 0 where its tokens do not say (words that are unknown).
double characters_per_token(const Run& run) {
  if (run.tokenizer->state().text("kind") == "words") return 0;
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < run.test->size(); ++i) {
    const std::vector<int64_t> some = run.test->get(i)["targets"].values<int64_t>();
    tokens.insert(tokens.end(), some.begin(), some.end());
  }
  return static_cast<double>(data::character_count(run.tokenizer->decode(tokens))) /
         static_cast<double>(tokens.size());
}

/// What is printed of an evaluation, in that order.
nlohmann::ordered_json numbers_of(const Evaluation& e, const Run& run) {
  nlohmann::ordered_json out = {{"step", run.step}, {"sequences", e.sequences}};
  if (run.task) out["exact_match"] = e.exact_match;
  out["accuracy"] = e.accuracy;
  out["loss"] = e.loss;
  if (!run.task) {
    out["perplexity"] = std::exp(e.loss);
    const double characters = characters_per_token(run);
    if (characters > 0) out["bits_per_character"] = e.loss / characters / std::numbers::ln2;
  }
  return out;
}

}  // namespace

void eval_command(const EvalFlags& flags) {
  constexpr int64_t most = 1'000'000;  // some hours of the largest models
  if (flags.count && (*flags.count < 1 || *flags.count > most)) {
    fail("--count: wanted 1 to ", most, "; got ", *flags.count);
  }
  Run run = open(flags.folder, true);
  const int64_t count = flags.count.value_or(run.task ? test_sequences : run.test->size());
  if (run.task) {
    run.test =
        std::make_shared<data::TaskDataset>(task_dataset(run.options, data::Split::test, count));
  }
  const Evaluation e = evaluate(*run.model, run.test, {.count = count, .batch = run.options.batch});
  const nlohmann::ordered_json numbers = numbers_of(e, run);
  if (flags.json) {
    std::printf("%s\n", numbers.dump().c_str());
    return;
  }
  for (const auto& [name, value] : numbers.items()) {
    const std::string shown =
        value.is_number_integer() ? value.dump() : formatted("%.6g", value.get<double>());
    std::printf("%-18s  %s%s\n", name.c_str(), shown.c_str(),
                name == "sequences" ? ", unseen" : "");
  }
}

}  // namespace rapt::cli
