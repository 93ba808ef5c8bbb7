#pragma once

// Private to the ops: the checks they share.

#include <cmath>
#include <type_traits>
#include <utility>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/tensor.h"
#include "rapt/autograd/tensor_or_number.h"

namespace rapt {

inline void require_defined(const char* op, const char* argument, const Tensor& x) {
  if (!x.defined()) fail(op, ": wanted a tensor as ", argument, "; got an undefined one");
}

inline void require_float(const char* op, const char* argument, const Tensor& x) {
  require_defined(op, argument, x);
  if (!is_float(x.dtype())) {
    fail(op, ": wanted ", argument, " of f32 or f64; got ", x.dtype(), x.shape());
  }
}

/// Anything but b8.
inline void require_numbers(const char* op, const char* argument, const Tensor& x) {
  require_defined(op, argument, x);
  if (x.dtype() == Dtype::b8) {
    fail(op, ": wanted ", argument, " of f32, f64 or i64; got b8", x.shape());
  }
}

inline void require_dtype(const char* op, const char* argument, const Tensor& x, Dtype dtype) {
  require_defined(op, argument, x);
  if (x.dtype() != dtype) {
    fail(op, ": wanted ", argument, " of ", dtype, "; got ", x.dtype(), x.shape());
  }
}

/// For arguments that an op has no gradient for: it would be lost without a word.
inline void require_constant(const char* op, const char* argument, const Tensor& x) {
  if (!grad_enabled() || !x.requires_grad()) return;
  fail(op, ": wanted ", argument, " that require no gradient, for there is none; got ", x.dtype(),
       x.shape(), " that require one (detach() them)");
}

/// True for what i64 holds: -2^63 up to below 2^63. NaN is not.
inline bool is_in_i64(double value) { return value >= -0x1p63 && value < 0x1p63; }
inline bool is_whole_i64(double value) { return is_in_i64(value) && std::trunc(value) == value; }

/// `value` as an element of T; throws when it cannot be one: i64 takes whole numbers, b8 takes 0
/// and 1, f32 and f64 take all.
template <class T>
T checked_number(const char* op, double value) {
  if constexpr (std::is_same_v<T, int64_t>) {
    if (!is_whole_i64(value)) fail(op, ": wanted a whole number for i64; got ", value);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value != 0 && value != 1) fail(op, ": wanted 0 or 1 for b8; got ", value);
  }
  return static_cast<T>(value);
}

/// Where the first element lies that is bad, in row-major order; -1 if none is.
template <class T, class Bad>
int64_t first_bad(const Tensor& x, Bad bad) {
  const Tensor dense = x.detach().contiguous();
  const T* const values = dense.data<T>();
  for (int64_t i = 0, n = dense.numel(); i < n; ++i) {
    if (bad(values[i])) return i;
  }
  return -1;
}

inline void require_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  require_defined(op, "the first argument", a);
  require_defined(op, "the second argument", b);
  if (a.dtype() != b.dtype()) {
    fail(op, ": wanted arguments of one dtype; got ", a.dtype(), a.shape(), " and ", b.dtype(),
         b.shape(), " (convert one with to())");
  }
}

/// One of the two is a tensor, and a number fits its dtype: what it lost would be lost without a
/// word.
inline void require_operands(const char* op, TensorOrNumber a, TensorOrNumber b) {
  if (!a.tensor() && !b.tensor()) {
    fail(op, ": wanted at least one tensor; got the numbers ", a.number(), " and ", b.number());
  }
  if (a.tensor()) require_defined(op, "the first argument", *a.tensor());
  if (b.tensor()) require_defined(op, "the second argument", *b.tensor());
  if (a.tensor() && b.tensor()) return;
  if (const int64_t inexact = a.inexact() + b.inexact(); inexact != 0) {  // one of them is a tensor
    fail(op, ": wanted an integer that a double holds, up to 2^53; got ", inexact,
         " (make a tensor of it with from_values)");
  }
  const Tensor& x = a.tensor() ? *a.tensor() : *b.tensor();
  const double number = a.tensor() ? b.number() : a.number();
  const char* wanted = nullptr;
  if (x.dtype() == Dtype::i64 && !is_whole_i64(number)) wanted = "a whole number";
  if (x.dtype() == Dtype::b8 && number != 0 && number != 1) wanted = "0 or 1";
  if (wanted == nullptr) return;
  fail(op, ": wanted ", wanted, " beside ", x.dtype(), x.shape(), "; got ", number,
       " (convert the tensor with to())");
}

/// Both as tensors: a number as a scalar of the other's dtype.
inline std::pair<Tensor, Tensor> as_tensors(const char* op, TensorOrNumber a, TensorOrNumber b) {
  require_operands(op, a, b);
  if (!a.tensor()) return {full({}, a.number(), b.tensor()->dtype()), *b.tensor()};
  if (!b.tensor()) return {*a.tensor(), full({}, b.number(), a.tensor()->dtype())};
  return {*a.tensor(), *b.tensor()};
}

}  // namespace rapt
