#include <algorithm>

#include "rapt/autograd/kernels/recurrent/cells.h"
#include "rapt/autograd/kernels/recurrent/groups.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {
namespace {

// Rows that are a multiple of a page apart alias in the first-level cache.
constexpr int64_t row_padding = 16;

/// Where one row's step reads and writes. A part that is not there is null.
template <class T>
StepBackward<T> step_of(const Recurrent<T>& r, const RecurrentBackward<T>& of, int64_t row,
                        int64_t step) {
  const int64_t h = r.hidden, parts = gates_of(r.cell), kept = kept_of(r.cell);
  const int64_t t = r.tokens.token(row, step), padded = row * r.tokens.steps + t;
  const int64_t token = r.tokens.starts[row] + t, before = r.tokens.before();
  const auto of_row = [&](const T* from) { return from == nullptr ? nullptr : from + row * h; };
  const bool first = step == 0;
  StepBackward<T> s{};
  s.hidden = h;
  s.gates = of.gates + token * parts * h;
  s.kept = of.kept + token * kept * h;
  s.h = of.output + padded * h;
  s.h_before = first ? of_row(r.h0) : of.output + (padded + before) * h;
  if (r.cell == RecurrentCell::lstm) {
    s.c_before = first ? of_row(r.c0) : of.kept + (token + before) * kept * h;
  }
  s.arrived = of.d_output == nullptr ? nullptr : of.d_output + padded * h;
  s.d_gates = of.d_gates + token * parts * h;
  s.d_inner = of.d_inner == nullptr ? nullptr : of.d_inner + token * h;
  return s;
}

/// A group of rows R, from the last step to the first:
///   each running row's cell;   then dH [R, h] += d_from_h [R, G h] W_hh [G h, h]
template <class T, class Cell>
void run_backward(const Recurrent<T>& r, const PackedB<T>& packed, const RowGroup& group,
                  const RecurrentBackward<T>& of) {
  const int64_t h = r.hidden, wide = gates_of(r.cell) * h, stride = wide + row_padding;
  const int64_t rows = group.rows();
  const Scratch<T> dh(rows * h), dc(rows * h), d_from_h(rows * stride);
  for (int64_t i = 0; i < rows; ++i) {
    copy_or_zero(of.d_last_h, group.row(i), h, dh + i * h);
    copy_or_zero(of.d_last_c, group.row(i), h, dc + i * h);
  }
  int64_t running = 0;
  for (int64_t step = group.steps(); step-- > 0;) {
    while (running < rows && group.length(running) > step) ++running;
    for (int64_t i = 0; i < running; ++i) {
      StepBackward<T> s = step_of(r, of, group.row(i), step);
      s.dh = dh + i * h;
      s.dc = dc + i * h;
      s.d_from_h = d_from_h + i * stride;
      Cell::backward(s);
    }
    gemm<T>({running, h, wide, {d_from_h, stride, 1}, {r.weight, h, 1}, {dh, h, 1}, T(1), true},
            &packed);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = group.row(i);
    if (of.d_h0 != nullptr) std::copy_n(dh + i * h, h, of.d_h0 + row * h);
    if (of.d_c0 != nullptr) std::copy_n(dc + i * h, h, of.d_c0 + row * h);
  }
}

}  // namespace

template <class T>
void recurrent_backward(const Recurrent<T>& r, const RecurrentBackward<T>& of) {
  const int64_t h = r.hidden, wide = gates_of(r.cell) * h;
  const PackedB<T> packed({r.weight, h, 1}, wide, h);
  pack_for_steps(packed);
  visit_cell<T>(r.cell, [&]<class Cell>(Cell) {
    for_each_group(r, [&](const RowGroup& group) { run_backward<T, Cell>(r, packed, group, of); });
  });
}

template <class T>
void previous_hidden(const Recurrent<T>& r, const T* output, T* to) {
  const RecurrentTokens& tokens = r.tokens;
  const int64_t h = r.hidden;
  for_each_row(tokens.rows, tokens.steps * h, [&](int64_t row) {
    const int64_t length = tokens.lengths[row];
    if (length == 0) return;
    const T* const from = output + row * tokens.steps * h;
    T* const begin = to + tokens.starts[row] * h;
    const int64_t rest = (length - 1) * h;
    copy_or_zero(r.h0, row, h, tokens.reverse ? begin + rest : begin);
    std::copy_n(tokens.reverse ? from + h : from, rest, tokens.reverse ? begin : begin + h);
  });
}

#define RAPT_INSTANTIATE(T)                                                           \
  template void recurrent_backward(const Recurrent<T>&, const RecurrentBackward<T>&); \
  template void previous_hidden(const Recurrent<T>&, const T*, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
