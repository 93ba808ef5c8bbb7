#include "rapt/autograd/kernels/index.h"

#include <algorithm>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/strided.h"

namespace rapt::kernels {
namespace {

/// A piece of the index: `length` places along the axis, of each of `columns` neighbours on the
/// last axis.
struct Piece {
  const int64_t* index;  // of the first place; the next ones, strides away
  int64_t target;        // what the first place's number is counted from
  int64_t dense;         // the first place in row-major order of the index
  int64_t length, columns;
};

/// The strides of a piece, along the axis and from one column to the next.
struct Steps {
  int64_t index, index_column;
  int64_t target, target_column;
  int64_t dense;
};

constexpr int64_t columns_at_once = 256;

/// f(piece, steps) for all of them, spread over the threads. Places along the axis may name the
/// same element: what writes there has them in one piece; what reads may have only some at once.
enum class Along { whole, in_parts };
template <Along along, class F>
void for_each_piece(const Places& p, F f) {
  const int64_t rank = p.shape.rank(), last = rank - 1;
  if (p.shape.numel() == 0) return;
  const bool has_columns = p.axis != last;
  const Strides dense = row_major(p.shape);
  const Steps steps{p.index_strides[p.axis], has_columns ? p.index_strides[last] : 0,
                    p.target_strides[p.axis], has_columns ? p.target_strides[last] : 0,
                    dense[p.axis]};
  // The axes that are neither.
  Shape others;
  Strides index_strides, target_strides, dense_strides;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (axis == p.axis || axis == last) continue;
    others.push_back(p.shape[axis]);
    index_strides.push_back(p.index_strides[axis]);
    target_strides.push_back(p.target_strides[axis]);
    dense_strides.push_back(dense[axis]);
  }
  const int64_t columns = has_columns ? p.shape[last] : 1, length = p.shape[p.axis];
  const int64_t columns_each = std::min(columns, columns_at_once);
  const int64_t length_each =
      along == Along::whole ? length : std::min(length, ceil_div(elements_per_piece, columns_each));
  const int64_t column_groups = ceil_div(columns, columns_each);
  const int64_t groups = column_groups * ceil_div(length, length_each);
  parallel_for(
      others.numel() * groups,
      std::max<int64_t>(1, elements_per_piece / (columns_each * length_each)),
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t other = i / groups, group = i % groups;
          const int64_t column = group % column_groups * columns_each;
          const int64_t first = group / column_groups * length_each;
          f(Piece{p.index + offset_of(others, index_strides, other) + first * steps.index +
                      column * steps.index_column,
                  offset_of(others, target_strides, other) + column * steps.target_column,
                  offset_of(others, dense_strides, other) + first * steps.dense + column,
                  std::min(length_each, length - first), std::min(columns_each, columns - column)},
            steps);
        }
      });
}

/// f(offset in the target, place in row-major order of the index) for each place of a piece.
template <class F>
[[gnu::always_inline]] inline void for_each_place(const Piece& p, const Steps& s, F f) {
  if (p.columns == 1) {
    for (int64_t i = 0; i < p.length; ++i) {
      f(p.target + p.index[i * s.index] * s.target, p.dense + i * s.dense);
    }
    return;
  }
  for (int64_t i = 0; i < p.length; ++i) {
    const int64_t* const row = p.index + i * s.index;
    for (int64_t j = 0; j < p.columns; ++j) {
      f(p.target + row[j * s.index_column] * s.target + j * s.target_column,
        p.dense + i * s.dense + j);
    }
  }
}

template <class T>
void combine_into(T& to, T value, Combine combine) {
  switch (combine) {
    case Combine::replace:
      to = value;
      return;
    case Combine::add:
      to = static_cast<T>(to + value);
      return;
    case Combine::multiply:
      to = static_cast<T>(to * value);
      return;
    case Combine::larger:
      to = value > to || value != value ? value : to;
      return;
    case Combine::smaller:
      to = value < to || value != value ? value : to;
      return;
  }
}

template <Combine combine, class T>
void scatter_by(const Places& places, const T* source, T* to) {
  for_each_piece<Along::whole>(places, [&](const Piece& piece, const Steps& steps) {
    for_each_place(piece, steps,
                   [&](int64_t at, int64_t i) { combine_into(to[at], source[i], combine); });
  });
}

}  // namespace

template <class T>
void gather_along(const Places& places, const T* from, T* out) {
  for_each_piece<Along::in_parts>(places, [&](const Piece& piece, const Steps& steps) {
    for_each_place(piece, steps, [&](int64_t at, int64_t i) { out[i] = from[at]; });
  });
}

template <class T>
void scatter_along(const Places& places, Combine combine, const T* source, T* to) {
  switch (combine) {
    case Combine::replace:
      return scatter_by<Combine::replace>(places, source, to);
    case Combine::add:
      return scatter_by<Combine::add>(places, source, to);
    case Combine::multiply:
      return scatter_by<Combine::multiply>(places, source, to);
    case Combine::larger:
      return scatter_by<Combine::larger>(places, source, to);
    case Combine::smaller:
      return scatter_by<Combine::smaller>(places, source, to);
  }
}

template void gather_along(const Places&, const float*, float*);
template void gather_along(const Places&, const double*, double*);
template void gather_along(const Places&, const int64_t*, int64_t*);
template void gather_along(const Places&, const bool*, bool*);
template void scatter_along(const Places&, Combine, const float*, float*);
template void scatter_along(const Places&, Combine, const double*, double*);
template void scatter_along(const Places&, Combine, const int64_t*, int64_t*);
template void scatter_along(const Places&, Combine, const bool*, bool*);

}  // namespace rapt::kernels
