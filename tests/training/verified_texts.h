#pragma once

// For the tests of verify: a small text, and what is promised of models that learn it.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "rapt/rapt.h"

namespace rapt::training {

inline constexpr int64_t letters = 11, rows = 6, places = 9, width = 16;

/// i64 [rows, places]: tokens, and their successors as targets; the last has none.
inline NamedTensors text_batch() {
  Rng rng(3);
  const Tensor tokens = rng.integers(0, letters, {rows, places});
  const Tensor next = slice(tokens, 1, 1, places);
  return {{"tokens", tokens}, {"targets", concat({next, full({rows, 1}, -100, Dtype::i64)}, 1)}};
}

inline Loss next_token_loss(const Tensor& logits, const NamedTensors& batch) {
  return cross_entropy(logits, batch["targets"]);
}

inline Promises of_text() {
  return {.inputs = {{.name = "tokens", .causal = true, .next_token = true}},
          .first_loss = std::log(static_cast<double>(letters))};
}

inline nn::TransformerOptions options_of_text() {
  return {.vocabulary = letters,
          .context = places,
          .width = width,
          .layers = 2,
          .block = {.attention = {.heads = 2}},
          .stddev = 0.1};
}

inline void expect_broken(const Verification& found, const char* promise) {
  EXPECT_NE(found.text.find(std::string(promise) + ": "), std::string::npos)
      << "wanted " << promise << "; got\n"
      << found.text;
}

}  // namespace rapt::training
