#include "rapt/autograd/kernels/dropout.h"

#include "rapt/autograd/kernels/dropout_draws.h"
#include "rapt/autograd/kernels/elementwise.h"

namespace rapt::kernels {

int64_t dropout_blocks(int64_t count) { return groups_of_draws(count) * blocks_per_group; }

template <class T>
void dropout(int64_t count, const T* x, double p, PhiloxKey at, T* y) {
  const T scale = static_cast<T>(1 / (1 - p));
  static_assert(elements_per_piece % draws_per_group == 0);
  parallel_for(count, elements_per_piece, [&](int64_t begin, int64_t end) {
    const T* const from = x + begin;
    T* const to = y + begin;
    for_each_draw(p, at, begin / draws_per_group, end - begin,
                  [&](int64_t i, bool kept) { to[i] = kept ? from[i] * scale : T(0); });
  });
}

template void dropout(int64_t, const float*, double, PhiloxKey, float*);
template void dropout(int64_t, const double*, double, PhiloxKey, double*);

}  // namespace rapt::kernels
