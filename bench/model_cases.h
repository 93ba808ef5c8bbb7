#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

/// What models_bench and torch_models_bench share: a training step of recurrent layers and of an
/// encoder and decoder, and decoding.
namespace bench {

struct ModelCase {
  /// rnn, lstm, gru: one layer, forward and backward.
  /// encoder-decoder: two stacks of 2 layers, 4 heads, as of torch.nn.Transformer, forward and
  /// backward; source and target of `length`.
  /// greedy, beam: a decoder of 4 layers, 4 heads and 65 tokens goes on from one token to `length`;
  /// a step is the whole of it.
  std::string model;
  int64_t width;
  int64_t length;
  int64_t rows;         // sequences; of beam, beams
  bool ragged = false;  // lengths from 1 to length, evenly, in no order; else all of length

  std::vector<int64_t> lengths() const {
    std::vector<int64_t> out;
    for (int64_t i = 0; i < rows; ++i) {
      out.push_back(ragged ? 1 + i * 13 % rows * (length - 1) / (rows - 1) : length);
    }
    return out;
  }
  int64_t tokens() const {
    int64_t sum = 0;
    for (const int64_t n : lengths()) sum += n;
    return sum;
  }
};

inline std::vector<ModelCase> model_cases() {
  std::vector<ModelCase> out;
  for (const char* cell : {"rnn", "lstm", "gru"}) {
    for (const int64_t width : {64, 128, 512}) {
      for (const bool ragged : {false, true}) out.push_back({cell, width, 32, 32, ragged});
    }
  }
  for (const int64_t width : {64, 128, 512}) out.push_back({"encoder-decoder", width, 32, 32});
  for (const int64_t length : {512, 2048}) out.push_back({"greedy", 128, length, 1});
  out.push_back({"beam", 128, 512, 4});
  return out;
}

/// Prints a line of JSON for each case whose model has that word in it: the median time of a call
/// of make(case)(), of some 0.3 s of them. An empty one is a case that is left out.
template <class Make>
void time_models(const std::string& word, Make make) {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration d) { return std::chrono::duration<double>(d).count() * 1e3; };
  for (const ModelCase& c : model_cases()) {
    if (c.model.find(word) == std::string::npos) continue;
    const auto step = make(c);
    if (!step) continue;
    for (int i = 0; i < 2; ++i) step();  // memory is found
    std::vector<double> times;
    const auto start = Clock::now();
    while (times.size() < 3 || ms(Clock::now() - start) < 300) {
      const auto before = Clock::now();
      step();
      times.push_back(ms(Clock::now() - before));
    }
    std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2),
                     times.end());
    std::printf(
        "{\"model\": \"%s\", \"width\": %ld, \"lengths\": \"%s%ld\", \"tokens\": %ld, "
        "\"ms\": %.4f}\n",
        c.model.c_str(), static_cast<long>(c.width), c.ragged ? "1 to " : "",
        static_cast<long>(c.length), static_cast<long>(c.tokens()), times[times.size() / 2]);
    std::fflush(stdout);
  }
}

}  // namespace bench
