#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include "rapt/autograd/ops.h"

namespace rapt::tests {

/// A function of tensors as the tables of the tests hold it: whatever the lambda returns (a Tensor,
/// Tensors or a Loss) comes out as Tensors; of a Loss, its sum and its mean.
class TensorFunction {
 public:
  TensorFunction() = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, TensorFunction>) TensorFunction(F f)
      : run_([f = std::move(f)](const Tensors& x) -> Tensors {
          using Result = std::invoke_result_t<const F&, const Tensors&>;
          if constexpr (std::is_same_v<Result, Tensor>) {
            return {f(x)};
          } else if constexpr (std::is_same_v<Result, Loss>) {
            const Loss loss = f(x);
            return {loss.sum, loss.mean()};
          } else {
            return f(x);
          }
        }) {}

  Tensors operator()(const Tensors& x) const { return run_(x); }
  explicit operator bool() const { return static_cast<bool>(run_); }

 private:
  std::function<Tensors(const Tensors&)> run_;
};

}  // namespace rapt::tests
