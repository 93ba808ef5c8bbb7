#include "request.h"

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <map>
#include <vector>

namespace bench {
namespace {

const std::array<Config, 6> configs = {{
    {"micro", 27, 7, 16, 4, 1, 16},
    {"tiny", 32, 32, 64, 4, 2, 32},
    {"small", 65, 64, 128, 4, 4, 12},
    {"medium", 65, 256, 384, 6, 6, 8},
    {"gpt2", 50257, 64, 768, 12, 12, 4},
    {"long", 65, 2048, 128, 4, 2, 1},
}};

const Config& config_of(const std::string& name) {
  for (const Config& config : configs) {
    if (config.name == name) return config;
  }
  std::vector<std::string> known;
  for (const Config& config : configs) known.push_back(config.name);
  throw CLI::ValidationError("--config",
                             "wanted " + CLI::detail::join(known, ", ") + "; got " + name);
}

/// What the flags say of the model: 0 stands for the config's own number.
struct Overrides {
  std::string config = "small";
  int64_t context = 0, width = 0, batch = 0;
};

Config apply(const Overrides& overrides) {
  Config config = config_of(overrides.config);
  if (overrides.context > 0) config.context = overrides.context;
  if (overrides.width > 0) config.width = overrides.width;
  if (overrides.batch > 0) config.batch = overrides.batch;
  if (config.width % config.heads != 0) {
    throw CLI::ValidationError("--width", "wanted a multiple of the " +
                                              std::to_string(config.heads) + " heads; got " +
                                              std::to_string(config.width));
  }
  return config;
}

}  // namespace

Request read_request(int argc, char** argv, bool for_libtorch) {
  CLI::App app("Times the training of transformers.");
  app.require_subcommand(1);
  CLI::App* train =
      app.add_subcommand("train", "Steps of forward, cross entropy, backward, clip, AdamW");
  Request request;
  Overrides overrides;
  const CLI::Range length(1, 1 << 20);
  train->add_option("--config", overrides.config, "micro, tiny, small, medium, gpt2 or long")
      ->capture_default_str();
  train->add_option("--context", overrides.context, "Instead of the config's")->check(length);
  train->add_option("--width", overrides.width, "Instead of the config's")->check(length);
  train->add_option("--batch", overrides.batch, "Instead of the config's")->check(length);
  train->add_flag("--tied-head", request.tied_head, "The head's weight is the token embedding's");
  if (for_libtorch) {
    train->add_flag("--fused", request.fused, "Fused attention (libtorch 2.0 or newer)");
    const std::map<std::string, Gradients> kinds = {{"dropped", Gradients::dropped},
                                                    {"dropped-first", Gradients::dropped_first},
                                                    {"zeroed", Gradients::zeroed}};
    train
        ->add_option("--gradients", request.gradients,
                     "Of the last step: dropped before the backward pass (the default), "
                     "dropped-first: before the forward pass, or zeroed: filled with zeros")
        ->transform(CLI::CheckedTransformer(kinds));
  }
  train->add_option("--threads", request.threads)->check(CLI::Range(1, 256))->capture_default_str();
  train->add_option("--steps", request.steps, "Timed")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  train->add_option("--warmup", request.warmup, "Steps before those, not timed")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  train->add_flag("--json", request.json, "Print one JSON object");
  try {
    app.parse(argc, argv);
    request.config = apply(overrides);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e) == 0 ? 0 : 2);
  }
  return request;
}

}  // namespace bench
