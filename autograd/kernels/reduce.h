#pragma once

#include <cstdint>

namespace rapt::kernels {

/// A dense tensor seen as [outer, middle, inner], of which `middle` is reduced away.
struct Reduction {
  int64_t outer, middle, inner;
};

/// out [outer, inner] = sum over middle. Partial sums of f32 are added up in f64 along rows.
template <class T>
void sum(const Reduction& r, const T* x, T* out);

/// out [inner] = the sum of the rows of x [rows, inner], or that added to it: a left fold over
/// blocks of `block` rows, a power of two up to terms_per_block (see fold.h).
template <class T>
void fold(int64_t rows, int64_t inner, int64_t block, const T* x, T* out, bool adds);

/// The largest (or smallest) over middle, which must not be empty; NaN if any is.
template <class T>
void extreme(const Reduction& r, bool largest, const T* x, T* out);

/// The index along middle of the largest (or smallest), the first of equals; of the first NaN if
/// there is one.
template <class T>
void index_of_extreme(const Reduction& r, bool largest, const T* x, int64_t* out);

}  // namespace rapt::kernels
