#include "rapt/autograd/kernels/strided.h"

#include <algorithm>
#include <type_traits>

#include "rapt/autograd/kernels/block.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/runtime/scratch.h"

namespace rapt::kernels {
namespace {

/// A box's length along each axis but the last that is dense in some operand: two cache lines of
/// f32 if there is one such axis, less where there are more.
constexpr int64_t fast_length(int64_t fast_axes) { return std::max<int64_t>(1, 128 >> fast_axes); }

/// The axis along which the elements lie closest together, if that is not the last; else -1.
int64_t fast_axis(const Strides& strides, const Shape& shape) {
  const int64_t last = shape.rank() - 1;
  int64_t best = -1, step = strides[last];
  for (int64_t axis = 0; axis < last; ++axis) {
    if (shape[axis] == 1 || strides[axis] == 0 || strides[axis] >= step) continue;
    step = strides[axis];
    best = axis;
  }
  return best;
}

void swap_axes(std::initializer_list<Strides*> strides, Shape& shape, int64_t a, int64_t b) {
  std::swap(shape[a], shape[b]);
  for (Strides* s : strides) std::swap((*s)[a], (*s)[b]);
}

void erase_axis(std::initializer_list<Strides*> strides, Shape& shape, int64_t axis) {
  shape.erase(axis);
  for (Strides* s : strides) s->erase(axis);
}

/// By falling strides of the first.
void sort(std::initializer_list<Strides*> strides, Shape& shape) {
  const Strides& first = **strides.begin();
  for (int64_t end = 1; end < shape.rank(); ++end) {
    for (int64_t i = end; i > 0 && first[i - 1] < first[i]; --i) {
      swap_axes(strides, shape, i - 1, i);
    }
  }
}

/// Drops axes of length 1, and joins neighbours that all walk as one.
void collapse(std::initializer_list<Strides*> strides, Shape& shape) {
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 1) erase_axis(strides, shape, axis);
  }
  for (int64_t axis = shape.rank() - 2; axis >= 0; --axis) {
    const int64_t inner = shape[axis + 1];
    const auto walks_on = [&](const Strides* s) { return (*s)[axis] == (*s)[axis + 1] * inner; };
    if (!std::all_of(strides.begin(), strides.end(), walks_on)) continue;
    shape[axis + 1] *= shape[axis];
    erase_axis(strides, shape, axis);
  }
  if (!shape.empty()) return;
  shape.push_back(1);
  for (Strides* s : strides) s->push_back(1);
}

}  // namespace

Walk::Walk(const Shape& shape, std::initializer_list<Strides*> strides) : shape_(shape) {
  sort(strides, shape_);
  collapse(strides, shape_);
  dense_ = shape_.rank() == 1 && std::all_of(strides.begin(), strides.end(),
                                             [](const Strides* s) { return (*s)[0] == 1; });
  choose_lengths(strides);
  boxes_ = 1;
  for (int64_t axis = 0; axis < shape_.rank(); ++axis) {
    boxes_ *= ceil_div(shape_[axis], lengths_[axis]);
  }
}

void Walk::choose_lengths(std::initializer_list<Strides*> strides) {
  const int64_t last = shape_.rank() - 1;
  Axes fast;
  for (const Strides* s : strides) {
    const int64_t axis = fast_axis(*s, shape_);
    if (axis >= 0 && !fast.contains(axis)) fast.push_back(axis);
  }
  lengths_ = filled<Shape>(shape_.rank(), 1);
  int64_t room = max_elements;
  for (const int64_t axis : fast) {
    lengths_[axis] = std::min(shape_[axis], fast_length(fast.size()));
    room /= lengths_[axis];
  }
  // The rest goes to the axes from the last on, as far as each is whole.
  for (int64_t axis = last; axis >= 0; --axis) {
    const int64_t length = std::min(shape_[axis], room * lengths_[axis]);
    room = room * lengths_[axis] / length;
    lengths_[axis] = length;
    if (length < shape_[axis]) break;
  }
}

void Walk::clip(Box& box) const {
  box.elements = 1;
  for (int64_t axis = 0; axis < shape_.rank(); ++axis) {
    box.lengths[axis] = std::min(lengths_[axis], shape_[axis] - box.start[axis]);
    box.elements *= box.lengths[axis];
  }
}

Walk::Box Walk::box(int64_t index) const {
  Box box{shape_, shape_, 0};
  for (int64_t axis = shape_.rank() - 1; axis >= 0; --axis) {
    const int64_t along = ceil_div(shape_[axis], lengths_[axis]);
    box.start[axis] = index % along * lengths_[axis];
    index /= along;
  }
  clip(box);
  return box;
}

void Walk::advance(Box& box) const {
  for (int64_t axis = shape_.rank() - 1; axis >= 0; --axis) {
    box.start[axis] += lengths_[axis];
    if (box.start[axis] < shape_[axis]) break;
    box.start[axis] = 0;
  }
  clip(box);
}

int64_t offset(const Strides& strides, const Walk::Box& box) {
  int64_t out = 0;
  for (int64_t axis = 0; axis < strides.size(); ++axis) out += box.start[axis] * strides[axis];
  return out;
}

bool lies_densely(const Strides& strides, const Walk::Box& box) {
  int64_t expected = 1;
  for (int64_t axis = strides.size() - 1; axis >= 0; --axis) {
    if (box.lengths[axis] == 1) continue;
    if (strides[axis] != expected) return false;
    expected *= box.lengths[axis];
  }
  return true;
}

