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
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (const Int integer = number; !integer.fits_double()) inexact_ = integer;
    }
  }

  /// Null for a number.
  const Tensor* tensor() const { return tensor_; }
  double number() const { return number_; }
  /// The integer that was given, if a double does not hold it; else 0. The function called says so.
  int64_t inexact() const { return inexact_; }

 private:
  const Tensor* tensor_ = nullptr;
  double number_ = 0;
  int64_t inexact_ = 0;
};

}  // namespace rapt
