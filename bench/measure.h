#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

/// What both benchmarks share: the models, and how a training step is timed and reported.
namespace bench {

/// A GPT: pre-norm blocks, GELU (tanh), learned positions, no dropout, head neither tied nor biased.
struct Config {
  std::string name;
  int64_t vocabulary, context, width, heads, layers, batch;
};

/// What the command line asks for.
struct Request {
  Config config;
  int threads = 2;
  int steps = 20;
  int warmup = 3;
  bool json = false;
};

/// Reads `train --config NAME --threads N --steps K --context T --json`. Exits on bad flags.
Request read_request(int argc, char** argv);

/// Runs the step warmup + steps times and prints milliseconds, tokens/s, GFLOP/s and memory.
/// FLOP per step = 6 x parameters x tokens + 12 x layers x width x context^2 x batch.
/// `prepare` is untimed work before each step (drawing a batch); `peak_gflops` is what sgemm
/// reaches with the same threads, or 0 when it was not measured.
template <class Prepare, class Step>
void report(const char* engine, const Request& request, int64_t parameters, double peak_gflops,
            Prepare prepare, Step step);

double seconds_now();
double resident_megabytes();
void print_report(const char* engine, const Request& request, int64_t parameters,
                  double peak_gflops, double start_megabytes, std::vector<double> seconds);

template <class Prepare, class Step>
void report(const char* engine, const Request& request, int64_t parameters, double peak_gflops,
            Prepare prepare, Step step) {
  const double start_megabytes = resident_megabytes();
  std::vector<double> seconds;
  for (int i = -request.warmup; i < request.steps; ++i) {
    prepare();
    const double before = seconds_now();
    step();
    if (i >= 0) seconds.push_back(seconds_now() - before);
  }
  print_report(engine, request, parameters, peak_gflops, start_megabytes,
               std::move(seconds));
}

}  // namespace bench
