#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../tests/support/allocations.h"
#include "request.h"

/// What both programs share: how training steps are timed and reported.
namespace bench {

/// What was found before the model was built. Made at the same point by both programs: after the
/// libraries are loaded, before the first tensor.
struct Start {
  double sgemm_peak_gflops;
  double resident_mb;
};

/// Measures sgemm's peak, and then memory, whose own peak starts anew here.
Start measure_start(const Request& request);

/// One timed step.
struct Sample {
  double seconds;
  int64_t allocations;
};

double seconds_now();

/// Runs `prepare` (untimed: drawing a batch) and `step` warmup + steps times, timing the latter.
template <class Prepare, class Step>
std::vector<Sample> time_steps(const Request& request, Prepare prepare, Step step) {
  std::vector<Sample> samples;
  samples.reserve(static_cast<size_t>(request.steps));
  for (int i = -request.warmup; i < request.steps; ++i) {
    prepare();
    const int64_t calls = rapt::tests::heap_allocations();
    const double before = seconds_now();
    step();
    const double seconds = seconds_now() - before;
    if (i >= 0) samples.push_back({seconds, rapt::tests::heap_allocations() - calls});
  }
  return samples;
}

/// Prints what the README lists, as JSON if so asked. Call it while the model is still there.
/// FLOP per step = 6 x parameters x tokens + 12 x layers x width x context^2 x batch.
void print_report(const std::string& engine, const Request& request, const Start& start,
                  int64_t parameters, std::vector<Sample> samples);

/// Runs a program's main: an exception is printed to standard error, and the status is 1.
int run(int (*body)(int, char**), int argc, char** argv);

}  // namespace bench
