#pragma once

#include <cstdint>

/// Connectionist temporal classification (Graves 2006): how probable a target is as what is left of
/// all paths of one class a frame, when repeated classes and blanks are dropped. In log space, f64.
namespace rapt::kernels {

/// Of a batch. What stands behind a sequence's length, and behind a target's, is not read.
struct CtcProblem {
  int64_t batch, frames, classes;  // log probabilities [batch, frames, classes]
  int64_t longest;                 // targets [batch, longest]
  int64_t blank;
  const int64_t *targets, *lengths, *target_lengths;  // lengths: [batch]

  /// Numbers that ctc keeps for each frame of each sequence.
  int64_t places() const;
};

/// losses [batch]: -log of the probability; inf if no path is long enough.
/// alpha [batch, frames, places()]: for ctc_backward.
template <class T>
void ctc(const CtcProblem& p, const T* log_probabilities, double* alpha, double* losses);
/// dx [batch, frames, classes] for the gradient g of each loss; 0 of a loss that is inf.
template <class T>
void ctc_backward(const CtcProblem& p, const T* log_probabilities, const double* alpha,
                  const double* losses, const T* g, T* dx);

}  // namespace rapt::kernels
