#include <algorithm>

#include "rapt/autograd/kernels/recurrent/cells.h"
#include "rapt/autograd/kernels/recurrent/groups.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {
namespace {

/// A group of rows R, from the first step to the last:
///   from_h [R, G h] = H [R, h] W_hh^T [h, G h] + b_hh;   then each running row's cell
template <class T, class Cell>
void run_forward(const Recurrent<T>& r, const PackedB<T>& packed, const RowGroup& group,
                 const RecurrentForward<T>& to) {
  const int64_t h = r.hidden, parts = gates_of(r.cell), kept = kept_of(r.cell);
  const int64_t rows = group.rows();
  const Scratch<T> states(rows * h), cells(rows * h), from_h(rows * parts * h);
  for (int64_t i = 0; i < rows; ++i) {
    copy_or_zero(r.h0, group.row(i), h, states + i * h);
    copy_or_zero(r.c0, group.row(i), h, cells + i * h);
  }
  int64_t running = rows;
  for (int64_t step = 0; step < group.steps(); ++step) {
    while (group.length(running - 1) <= step) --running;
    gemm<T>({running,
             parts * h,
             h,
             {states, h, 1},
             {r.weight, 1, h},
             {from_h, parts * h, 1},
             T(1),
             false,
             r.bias},
            &packed);
    for (int64_t i = 0; i < running; ++i) {
      const int64_t row = group.row(i), t = r.tokens.token(row, step);
      const int64_t token = r.tokens.starts[row] + t;
      Cell::forward({h, from_h + i * parts * h, to.gates + token * parts * h,
                     to.kept + token * kept * h, states + i * h, cells + i * h});
      std::copy_n(states + i * h, h, to.output + (row * r.tokens.steps + t) * h);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = group.row(i), steps = r.tokens.steps, length = group.length(i);
    std::copy_n(states + i * h, h, to.last_h + row * h);
    if (to.last_c != nullptr) std::copy_n(cells + i * h, h, to.last_c + row * h);
    std::fill_n(to.output + (row * steps + length) * h, (steps - length) * h, T(0));
  }
}

}  // namespace

template <class T>
void recurrent_forward(const Recurrent<T>& r, const RecurrentForward<T>& to) {
  const int64_t h = r.hidden;
  const PackedB<T> packed({r.weight, 1, h}, h, gates_of(r.cell) * h);
  pack_for_steps(packed);
  visit_cell<T>(r.cell, [&]<class Cell>(Cell) {
    for_each_group(r, [&](const RowGroup& group) { run_forward<T, Cell>(r, packed, group, to); });
  });
}

template <class T>
void pack_tokens(const RecurrentTokens& tokens, int64_t width, const T* x, T* packed) {
  for_each_row(tokens.rows, tokens.steps * width, [&](int64_t row) {
    std::copy_n(x + row * tokens.steps * width, tokens.lengths[row] * width,
                packed + tokens.starts[row] * width);
  });
}

template <class T>
void unpack_tokens(const RecurrentTokens& tokens, int64_t width, const T* packed, T* x) {
  for_each_row(tokens.rows, tokens.steps * width, [&](int64_t row) {
    const int64_t length = tokens.lengths[row];
    T* const to = x + row * tokens.steps * width;
    std::copy_n(packed + tokens.starts[row] * width, length * width, to);
    std::fill_n(to + length * width, (tokens.steps - length) * width, T(0));
  });
}

#define RAPT_INSTANTIATE(T)                                                             \
  template void recurrent_forward(const Recurrent<T>&, const RecurrentForward<T>&);     \
  template void pack_tokens(const RecurrentTokens&, int64_t width, const T* x, T* out); \
  template void unpack_tokens(const RecurrentTokens&, int64_t width, const T* in, T* x);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
