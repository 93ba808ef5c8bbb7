#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

/// What recurrent_bench and torch_recurrent_bench share: one layer, forward and backward, over a
/// batch of 32 sequences.
namespace bench {

inline constexpr int64_t rows = 32;

struct RecurrentCase {
  std::string cell;  // "rnn", "lstm" or "gru"
  int64_t width;     // of x and of the state
  int64_t steps;
  bool ragged;  // lengths from 1 to steps, evenly, in no order; else all of steps

  std::vector<int64_t> lengths() const {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < rows; ++i) {
      out.push_back(ragged ? 1 + i * 13 % rows * (steps - 1) / (rows - 1) : steps);
    }
    return out;
  }
  int64_t tokens() const {
    int64_t sum = 0;
    for (const int64_t n : lengths()) sum += n;
    return sum;
  }
};

inline std::vector<RecurrentCase> recurrent_cases() {
  std::vector<RecurrentCase> out;
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    for (const int64_t width : {64, 128, 512}) {
      for (const bool ragged : {false, true}) out.push_back({cell, width, 32, ragged});
    }
  }
  return out;
}

/// Prints a line of JSON for each case whose cell has that word in it: the median time of a call of
/// make(case)(), which is a step, of some 0.3 s of them.
template <class Make>
void time_recurrent(const std::string& word, Make make) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration d) { return std::chrono::duration<double>(d).count() * 1e3; };
  for (const RecurrentCase& c : recurrent_cases()) {
    if (c.cell.find(word) == std::string::npos) continue;
    const auto step = make(c);
    for (int i = 0; i < 3; ++i) step();  // memory is found
    std::vector<double> times;
    const auto start = Clock::now();
    while (times.size() < 5 || ms(Clock::now() - start) < 300) {
      const auto before = Clock::now();
      step();
      times.push_back(ms(Clock::now() - before));
    }
    std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2),
                     times.end());
    std::printf(
        "{\"cell\": \"%s\", \"width\": %ld, \"lengths\": \"%s\", \"tokens\": %ld, "
        "\"ms\": %.4f}\n",
        c.cell.c_str(), static_cast<long>(c.width), c.ragged ? "1 to 32" : "32",
        static_cast<long>(c.tokens()), times[times.size() / 2]);
  }
}

}  // namespace bench
