#pragma once

#include <concepts>

#include "rapt/autograd/record.h"

/// Calls that look right and are not: they do not compile, and the message says what to write.
namespace rapt {

template <class T>
concept MistakenForAxes = std::floating_point<T> || std::same_as<T, Tensor>;

template <MistakenForAxes T>
void max(const Tensor&, const T&) {
  static_assert(!MistakenForAxes<T>,
                "rapt: max(x, axes) is the maximum over axes; the larger of two, element by "
                "element, is maximum(a, b)");
}
template <MistakenForAxes T>
void min(const Tensor&, const T&) {
  static_assert(!MistakenForAxes<T>,
                "rapt: min(x, axes) is the minimum over axes; the smaller of two, element by "
                "element, is minimum(a, b)");
}

template <class T>
requires std::is_arithmetic_v<T>
void norm(const Tensor&, T) {
  static_assert(
      !std::is_arithmetic_v<T>,
      "rapt: a number alone may be meant as p or as an axis; write norm(x, {0}, {.p = 1}), "
      "or norm(x, {0}) for the 2-norm along axis 0");
}

template <std::same_as<Tensor> T>
void record(const char*, TensorList, const T&, Rule, RecordOptions = {}) {
  static_assert(!std::same_as<T, Tensor>,
                "rapt: record computes the value itself, without a graph; give it the function: "
                "record(op, {x}, [&] { return x * x; }, rule)");
}

template <class T>
concept AnyOperand = std::same_as<T, Tensor> || std::is_arithmetic_v<T>;

#define RAPT_NO_ASSIGNMENT(op)                                                                     \
  template <AnyOperand T>                                                                          \
  void operator op##=(Tensor&, const T&) {                                                         \
    static_assert(!AnyOperand<T>,                                                                  \
                  "rapt: a tensor's elements are not changed by an op; write x = x " #op           \
                  " y, which makes x another tensor (what else holds the old one, a module or an " \
                  "optimizer, keeps it)");                                                         \
  }
RAPT_NO_ASSIGNMENT(+)
RAPT_NO_ASSIGNMENT(-)
RAPT_NO_ASSIGNMENT(*)
RAPT_NO_ASSIGNMENT(/)
#undef RAPT_NO_ASSIGNMENT

}  // namespace rapt
