#pragma once

#include <array>
#include <cstdint>
#include <tuple>
#include <utility>

#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/parallel.h"
#include "rapt/autograd/shape.h"

namespace rapt::kernels {

/// Something to read along a shape: its strides have one entry per axis of that shape, 0 where it
/// is stretched.
template <class T>
struct Operand {
  const T* data;
  Strides strides;
};

inline constexpr int64_t elements_per_chunk = 1024;
static_assert(elements_per_piece % elements_per_chunk == 0);

/// Elements [begin, begin + count) of the operand, in row-major order of `shape`, to `out`.
template <class T>
void gather(const Operand<T>& from, const Shape& shape, int64_t begin, int64_t count, T* out) {
  const int64_t last = shape.rank() - 1;
  std::array<int64_t, Dims::max_rank> index{};
  int64_t offset = 0;
  for (int64_t axis = last, rest = begin; axis >= 0; --axis) {
    index[axis] = rest % shape[axis];
    rest /= shape[axis];
    offset += index[axis] * from.strides[axis];
  }
  const int64_t step = from.strides[last];
  while (count > 0) {
    const int64_t run = std::min(count, shape[last] - index[last]);
    const T* source = from.data + offset;
    if (step == 1) {
      std::copy_n(source, run, out);
    } else if (step == 0) {
      std::fill_n(out, run, *source);
    } else {
      for (int64_t i = 0; i < run; ++i) out[i] = source[i * step];
    }
    out += run;
    count -= run;
    offset -= index[last] * step;
    index[last] = 0;
    for (int64_t axis = last - 1; axis >= 0; --axis) {
      offset += from.strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= shape[axis] * from.strides[axis];
      index[axis] = 0;
    }
  }
}

/// Joins neighbouring axes that every operand walks as one, and drops axes of length 1.
template <class... T>
Shape collapse(Shape shape, Operand<T>&... operands) {
  for (int64_t axis = shape.rank() - 1; axis >= 0 && shape.rank() > 1; --axis) {
    if (shape[axis] != 1) continue;
    shape.erase(axis);
    (operands.strides.erase(axis), ...);
  }
  for (int64_t axis = shape.rank() - 2; axis >= 0; --axis) {
    const int64_t inner = shape[axis + 1];
    if (!((operands.strides[axis] == operands.strides[axis + 1] * inner) && ...)) continue;
    shape[axis] *= inner;
    ((operands.strides[axis] = operands.strides[axis + 1]), ...);
    shape.erase(axis + 1);
    (operands.strides.erase(axis + 1), ...);
  }
  if (shape.empty()) {
    shape.push_back(1);
    (operands.strides.push_back(1), ...);
  }
  return shape;
}

/// Room for one chunk. Its constructor is written out because it leaves the elements unset: a tuple
/// would clear them, at a cost that a small map feels.
template <class T>
struct Chunk {
  Chunk() {}
  T elements[elements_per_chunk];
};

/// out[i] = f(operands[i]...) for each i of `shape`; out is dense. f maps Blocks to a Block, and is
/// also handed padding (zeros), whose results are dropped.
template <class Out, class F, class... In>
void map(Out* out, const Shape& full_shape, F f, Operand<In>... in) {
  const int64_t n = full_shape.numel();
  if (n == 0) return;
  const Shape shape = collapse(full_shape, in...);
  parallel_for(n, elements_per_piece, [&](int64_t begin, int64_t end) {
    std::tuple<Chunk<In>...> buffers;
    for (int64_t at = begin; at < end; at += elements_per_chunk) {
      const int64_t count = std::min(elements_per_chunk, end - at);
      // Where each operand's chunk lies densely: in place if it can, else gathered.
      const auto dense = [&](const auto& operand, auto& buffer) {
        if (shape.rank() == 1 && operand.strides[0] == 1) return operand.data + at;
        gather(operand, shape, at, count, buffer.elements);
        return static_cast<decltype(operand.data)>(buffer.elements);
      };
      std::apply(
          [&](auto&... buffer) {
            std::tuple<const In*...> from{dense(in, buffer)...};
            std::apply(
                [&](const auto*... p) {
                  int64_t i = 0;
                  for (; i + lanes <= count; i += lanes) {
                    store<Out>(out + at + i, f(load(p + i)...));
                  }
                  if (i < count) {
                    store_part<Out>(out + at + i, f(load_part(p + i, count - i, In(0))...),
                                    count - i);
                  }
                },
                from);
          },
          buffers);
    }
  });
}

/// first[i], second[i] = f(x[i], second[i]) for n dense elements; f maps two Blocks to a pair.
/// first may be x.
template <class T, class F>
void map_pair(int64_t n, const T* x, T* second, F f, T* first) {
  parallel_for(n, elements_per_piece, [&](int64_t begin, int64_t end) {
    int64_t i = begin;
    for (; i + lanes <= end; i += lanes) {
      const auto [one, two] = f(load(x + i), load(second + i));
      store<T>(first + i, one);
      store<T>(second + i, two);
    }
    if (i == end) return;
    const auto [one, two] =
        f(load_part(x + i, end - i, T(0)), load_part(second + i, end - i, T(0)));
    store_part<T>(first + i, one, end - i);
    store_part<T>(second + i, two, end - i);
  });
}

/// out = f(out, from), element by element, where out has strides of its own (none of them 0).
template <class T, class F>
void update_strided(T* out, const Strides& out_strides, const Shape& full_shape, Operand<T> from,
                    F f) {
  if (full_shape.numel() == 0) return;
  Operand<T> to{out, out_strides};
  const Shape shape = collapse(full_shape, to, from);
  const int64_t last = shape.rank() - 1;
  const int64_t run = shape[last], out_step = to.strides[last], in_step = from.strides[last];
  const int64_t rows_per_piece = std::max<int64_t>(1, elements_per_piece / run);
  parallel_for(shape.numel() / run, rows_per_piece, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t out_at = 0, in_at = 0;
      for (int64_t axis = last - 1, rest = row; axis >= 0; --axis) {
        const int64_t index = rest % shape[axis];
        rest /= shape[axis];
        out_at += index * to.strides[axis];
        in_at += index * from.strides[axis];
      }
      T* const o = out + out_at;
      const T* const i = from.data + in_at;
      if (out_step == 1 && in_step == 1) {
        for (int64_t k = 0; k < run; ++k) o[k] = f(o[k], i[k]);
      } else {
        for (int64_t k = 0; k < run; ++k) o[k * out_step] = f(o[k * out_step], i[k * in_step]);
      }
    }
  });
}

/// Writes the operand to memory that has strides of its own.
template <class T>
void copy_to_strided(T* out, const Strides& strides, const Shape& shape, const Operand<T>& from) {
  update_strided(out, strides, shape, from, [](T, T b) { return b; });
}

/// Adds it to what is there.
template <class T>
void add_to_strided(T* out, const Strides& strides, const Shape& shape, const Operand<T>& from) {
  update_strided(out, strides, shape, from, [](T a, T b) { return static_cast<T>(a + b); });
}

}  // namespace rapt::kernels
