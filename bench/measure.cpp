#include "measure.h"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

namespace bench {
namespace {

const std::map<std::string, Config> configs = {
    {"tiny", {"tiny", 32, 32, 64, 4, 2, 32}},
    {"small", {"small", 65, 64, 128, 4, 4, 12}},
    {"medium", {"medium", 65, 256, 384, 6, 6, 8}},
    {"gpt2", {"gpt2", 50257, 64, 768, 12, 12, 4}},
    {"long", {"long", 65, 2048, 128, 4, 2, 1}},
};

double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

Request read_request(int argc, char** argv) {
  CLI::App app("Times training steps");
  app.require_subcommand(1);
  CLI::App* train = app.add_subcommand("train", "One training step: forward, backward, AdamW");
  Request request;
  std::string name = "small";
  int64_t context = 0;
  train->add_option("--config", name, "The model")
      ->check(CLI::IsMember({"tiny", "small", "medium", "gpt2", "long"}))
      ->capture_default_str();
  train->add_option("--threads", request.threads)->check(CLI::Range(1, 256))->capture_default_str();
  train->add_option("--steps", request.steps)->check(CLI::Range(1, 100000))->capture_default_str();
  train->add_option("--warmup", request.warmup)->capture_default_str();
  train->add_option("--context", context, "Another context than the config's");
  train->add_flag("--json", request.json, "Print one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e) == 0 ? 0 : 2);
  }
  request.config = configs.at(name);
  if (context > 0) request.config.context = context;
  return request;
}

double seconds_now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double resident_megabytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * 4096 / 1e6;
}

void print_report(const char* engine, const Request& request, int64_t parameters,
                  double peak_gflops, double start_megabytes, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const Config& c = request.config;
  const double median = seconds[seconds.size() / 2];
  const auto tokens = static_cast<double>(c.batch * c.context);
  const double flop = 6.0 * static_cast<double>(parameters) * tokens +
                      12.0 * static_cast<double>(c.layers * c.width * c.context) * tokens;
  const double gflops = flop / median / 1e9;
  const nlohmann::ordered_json out = {
      {"engine", engine},
      {"config", c.name},
      {"context", c.context},
      {"threads", request.threads},
      {"parameters", parameters},
      {"ms_per_step_median", 1e3 * median},
      {"ms_per_step_min", 1e3 * seconds.front()},
      {"tokens_per_second", tokens / median},
      {"gflops", gflops},
      {"share_of_sgemm_peak", peak_gflops > 0 ? gflops / peak_gflops : 0},
      {"start_rss_mb", start_megabytes},
      {"peak_rss_mb", peak_megabytes()},
  };
  if (request.json) {
    std::printf("%s\n", out.dump().c_str());
    return;
  }
  for (const auto& [key, value] : out.items()) {
    std::printf("%-20s %s\n", key.c_str(), value.dump().c_str());
  }
}

}  // namespace bench
