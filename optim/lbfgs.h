#pragma once

#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/named_tensors.h"

namespace rapt::optim {

struct LBFGSOptions {
  double lr = 1;                   ///< of a step's length, where the search for a better one begins
  int64_t iterations = 20;         ///< of one step; >= 1
  int64_t evaluations = 0;         ///< of one step, about; 0 stands for 5/4 of the iterations
  int64_t history = 100;           ///< of pairs that stand for the Hessian; >= 1
  double tolerance_grad = 1e-7;    ///< ends a step when no element of the gradient is larger
  double tolerance_change = 1e-9;  ///< ends one when loss or parameters move less
  bool line_search = true;         ///< for a length that meets the strong Wolfe conditions; else lr
};

/// L-BFGS (Nocedal & Wright, algorithms 7.5, 3.5 and 3.6), step by step as torch.optim.LBFGS with
/// line_search_fn="strong_wolfe": for small problems whose loss is the same each time it is asked,
/// so no dropout and no batches that change. It computes in f64, and keeps 2 history + 3 numbers
/// for each element.
///
///   LBFGS lbfgs(model.parameters());
///   for (int i = 0; i < 10; ++i) lbfgs.step([&] { return mse_loss(model(x), y).mean(); });
class LBFGS {
 public:
  /// Throws when there is no parameter, or one is not a dense leaf of f32 or f64.
  explicit LBFGS(const NamedTensors& parameters, const LBFGSOptions& options = {});

  /// Moves the parameters until it is content or has spent its iterations. loss() gives the loss,
  /// of one element, and is asked several times; gradients are cleared and computed here. Returns
  /// the first loss. With the line search the loss never rises, and where it is not finite is not
  /// gone to.
  double step(FunctionRef<Tensor()> loss);

  /// All that a later run needs to go on from here, the parameters themselves aside.
  NamedTensors state() const;
  /// Throws when it does not fit; then nothing has changed.
  void load_state(const NamedTensors& state);
  /// Throws where load_state would; writes nothing.
  void check_state(const NamedTensors& state) const;

  /// Handles to what it changes, by name.
  const NamedTensors& parameters() const { return parameters_; }

 private:
  using Vector = std::vector<double>;
  NamedTensors room_for(const NamedTensors& state) const;
  struct Evaluation {
    double loss;
    Vector gradient;
  };
  Evaluation evaluate(FunctionRef<Tensor()> loss);
  int64_t move(FunctionRef<Tensor()> loss, double slope, bool is_last, Evaluation& now);
  void remember(const Vector& gradient);
  Vector direction_from(const Vector& gradient) const;
  Vector positions() const;
  void set_positions(const Vector& start, double length);

  NamedTensors parameters_;
  LBFGSOptions options_;
  int64_t elements_ = 0;
  int64_t iteration_ = 0;  // of all steps
  double length_ = 0;      // of the last one
  Vector direction_, last_gradient_;
  std::vector<Vector> gradient_changes_, moves_;  // the history, oldest first
};

}  // namespace rapt::optim
