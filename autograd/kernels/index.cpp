#include "rapt/autograd/kernels/index.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <type_traits>

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

/// What all pieces share: strides along the axis and from one column to the next, and how far the
/// target goes along the axis.
struct Steps {
  int64_t index, index_column;
  int64_t target, target_column;
  int64_t dense;
  int64_t target_length;
};

constexpr int64_t columns_at_once = 256;

/// The axes of an index beside the one that counts and the columns, gone through one by one.
class Others {
 public:
  Others(const Places& p, const Strides& strides) {
    for (int64_t axis = 0; axis + 1 < p.shape.rank(); ++axis) {
      if (axis == p.axis) continue;
      shape_.push_back(p.shape[axis]);
      position_.push_back(0);
      index_strides_.push_back(p.index_strides[axis]);
      target_strides_.push_back(p.target_strides[axis]);
      dense_strides_.push_back(strides[axis]);
    }
  }
  int64_t count() const { return shape_.numel(); }

  /// To the i-th.
  void go_to(int64_t i) {
    index = offset_of(shape_, index_strides_, i);
    target = offset_of(shape_, target_strides_, i);
    dense = offset_of(shape_, dense_strides_, i);
    for (int64_t axis = shape_.rank() - 1; axis >= 0; --axis) {
      position_[axis] = i % shape_[axis];
      i /= shape_[axis];
    }
  }
  /// To the next.
  void advance() {
    for (int64_t axis = shape_.rank() - 1; axis >= 0; --axis) {
      const int64_t steps = ++position_[axis] < shape_[axis] ? 1 : 1 - shape_[axis];
      index += steps * index_strides_[axis];
      target += steps * target_strides_[axis];
      dense += steps * dense_strides_[axis];
      if (steps == 1) return;
      position_[axis] = 0;
    }
  }

  int64_t index = 0, target = 0, dense = 0;  // where it lies

 private:
  Shape shape_;
  Dims position_;
  Strides index_strides_, target_strides_, dense_strides_;
};

/// The same places with neighbours that all walk as one joined, but for the axis that counts: long
/// rows of columns.
Places joined(Places p) {
  for (int64_t i = p.shape.rank() - 2; i >= 0; --i) {
    const int64_t inner = p.shape[i + 1];
    if (i == p.axis || i + 1 == p.axis || p.index_strides[i] != p.index_strides[i + 1] * inner ||
        p.target_strides[i] != p.target_strides[i + 1] * inner) {
      continue;
    }
    p.shape[i + 1] *= p.shape[i];
    p.shape.erase(i);
    p.index_strides.erase(i);
    p.target_strides.erase(i);
    if (i < p.axis) --p.axis;
  }
  return p;
}

/// f(piece, steps) for all of them, spread over the threads; false, and not for all, if one is.
/// Places along the axis may name the same element: what writes there has them in one piece; what
/// reads may have only some at once.
enum class Along { whole, in_parts };
template <Along along, class F>
bool for_each_piece(const Places& places, F f) {
  if (places.shape.numel() == 0) return true;
  const Places p = joined(places);
  const int64_t last = p.shape.rank() - 1;
  const bool has_columns = p.axis != last;
  const Strides dense = row_major(p.shape);
  const Steps steps{p.index_strides[p.axis],
                    has_columns ? p.index_strides[last] : 0,
                    p.target_strides[p.axis],
                    has_columns ? p.target_strides[last] : 0,
                    dense[p.axis],
                    p.length};
  const Others all(p, dense);
  const int64_t columns = has_columns ? p.shape[last] : 1, length = p.shape[p.axis];
  const int64_t columns_each = std::min(columns, columns_at_once);
  const int64_t length_each =
      along == Along::whole ? length : std::min(length, ceil_div(elements_per_piece, columns_each));
  const int64_t column_groups = ceil_div(columns, columns_each);
  const int64_t groups = column_groups * ceil_div(length, length_each);
  std::atomic<bool> inside = true;
  const auto run = [&](int64_t begin, int64_t end) {
    Others other = all;
    other.go_to(begin / groups);
    for (int64_t i = begin, group = begin % groups; i < end; ++i) {
      const int64_t column = group % column_groups * columns_each;
      const int64_t first = group / column_groups * length_each;
      const Piece piece{
          p.index + other.index + first * steps.index + column * steps.index_column,
          other.target + column * steps.target_column, other.dense + first * steps.dense + column,
          std::min(length_each, length - first), std::min(columns_each, columns - column)};
      if (!f(piece, steps)) {
        inside = false;
        return;
      }
      if (++group == groups) {
        group = 0;
        other.advance();
      }
    }
  };
  const int64_t pieces_each = elements_per_piece / (columns_each * length_each);
  parallel_for(all.count() * groups, std::max<int64_t>(1, pieces_each), run);
  return inside;
}

