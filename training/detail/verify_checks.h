#pragma once

// Private to rapt's own sources.

#include <string>

#include "rapt/training/detail/verify_subject.h"

namespace rapt::training::detail {

/// What all checks share: the model, the rows of the batch that are used, what is promised of them,
/// and what was found so far.
struct Inquiry {
  Subject& subject;
  const NamedTensors& batch;  ///< some rows
  int64_t rows = 0;
  const Promises& promises;
  Tensor output = {};  ///< of the batch, in evaluation mode, as the model is given
  Verification found = {};

  /// Several calls for one promise are one: broken if it ever was; and where a part of it was not
  /// checked, that is said.
  void kept(const std::string& promise);
  void broken(const std::string& promise, const std::string& text);
  void not_checked(const std::string& promise, const std::string& why);
  /// Broken if there is a text.
  void note(const std::string& promise, const std::string& text);

  /// True when the places of the output [B, T, ...] are those of the input.
  bool is_along(const InputPromise& input) const;
};

/// i64 [B]: how many places of each row count; undefined if all do.
Tensor lengths_of(const InputPromise& input, const NamedTensors& batch);
/// b8 [B, T]: which places count.
Tensor counting(const InputPromise& input, const NamedTensors& batch);

/// What depends on what: rows, causal, padding, documents, inputs, evaluation.
void check_leaks(Inquiry& inquiry);
/// first_loss, loss, next_token, gradients.
void check_loss(Inquiry& inquiry);
/// overfits, parameters, state, order: trains the model.
void check_training(Inquiry& inquiry);

}  // namespace rapt::training::detail
