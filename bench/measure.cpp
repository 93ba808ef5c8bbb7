#include "measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "memory.h"
#include "sgemm_peak.h"

namespace bench {
namespace {

using Json = nlohmann::ordered_json;

/// The middle one, or the mean of the two in the middle.
double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double flop_per_step(const Config& c, int64_t parameters) {
  const auto tokens = static_cast<double>(c.batch * c.context);
  return tokens * (6.0 * static_cast<double>(parameters) +
                   12.0 * static_cast<double>(c.layers * c.width * c.context));
}

}  // namespace

Start measure_start(const Request& request) {
  const double peak = sgemm_peak_gflops(request.threads);
  forget_peak();
  return {.sgemm_peak_gflops = peak, .resident_mb = resident_mb()};
}

double seconds_now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void print_report(const std::string& engine, const Request& request, const Start& start,
                  int64_t parameters, std::vector<Sample> samples) {
  const double peak_mb = peak_resident_mb();
  std::vector<double> seconds, calls;
  for (const Sample& s : samples) {
    seconds.push_back(s.seconds);
    calls.push_back(static_cast<double>(s.allocations));
  }
  const Config& c = request.config;
  const double usual = median(seconds);
  const double gflops = flop_per_step(c, parameters) / usual / 1e9;
  const Json out = {
      {"engine", engine},
      {"blas", blas_name()},
      {"config", c.name},
      {"context", c.context},
      {"width", c.width},
      {"batch", c.batch},
      {"tied_head", request.tied_head},
      {"threads", request.threads},
      {"steps", request.steps},
      {"parameters", parameters},
      {"ms_per_step_median", 1e3 * usual},
      {"ms_per_step_min", 1e3 * *std::min_element(seconds.begin(), seconds.end())},
      {"tokens_per_second", static_cast<double>(c.batch * c.context) / usual},
      {"gflops", gflops},
      {"sgemm_peak_gflops", start.sgemm_peak_gflops},
      {"share_of_sgemm_peak", gflops / start.sgemm_peak_gflops},
      {"start_rss_mb", start.resident_mb},
      {"peak_rss_mb", peak_mb},
      {"peak_above_start_mb", peak_mb - start.resident_mb},
      {"heap_allocations_per_step", median(calls)},
  };
  if (request.json) {
    std::printf("%s\n", out.dump().c_str());
    return;
  }
  for (const auto& [key, value] : out.items()) {
    std::printf("%-26s %s\n", key.c_str(), value.dump().c_str());
  }
}

int run(int (*body)(int, char**), int argc, char** argv) {
  try {
    return body(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", argv[0], e.what());
    return 1;
  }
}

}  // namespace bench
