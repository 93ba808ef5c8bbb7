#include "cli/evaluate.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/run.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"

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

void eval_command(const EvalFlags& flags) {
  if (flags.count < 1) fail("--count: wanted at least 1; got ", flags.count);
  Run run = open(flags.folder, true);
  if (run.task) {
    run.test = std::make_shared<data::TaskDataset>(
        task_dataset(run.options, data::Split::test, flags.count));
  }
  const Evaluation e =
      evaluate(*run.model, run.test, {.count = flags.count, .batch = run.options.batch});
  if (flags.json) {
    const nlohmann::ordered_json object = {{"step", run.step},
                                           {"sequences", e.sequences},
                                           {"exact_match", e.exact_match},
                                           {"accuracy", e.accuracy},
                                           {"loss", e.loss}};
    std::printf("%s\n", object.dump().c_str());
    return;
  }
  std::printf("step         %lld\n", static_cast<long long>(run.step));
  std::printf("sequences    %lld, unseen\n", static_cast<long long>(e.sequences));
  std::printf("exact_match  %.4f\n", e.exact_match);
  std::printf("accuracy     %.4f\n", e.accuracy);
  std::printf("loss         %.6f\n", e.loss);
}

}  // namespace rapt::cli
