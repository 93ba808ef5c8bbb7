#pragma once

#include <vector>

#include "rapt/optim/adam.h"

namespace rapt::optim {

struct MuonOptions {
  double lr = 0.02;
  double momentum = 0.95;
  bool nesterov = true;
  double weight_decay = 0;  ///< times lr, the share of itself that a matrix loses in a step
  int64_t iterations = 5;   ///< of Newton and Schulz
  AdamWOptions adamw = {.lr = 3e-4, .beta1 = 0.9, .beta2 = 0.95};  ///< of the others
};

/// Muon (Jordan 2024, kellerjordan.github.io/posts/muon), for the matrices of hidden layers: the
/// momentum, with all its singular values brought to about 1, so that every direction is learned
/// equally fast. Of w [n, m]:
///   b = momentum b + (1 - momentum) g,   u = nesterov: momentum b + (1 - momentum) g;   else b,
///   w -= lr sqrt(max(1, n / m)) orthogonal(u)
/// where orthogonal() does X = u / |u| and, `iterations` times, X = 3.4445 X - 4.775 A X + 2.0315 A
/// A X with A = X X^T. What it is not made for (embeddings, the head, biases, gains) goes as
/// `others`, by AdamW: one optimizer for both, with one norm to clip and one schedule, which scales
/// both rates.
///
/// It keeps momentum_buffer (b) of matrices, and of others what AdamW keeps.
class Muon : public Optimizer {
 public:
  /// Throws when one of the matrices is none [n, m].
  Muon(const NamedTensors& matrices, const NamedTensors& others, const MuonOptions& options = {});
  Muon(const std::vector<ParameterGroup>& matrices, const std::vector<ParameterGroup>& others,
       const MuonOptions& options = {});

 protected:
  void update(std::span<Slot* const> slots, double gradient_factor) override;

 private:
  bool is_matrix(const Slot& slot) const { return slot.group < matrix_groups_; }

  MuonOptions options_;
  size_t matrix_groups_;  // the first so many
};

}  // namespace rapt::optim