/// f(number, i) for each of n numbers that lie `step` apart; false, and not for all, if one is not
/// in [0, length). No pass ahead to check them, which would read them twice: each few are checked
/// together.
template <class F>
[[gnu::always_inline]] inline bool for_each_number(const int64_t* numbers, int64_t step, int64_t n,
                                                   int64_t length, F f) {
  const auto outside = [length](int64_t number) {
    return static_cast<uint64_t>(number) >= static_cast<uint64_t>(length) ? 1 : 0;
  };
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const int64_t a = numbers[i * step], b = numbers[(i + 1) * step];
    const int64_t c = numbers[(i + 2) * step], d = numbers[(i + 3) * step];
    if ((outside(a) | outside(b) | outside(c) | outside(d)) != 0) return false;
    f(a, i);
    f(b, i + 1);
    f(c, i + 2);
    f(d, i + 3);
  }
  for (; i < n; ++i) {
    const int64_t number = numbers[i * step];
    if (outside(number) != 0) return false;
    f(number, i);
  }
  return true;
}

/// f(offset in the target, place in row-major order of the index) for each place of a piece; false,
/// and not for all, if a number lies outside of the target's length.
template <class F>
[[gnu::always_inline]] inline bool for_each_place(const Piece& p, const Steps& s, F f) {
  if (p.columns == 1 && s.index == 1 && s.target == 1 && s.dense == 1) {
    return for_each_number(p.index, 1, p.length, s.target_length,
                           [&](int64_t number, int64_t i) { f(p.target + number, p.dense + i); });
  }
  if (p.columns == 1) {
    return for_each_number(
        p.index, s.index, p.length, s.target_length,
        [&](int64_t number, int64_t i) { f(p.target + number * s.target, p.dense + i * s.dense); });
  }
  for (int64_t i = 0; i < p.length; ++i) {
    const auto one = [&](int64_t number, int64_t j) {
      f(p.target + number * s.target + j * s.target_column, p.dense + i * s.dense + j);
    };
    const int64_t* const row = p.index + i * s.index;
    if (!for_each_number(row, s.index_column, p.columns, s.target_length, one)) return false;
  }
  return true;
}

/// The larger or the smaller one, NaN if one is. Of random numbers no branch can be foreseen: this
/// form has an instruction.
template <class T>
[[gnu::always_inline]] inline T extreme(T was, T value, bool takes) {
  const T one = takes ? value : was;
  return value != value ? value : one;
}

/// f of both; of i64 without an overflow, which is undefined.
template <class T, class F>
[[gnu::always_inline]] inline T wrapped(T a, T b, F f) {
  if constexpr (std::is_same_v<T, int64_t>) {
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  } else {
    return static_cast<T>(f(a, b));
  }
}

