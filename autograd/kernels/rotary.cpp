#include "rapt/autograd/kernels/rotary.h"

#include <algorithm>

#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/strided.h"

namespace rapt::kernels {

template <class T>
void rotate(const Shape& shape, const T* x, const Strides& x_strides, const RotaryPlan& plan,
            const RotaryTables<T>& tables, T* out, const Strides& out_strides) {
  const int64_t d = shape.back();
  if (shape.numel() == 0) return;
  const int64_t rows = shape.numel() / d, step = x_strides.back();
  const Shape all_rows(shape.begin(), shape.end() - 1);
  parallel_for(rows, std::max<int64_t>(1, elements_per_piece / d), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* const from = x + offset_of(all_rows, x_strides, row);
      T* const to = out + offset_of(all_rows, out_strides, row);
      const int64_t table = offset_of(all_rows, tables.row_strides, row) * plan.pairs;
      const T *const c = tables.cosine + table, *const s = tables.sine + table;
      for (int64_t i = 0; i < plan.pairs; ++i) {
        const int64_t at = i * plan.step, beside = at + plan.apart;
        const T a = from[at * step], b = from[beside * step];
        to[at] = a * c[i] - b * s[i];
        to[beside] = a * s[i] + b * c[i];
      }
      for (int64_t i = 2 * plan.pairs; i < d; ++i) to[i] = from[i * step];
    }
  });
}

#define RAPT_INSTANTIATE(T)                                                       \
  template void rotate(const Shape&, const T*, const Strides&, const RotaryPlan&, \
                       const RotaryTables<T>&, T*, const Strides&);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
