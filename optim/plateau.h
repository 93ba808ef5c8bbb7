#pragma once

#include <cstdint>

#include "rapt/autograd/values.h"

namespace rapt::optim {

struct ReduceOnPlateauOptions {
  double lr = 1e-3;
  double factor = 0.1;      ///< times the rate, each time; in (0, 1)
  int64_t patience = 10;    ///< evaluations without an improvement that are borne
  double threshold = 1e-4;  ///< what counts as one, as a share of the size of the best so far
  int64_t cooldown = 0;     ///< evaluations after a reduction that do not count
  double min_lr = 0;
  bool larger_is_better = false;  ///< an accuracy, say, where a loss is expected
};

/// A learning rate that goes down when a metric has stopped improving, as PyTorch's
/// ReduceLROnPlateau. Unlike a Schedule it has a state, which a run has to save.
///
///   adam.set_lr(plateau.after(validation_loss));
class ReduceOnPlateau {
 public:
  explicit ReduceOnPlateau(const ReduceOnPlateauOptions& options = {});

  /// The rate from now on, after one more evaluation. NaN counts as no improvement.
  double after(double metric);
  double lr() const { return lr_; }

  /// All that a later run needs to go on.
  Values state() const;
  /// Throws when something is missing or unknown.
  void load_state(const Values& state);

 private:
  ReduceOnPlateauOptions options_;
  double lr_, best_;
  int64_t without_improvement_ = 0, cooling_ = 0;
};

}  // namespace rapt::optim
