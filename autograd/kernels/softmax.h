#pragma once

namespace rapt::kernels {

/// What the softmax of each row is made of, as its backward needs it: exp(x - shift) * factor.
/// Apart, because shift - log(factor) has lost the digits of factor where shift is large.
template <class T>
struct Softmax {
  T* shift;   // [rows]: the row's maximum, or 0 where there is none
  T* factor;  // [rows]: 1 / sum(exp(x - shift)); 0 where the whole row is -inf
};

}  // namespace rapt::kernels
