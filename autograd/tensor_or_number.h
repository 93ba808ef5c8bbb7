#pragma once

#include <cstdint>
#include <type_traits>

#include "rapt/autograd/tensor.h"

namespace rapt {

/// An argument that is a tensor, or a number that stands for a tensor of its value: it has the
/// dtype of the tensors beside it, to which it broadcasts. Borrowed: it must not outlive the call.
class TensorOrNumber {
 public:
  TensorOrNumber(const Tensor& tensor) : tensor_(&tensor) {}
  template <class T>
  requires std::is_arithmetic_v<T> TensorOrNumber(T number) : number_(static_cast<double>(number)) {
    static_assert(!std::is_same_v<T, bool>,
                  "rapt: wanted a tensor or a number, and a bool is neither");
    // A double holds every integer up to 2^53.
    if constexpr (std::is_integral_v<T> && sizeof(T) == sizeof(int64_t)) {
      if (static_cast<T>(number_) != number) fail_inexact(static_cast<int64_t>(number));
    }
  }

  /// Null for a number.
  const Tensor* tensor() const { return tensor_; }
  double number() const { return number_; }

 private:
  [[noreturn]] static void fail_inexact(int64_t number);

  const Tensor* tensor_ = nullptr;
  double number_ = 0;
};

}  // namespace rapt
