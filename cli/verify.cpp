#include "cli/verify.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/run.h"
#include "rapt/data/loader.h"
#include "rapt/training/verify.h"

namespace rapt::cli {
namespace {

using Outcome = training::VerifiedPromise::Outcome;

const char* name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kept:
      return "kept";
    case Outcome::broken:
      return "broken";
    case Outcome::not_checked:
      break;
  }
  return "not_checked";
}

training::Verification verify(Run& run) {
  nn::DecoderOnly& model = *run.model;
  data::Loader loader(
      run.train, {.batch_size = std::max<int64_t>(run.options.batch, 2), .seed = run.options.seed});
  return training::verify(
      model, loader.next(), [&](const NamedTensors& batch) { return model(batch["tokens"]); },
      [](const Tensor& logits, const NamedTensors& batch) {
        return cross_entropy(logits, batch["targets"]);
      },
      {.inputs = {{.name = "tokens", .causal = true, .next_token = true, .lengths = "lengths"}},
       .first_loss = std::log(static_cast<double>(model.options().vocabulary))});
}

void print_json(const training::Verification& found) {
  nlohmann::ordered_json object = {{"kept", static_cast<bool>(found)}};
  for (const training::VerifiedPromise& promise : found.promises) {
    object["promises"].push_back(
        {{"name", promise.name}, {"outcome", name_of(promise.outcome)}, {"text", promise.text}});
  }
  std::printf("%s\n", object.dump(2).c_str());
}

}  // namespace

int verify_command(const VerifyFlags& flags) {
  set_threads(flags.train);
  Run run = start(new_run(flags.train));
  const training::Verification found = verify(run);
  if (flags.json) {
    print_json(found);
  } else {
    for (const training::VerifiedPromise& promise : found.promises) {
      std::printf("%-11s  %s%s%s\n", promise.name.c_str(), name_of(promise.outcome),
                  promise.text.empty() ? "" : ": ", promise.text.c_str());
    }
  }
  return found ? 0 : 1;
}

}  // namespace rapt::cli
