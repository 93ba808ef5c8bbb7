#pragma once

#include <concepts>

#include "rapt/autograd/ops/arithmetic.h"
#include "rapt/autograd/ops/compare.h"

/// The functions of ops.h as operators, for two tensors or a tensor and a number. Comparisons are
/// element by element and give a b8 tensor, which is no condition of an if.
///
/// There is no += and its like. An op never changes its arguments, so x += y could only make the
/// handle x stand for another tensor, while a module or an optimizer that holds the same tensor
/// keeps the old one. Write x = x + y, which says so.
namespace rapt {

template <class T>
concept TensorOperand = std::convertible_to<const T&, const Tensor&>;
template <class T>
concept NumberOperand = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;
template <class A, class B>
concept TensorOperands = (TensorOperand<A> && (TensorOperand<B> || NumberOperand<B>)) ||
                         (NumberOperand<A> && TensorOperand<B>);

inline Tensor operator-(const Tensor& x) { return neg(x); }

template <class A, class B>
requires TensorOperands<A, B> Tensor operator+(const A& a, const B& b) { return add(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator-(const A& a, const B& b) { return sub(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator*(const A& a, const B& b) { return mul(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator/(const A& a, const B& b) { return div(a, b); }

template <class A, class B>
requires TensorOperands<A, B> Tensor operator==(const A& a, const B& b) { return equal(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator!=(const A& a, const B& b) { return not_equal(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator<(const A& a, const B& b) { return less(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator<=(const A& a, const B& b) { return less_equal(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator>(const A& a, const B& b) { return greater(a, b); }
template <class A, class B>
requires TensorOperands<A, B> Tensor operator>=(const A& a, const B& b) {
  return greater_equal(a, b);
}

}  // namespace rapt
