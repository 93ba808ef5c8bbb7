#pragma once

#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/runtime/scratch.h"
#include "rapt/autograd/kernels/strided.h"

namespace rapt::kernels {

/// Room for one box, from the pool once it is asked for.
template <class T>
class Buffer {
 public:
  T* room(const Walk& walk) {
    if (!memory_) memory_.emplace(walk.box_elements());
    return *memory_;
  }

 private:
  std::optional<Scratch<T>> memory_;
};

/// out[i] = f(in[i]...) for n dense elements.
template <class Out, class F, class... In>
[[gnu::always_inline]] inline void map_dense(int64_t n, Out* out, F& f, const In*... in) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store<Out>(out + i, f(load(in + i)...));
  if (i < n) store_part<Out>(out + i, f(load_part(in + i, n - i, In(0))...), n - i);
}

// Rows of a box that are shorter cost more than the buffer that joins them.
constexpr int64_t shortest_row = 64;

/// A function of dense elements: out[i] from in[i]..., for n of them. What walks over memory is
/// compiled once for all functions of the same types, and calls them by this.
template <class Out, class... In>
using DenseFunction = FunctionRef<void(int64_t n, Out* out, const In*... in)>;

/// f of the boxes of one piece of a walk.
template <class Out, class... In>
void apply_to_boxes(const Walk& walk, int64_t begin, int64_t end, Out* out,
                    const Strides& out_strides, DenseFunction<Out, In...> f,
                    const Operand<In>&... in) {
  Buffer<Out> result;
  std::tuple<Buffer<In>...> buffers;
  Walk::Box box = walk.box(begin);
  for (int64_t i = begin; i < end; ++i, walk.advance(box)) {
    const Strides dense = row_major(box.lengths);
    const bool in_rows = box.lengths.back() >= shortest_row;
    const auto in_place = [&](const Strides& strides) {
      return in_rows ? strides.back() == 1 : lies_densely(strides, box);
    };
    // An operand's box where it lies if that can be used, else a copy.
    const auto seen = [&]<class T>(const Operand<T>& operand, Buffer<T>& buffer) -> Operand<T> {
      const T* from = operand.data + offset(operand.strides, box);
      if (in_place(operand.strides)) return {from, operand.strides};
      T* const copy = buffer.room(walk);
      gather(from, operand.strides, box, copy);
      return {copy, dense};
    };
    const bool direct = in_place(out_strides);
    Out* const to = out + offset(out_strides, box);
    Out* const written = direct ? to : result.room(walk);
    const auto run = [&](const auto&... from) {
      if (!in_rows) return f(box.elements, written, from.data...);
      for_each_run<1 + sizeof...(In)>(box, {direct ? out_strides : dense, from.strides...},
                                      [&](const auto& at, int64_t length) {
                                        [&]<size_t... k>(std::index_sequence<k...>) {
                                          f(length, written + at[0], (from.data + at[k + 1])...);
                                        }
                                        (std::index_sequence_for<In...>());
                                      });
    };
    std::apply([&](auto&... buffer) { run(seen(in, buffer)...); }, buffers);
    if (!direct) scatter(written, box, out_strides, to);
  }
}

/// map, by a function of dense elements.
template <class Out, class... In>
void apply(Out* out, Strides out_strides, const Shape& shape, DenseFunction<Out, In...> f,
           Operand<In>... in) {
  const int64_t n = shape.numel();
  if (n == 0) return;
  const Walk walk(shape, {&out_strides, &in.strides...});
  if (walk.is_dense()) {
    return parallel_for(n, elements_per_piece, [&](int64_t begin, int64_t end) {
      f(end - begin, out + begin, (in.data + begin)...);
    });
  }
  parallel_for(walk.boxes(), elements_per_piece / walk.box_elements(),
               [&](int64_t begin, int64_t end) {
                 apply_to_boxes<Out, In...>(walk, begin, end, out, out_strides, f, in...);
               });
}

/// out[i] = f(in[i]...) for each i of `shape`, which out has strides for (none of them 0); an
/// operand may be what lies at out. f maps Blocks to a Block, and is also handed padding (zeros),
/// whose results are dropped.
template <class Out, class F, class... In>
void map(Out* out, const Strides& out_strides, const Shape& shape, F f, const Operand<In>&... in) {
  const auto dense = [&f](int64_t n, Out* to, const In*... from) { map_dense(n, to, f, from...); };
  apply<Out, In...>(out, out_strides, shape, DenseFunction<Out, In...>(dense), in...);
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

/// Adds the operand to memory that has strides of its own.
template <class T>
void add_to_strided(T* out, const Strides& strides, const Shape& shape, const Operand<T>& from) {
  map(
      out, strides, shape, [](const Block<T>& a, const Block<T>& b) -> Block<T> { return a + b; },
      Operand<T>{out, strides}, from);
}

}  // namespace rapt::kernels
