#pragma once

// Private to the ops: the checks they share.

#include "rapt/autograd/error.h"
#include "rapt/autograd/tensor.h"

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

inline void require_same_dtype(const char* op, const Tensor& a, const Tensor& b) {
  require_defined(op, "the first argument", a);
  require_defined(op, "the second argument", b);
  if (a.dtype() != b.dtype()) {
    fail(op, ": wanted arguments of one dtype; got ", a.dtype(), a.shape(), " and ", b.dtype(),
         b.shape(), " (convert one with to())");
  }
}

}  // namespace rapt