template <class T>
[[gnu::always_inline]] inline T combined(T was, T value, Combine combine) {
  switch (combine) {
    case Combine::replace:
      return value;
    case Combine::add:
      return wrapped(was, value, std::plus<>());
    case Combine::multiply:
      return wrapped(was, value, std::multiplies<>());
    case Combine::larger:
      return extreme(was, value, value > was);
    case Combine::smaller:
      return extreme(was, value, value < was);
  }
  return was;
}

/// What a piece can write to, as it is in `base`, to `to`, which is laid out as it.
template <class T>
void copy_target(const Piece& p, const Steps& s, const T* base, T* to) {
  if (p.columns == 1 && s.target == 1) {
    std::copy_n(base + p.target, s.target_length, to + p.target);
    return;
  }
  for (int64_t i = 0; i < s.target_length; ++i) {
    const int64_t row = p.target + i * s.target;
    if (s.target_column == 1) {
      std::copy_n(base + row, p.columns, to + row);
    } else {
      for (int64_t j = 0; j < p.columns; ++j) {
        to[row + j * s.target_column] = base[row + j * s.target_column];
      }
    }
  }
}

template <Combine combine, class T>
bool scatter_by(const Places& places, const T* base, const T* source, T* to) {
  return for_each_piece<Along::whole>(places, [=](const Piece& piece, const Steps& steps) {
    if (base != nullptr) copy_target(piece, steps, base, to);
    return for_each_place(piece, steps, [=](int64_t at, int64_t i) {
      to[at] = combined(to[at], source[i], combine);
    });
  });
}

}  // namespace

bool all_inside(const int64_t* index, int64_t count, int64_t length) {
  std::atomic<bool> inside = true;
  parallel_for(count, elements_per_piece, [&](int64_t begin, int64_t end) {
    uint64_t outside = 0;  // without a way out, for vectors
    for (int64_t i = begin; i < end; ++i) {
      outside |= static_cast<uint64_t>(index[i]) >= static_cast<uint64_t>(length);
    }
    if (outside != 0) inside = false;
  });
  return inside;
}

template <class T>
void places_of_nonzero(const T* x, int64_t n, int64_t* places) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; ++i) {
    places[found] = i;  // and again, until one is; of random numbers no branch can be foreseen
    found += x[i] != T(0) ? 1 : 0;
  }
}

template <class T>
bool gather_along(const Places& places, const T* from, T* out) {
  return for_each_piece<Along::in_parts>(places, [=](const Piece& piece, const Steps& steps) {
    return for_each_place(piece, steps, [=](int64_t at, int64_t i) { out[i] = from[at]; });
  });
}

template <class T>
bool scatter_along(const Places& places, Combine combine, const T* base, const T* source, T* to) {
  switch (combine) {
    case Combine::replace:
      return scatter_by<Combine::replace>(places, base, source, to);
    case Combine::add:
      return scatter_by<Combine::add>(places, base, source, to);
    case Combine::multiply:
      return scatter_by<Combine::multiply>(places, base, source, to);
    case Combine::larger:
      return scatter_by<Combine::larger>(places, base, source, to);
    case Combine::smaller:
      return scatter_by<Combine::smaller>(places, base, source, to);
  }
  return true;
}

template bool gather_along(const Places&, const float*, float*);
template bool gather_along(const Places&, const double*, double*);
template bool gather_along(const Places&, const int64_t*, int64_t*);
template bool gather_along(const Places&, const bool*, bool*);
template void places_of_nonzero(const float*, int64_t, int64_t*);
template void places_of_nonzero(const double*, int64_t, int64_t*);
template void places_of_nonzero(const int64_t*, int64_t, int64_t*);
template void places_of_nonzero(const bool*, int64_t, int64_t*);
template bool scatter_along(const Places&, Combine, const float*, const float*, float*);
template bool scatter_along(const Places&, Combine, const double*, const double*, double*);
template bool scatter_along(const Places&, Combine, const int64_t*, const int64_t*, int64_t*);
template bool scatter_along(const Places&, Combine, const bool*, const bool*, bool*);

}  // namespace rapt::kernels