// ---- between a box and memory ------------------------------------------------------------------

namespace {

/// A box of one or two axes that something is done with at a time: rows x columns elements.
struct Face {
  int64_t rows, columns, row_stride, column_stride;
};

/// to [rows, columns] from columns that are dense, in squares that fit the registers. Several
/// columns at a time are read from end to end: what is left of a cache line may be gone when next
/// asked for.
template <class T>
void transpose_face(const T* from, const Face& f, T* to, int64_t to_stride) {
  constexpr int64_t side = lanes_of<T>;
  int64_t j = 0;
  for (; j + side <= f.columns; j += side) {
    const T* columns = from + j * f.column_stride;
    int64_t i = 0;
    for (; i + side <= f.rows; i += side) {
      transpose_square(columns + i, f.column_stride, to + i * to_stride + j, to_stride);
    }
    for (; i < f.rows; ++i) {
      for (int64_t c = 0; c < side; ++c)
        to[i * to_stride + j + c] = columns[i + c * f.column_stride];
    }
  }
  for (; j < f.columns; ++j) {
    for (int64_t i = 0; i < f.rows; ++i) to[i * to_stride + j] = from[i + j * f.column_stride];
  }
}

/// to [rows, columns], its rows `to_stride` apart.
template <class T>
void copy_face(const T* from, const Face& f, T* to, int64_t to_stride) {
  if (f.column_stride == 1) {
    for (int64_t i = 0; i < f.rows; ++i) {
      std::copy_n(from + i * f.row_stride, f.columns, to + i * to_stride);
    }
    return;
  }
  if constexpr (std::is_floating_point_v<T>) {
    if (f.row_stride == 1) return transpose_face(from, f, to, to_stride);
  }
  for (int64_t i = 0; i < f.rows; ++i) {
    const T* row = from + i * f.row_stride;
    T* out = to + i * to_stride;
    if (f.column_stride == 0) {
      std::fill_n(out, f.columns, *row);
    } else {
      for (int64_t j = 0; j < f.columns; ++j) out[j] = row[j * f.column_stride];
    }
  }
}

/// The same for rows that are dense in both.
template <class T>
void copy_rows(const T* from, const Strides& from_strides, const Walk::Box& box,
               const Strides& to_strides, T* to) {
  for_each_run<2>(box, {from_strides, to_strides}, [&](const auto& at, int64_t length) {
    std::copy_n(from + at[0], length, to + at[1]);
  });
}

}  // namespace

template <class T>
void gather(const T* from, const Strides& strides, const Walk::Box& box, T* to) {
  const Strides dense = row_major(box.lengths);
  const int64_t last = box.lengths.rank() - 1;
  if (strides[last] == 1) return copy_rows(from, strides, box, dense, to);
  if (last == 0) return copy_face<T>(from, {1, box.lengths[0], 0, strides[0]}, to, 0);
  const int64_t fast = fast_axis(strides, box.lengths), other = fast < 0 ? last - 1 : fast;
  const Face face{box.lengths[other], box.lengths[last], strides[other], strides[last]};
  Walk::Box faces = box;  // an element stands for a face
  faces.lengths[other] = faces.lengths[last] = 1;
  for_each_run<2>(faces, {strides, dense}, [&](const auto& at, int64_t length) {
    for (int64_t i = 0; i < length; ++i) {
      copy_face(from + at[0] + i * strides[last], face, to + at[1] + i, dense[other]);
    }
  });
}

template <class T>
void scatter(const T* from, const Walk::Box& box, const Strides& strides, T* to) {
  const Strides dense = row_major(box.lengths);
  const int64_t step = strides.back();
  if (step == 1) return copy_rows(from, dense, box, strides, to);
  for_each_run<2>(box, {dense, strides}, [&](const auto& at, int64_t length) {
    for (int64_t j = 0; j < length; ++j) to[at[1] + j * step] = from[at[0] + j];
  });
}

template <class T>
void copy(const T* from, Strides from_strides, const Shape& shape, Strides to_strides, T* to) {
  const int64_t n = shape.numel();
  if (n == 0) return;
  const Walk walk(shape, {&to_strides, &from_strides});
  if (walk.is_dense()) {
    return parallel_for(n, elements_per_piece, [&](int64_t begin, int64_t end) {
      std::copy(from + begin, from + end, to + begin);
    });
  }
  parallel_for(walk.boxes(), elements_per_piece / walk.box_elements(),
               [&](int64_t begin, int64_t end) {
                 const Scratch<T> buffer(walk.box_elements());
                 Walk::Box box = walk.box(begin);
                 for (int64_t i = begin; i < end; ++i, walk.advance(box)) {
                   const T* const in = from + offset(from_strides, box);
                   T* const out = to + offset(to_strides, box);
                   if (to_strides.back() == 1 && from_strides.back() == 1) {
                     copy_rows(in, from_strides, box, to_strides, out);
                   } else if (lies_densely(to_strides, box)) {
                     gather(in, from_strides, box, out);
                   } else {
                     gather<T>(in, from_strides, box, buffer);
                     scatter<T>(buffer, box, to_strides, out);
                   }
                 }
               });
}

#define RAPT_INSTANTIATE(T)                                              \
  template void gather(const T*, const Strides&, const Walk::Box&, T*);  \
  template void scatter(const T*, const Walk::Box&, const Strides&, T*); \
  template void copy(const T*, Strides, const Shape&, Strides, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
RAPT_INSTANTIATE(int64_t)
RAPT_INSTANTIATE(bool)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
