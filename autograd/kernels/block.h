#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "rapt/autograd/kernels/eigen.h"

/// The vectors that rapt's loops are made of. A Block always goes through vector instructions, the
/// tail of an array padded, so the value computed for an element does not depend on where it lies.
namespace rapt::kernels {

inline constexpr int lanes = 16;

template <class T>
using Block = eigen::Array<T, lanes, 1>;

template <class T>
[[gnu::always_inline]] inline Block<T> load(const T* from) {
  return eigen::Map<const Block<T>>(from);
}

/// The first `count` lanes from memory, the others `fill`.
template <class T>
Block<T> load_part(const T* from, int64_t count, T fill) {
  Block<T> out = Block<T>::Constant(fill);
  for (int64_t i = 0; i < count; ++i) out[i] = from[i];
  return out;
}

template <class T>
[[gnu::always_inline]] inline void store(T* to, const Block<T>& block) {
  eigen::Map<Block<T>>{to} = block;
}

template <class T>
void store_part(T* to, const Block<T>& block, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = block[i];
}

// Functions of a block. Eigen's are fast but bend at the edges: exp of -inf is not 0, sqrt of inf
// is NaN. Masks need inf and NaN to mean what they say, so the edges are put right here.

template <class T>
[[gnu::always_inline]] inline Block<T> exp(const Block<T>& x) {
  // Below it the result is no normal number any more; it becomes 0.
  constexpr T lowest = std::is_same_v<T, float> ? T(-87.33654) : T(-708.39641853226408);
  const Block<T> y = x.exp();
  Block<T> out;
  for (int i = 0; i < lanes; ++i) out[i] = x[i] < lowest ? T(0) : y[i];
  return out;
}

template <class T>
Block<T> log(const Block<T>& x) {
  return x.log();
}

template <class T>
Block<T> sqrt(const Block<T>& x) {
  Block<T> out;
  for (int i = 0; i < lanes; ++i) out[i] = std::sqrt(x[i]);
  return out;
}

template <class T>
Block<T> tanh(const Block<T>& x) {
  return x.tanh();
}

template <class T>
Block<T> sin(const Block<T>& x) {
  return x.sin();
}

template <class T>
Block<T> cos(const Block<T>& x) {
  return x.cos();
}

template <class T>
Block<T> erf(const Block<T>& x) {
  return eigen::erf(x);
}

template <class T>
Block<T> sigmoid(const Block<T>& x) {
  return T(1) / (T(1) + exp<T>(-x));
}

/// The larger of two lanes; NaN if either is.
template <class T>
Block<T> larger(const Block<T>& x, const Block<T>& y) {
  return x.binaryExpr(y, eigen::internal::scalar_max_op<T, T, eigen::PropagateNaN>());
}

/// The largest lane; NaN if any lane is.
template <class T>
T reduce_max(const Block<T>& x) {
  return x.template maxCoeff<eigen::PropagateNaN>();
}

}  // namespace rapt::kernels
