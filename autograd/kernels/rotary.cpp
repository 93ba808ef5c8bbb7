#include "rapt/autograd/kernels/rotary.h"

#include <algorithm>

#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/strided.h"

namespace rapt::kernels {
template <class T>
void rotate(const Shape& shape, const T* x, const Strides& x_strides, const T* cosine,
            const T* sine, T* out, const Strides& out_strides) {
  const int64_t d = shape.back();
  if (shape.numel() == 0) return;
  const int64_t rows = shape.numel() / d, length = shape[shape.rank() - 2];
  const int64_t step = x_strides.back();
  const Shape all_rows(shape.begin(), shape.end() - 1);
  parallel_for(rows, std::max<int64_t>(1, elements_per_piece / d), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t from = offset_of(all_rows, x_strides, row);
      const int64_t to = offset_of(all_rows, out_strides, row);
      const T *c = cosine + row % length * (d / 2), *s = sine + row % length * (d / 2);
      for (int64_t i = 0; i < d / 2; ++i) {
        const T a = x[from + 2 * i * step], b = x[from + (2 * i + 1) * step];
        out[to + 2 * i] = a * c[i] - b * s[i];
        out[to + 2 * i + 1] = a * s[i] + b * c[i];
      }
    }
  });
}

template void rotate(const Shape&, const float*, const Strides&, const float*, const float*, float*,
                     const Strides&);
template void rotate(const Shape&, const double*, const Strides&, const double*, const double*,
                     double*, const Strides&);

}  // namespace rapt::kernels
