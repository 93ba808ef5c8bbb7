#include "rapt/autograd/kernels/scan.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/rows.h"

namespace rapt::kernels {
namespace {

template <class T>
[[gnu::always_inline]] inline Block<Wide<T>> wide(const Block<T>& x) {
  return converted<Wide<T>>(x);
}

// ---- lines, 16 at a time: each lane goes along one of its own ---------------------------------

template <class T, size_t inputs>
struct Lines {
  std::array<const T*, inputs> in;
  T* out;
};

// Places of 16 lines that are transposed in the cache.
constexpr int64_t places_at_once = 64;

// Lines side by side that are gone along together, so that what is read of a row is long enough.
constexpr int64_t columns_at_once = int64_t{8} * lanes;

/// Lines that lie side by side, `count` of them: line j's i-th element is at [i * stride + j].
template <class State, class T, size_t inputs, class Step>
void run_columns(const Lines<T, inputs>& lines, int64_t stride, int64_t length, int64_t count,
                 bool from_end, Step step) {
  State states[columns_at_once / lanes];
  for (int64_t k = 0; k < length; ++k) {
    const int64_t row = (from_end ? length - 1 - k : k) * stride;
    for (int64_t j = 0; j < count; j += lanes) {
      const int64_t at = row + j, some = std::min<int64_t>(lanes, count - j);
      std::array<Block<T>, inputs> u;
      for (size_t n = 0; n < inputs; ++n) {
        u[n] = load_some(lines.in[n], at, some, T(0));
      }
      store_some(lines.out + at, step(states[j / lanes], u), some);
    }
  }
}

/// to [places, 16] = from [16 lines, places]: lines begin at `starts`, and their places are
/// `stride` apart. Of `count` lines, the last stands for those that are missing.
template <class T>
void gather_lines(const T* from, const int64_t* starts, int64_t count, int64_t stride,
                  int64_t places, T* to) {
  constexpr int side = lanes_of<T>;
  int64_t first = 0;
  if constexpr (!std::is_integral_v<T>) {
    const bool rows = stride == 1 && count == lanes;
    for (; rows && first + side <= places; first += side) {
      for (int lane = 0; lane < lanes; lane += side) {
        transpose_square(from + starts[lane] + first, starts[1] - starts[0],
                         to + first * lanes + lane, lanes);
      }
    }
  }
  for (int64_t lane = 0; lane < lanes; ++lane) {
    const T* const line = from + starts[std::min(lane, count - 1)];
    for (int64_t k = first; k < places; ++k) to[k * lanes + lane] = line[k * stride];
  }
}

/// The other way: to [count lines, places] = from [places, 16].
template <class T>
void scatter_lines(const T* from, const int64_t* starts, int64_t count, int64_t stride,
                   int64_t places, T* to) {
  constexpr int side = lanes_of<T>;
  int64_t first = 0;
  if constexpr (!std::is_integral_v<T>) {
    const bool rows = stride == 1 && count == lanes;
    for (; rows && first + side <= places; first += side) {
      for (int lane = 0; lane < lanes; lane += side) {
        transpose_square(from + first * lanes + lane, lanes, to + starts[lane] + first,
                         starts[1] - starts[0]);
      }
    }
  }
  for (int64_t lane = 0; lane < count; ++lane) {
    T* const line = to + starts[lane];
    for (int64_t k = first; k < places; ++k) line[k * stride] = from[k * lanes + lane];
  }
}

/// Lines that begin anywhere, at `starts`: through the cache, transposed.
template <class State, class T, size_t inputs, class Step>
void run_lines(const Lines<T, inputs>& lines, const int64_t* starts, int64_t count, int64_t stride,
               int64_t length, bool from_end, Step step) {
  State state;
  alignas(64) T buffers[inputs + 1][places_at_once * lanes];
  for (int64_t done = 0; done < length; done += places_at_once) {
    const int64_t places = std::min(places_at_once, length - done);
    const int64_t first = from_end ? length - done - places : done;
    for (size_t n = 0; n < inputs; ++n) {
      gather_lines(lines.in[n] + first * stride, starts, count, stride, places, buffers[n]);
    }
    for (int64_t k = 0; k < places; ++k) {
      const int64_t at = (from_end ? places - 1 - k : k) * lanes;
      std::array<Block<T>, inputs> u;
      for (size_t n = 0; n < inputs; ++n) u[n] = load(buffers[n] + at);
      store<T>(buffers[inputs] + at, step(state, u));
    }
    scatter_lines<T>(buffers[inputs], starts, count, stride, places, lines.out + first * stride);
  }
}

/// out = step(state, elements) along each line, from State{} on.
template <class State, class T, size_t inputs, class Step>
void scan(const Reduction& r, bool from_end, const Lines<T, inputs>& all, Step step) {
  const int64_t plane = r.middle * r.inner;
  if (r.outer * plane == 0) return;
  // Side by side if there are enough of them; else 16 of all lines.
  const bool columns = r.inner >= lanes;
  const int64_t at_once = columns ? columns_at_once : lanes;
  const int64_t across = ceil_div(r.inner, at_once);
  const int64_t groups = columns ? r.outer * across : ceil_div(r.outer * r.inner, at_once);
  const int64_t grain = std::max<int64_t>(1, elements_per_piece / (r.middle * at_once));
  parallel_for(groups, grain, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      Lines<T, inputs> lines = all;
      if (columns) {
        const int64_t column = group % across * at_once;
        const int64_t at = group / across * plane + column;
        for (const T*& in : lines.in) in += at;
        lines.out += at;
        run_columns<State>(lines, r.inner, r.middle, std::min(at_once, r.inner - column), from_end,
                           step);
        continue;
      }
      int64_t starts[lanes];
      const int64_t first = group * lanes;
      const int64_t count = std::min<int64_t>(lanes, r.outer * r.inner - first);
      for (int64_t i = 0; i < count; ++i) {
        starts[i] = (first + i) / r.inner * plane + (first + i) % r.inner;
      }
      run_lines<State>(lines, starts, count, r.inner, r.middle, from_end, step);
    }
  });
}

template <class T>
struct Zero {
  Block<Wide<T>> value = Block<Wide<T>>::Constant(0);
};
template <class T>
struct One {
  Block<Wide<T>> value = Block<Wide<T>>::Constant(1);
};

/// log(sum(exp(x))) so far = shift + log(sum), where shift is the largest x if that is finite.
template <class T>
struct LogSumExp {
  Block<T> largest = Block<T>::Constant(-infinity<T>);
  Block<Wide<T>> sum = Block<Wide<T>>::Constant(0);
};

}  // namespace

template <class T>
void cumulative_sum(const Reduction& r, bool from_end, const T* x, T* y) {
  scan<Zero<T>, T, 1>(r, from_end, {{x}, y}, [](auto& state, const auto& u) -> Block<T> {
    state.value += wide(u[0]);
    return converted<T>(state.value);
  });
}

template <class T>
void cumulative_product(const Reduction& r, bool from_end, const T* x, T* y) {
  scan<One<T>, T, 1>(r, from_end, {{x}, y}, [](auto& state, const auto& u) -> Block<T> {
    state.value *= wide(u[0]);
    return converted<T>(state.value);
  });
}

template <class T>
void cumulative_logsumexp(const Reduction& r, const T* x, T* y) {
  scan<LogSumExp<T>, T, 1>(r, false, {{x}, y}, [](auto& state, const auto& u) -> Block<T> {
    Block<T> largest, shift;
    for (int i = 0; i < lanes; ++i) {
      largest[i] = u[0][i] > state.largest[i] ? u[0][i] : state.largest[i];
      shift[i] = std::abs(largest[i]) < infinity<T> ? largest[i] : T(0);
    }
    const Block<T> shrunk = exp<T>(state.largest - shift), added = exp<T>(u[0] - shift);
    state.sum = state.sum * wide(shrunk) + wide(added);
    state.largest = largest;
    return shift + log<T>(converted<T>(state.sum));
  });
}

template <class T>
void linear_recurrence(const Reduction& r, bool from_end, const T* a, const T* b, T* y) {
  scan<Zero<T>, T, 2>(r, from_end, {{a, b}, y}, [](auto& state, const auto& u) -> Block<T> {
    state.value = wide(u[0]) * state.value + wide(u[1]);
    return converted<T>(state.value);
  });
}

#define RAPT_INSTANTIATE(T)                                           \
  template void cumulative_sum(const Reduction&, bool, const T*, T*); \
  template void cumulative_product(const Reduction&, bool, const T*, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
RAPT_INSTANTIATE(int64_t)
#undef RAPT_INSTANTIATE
template void cumulative_logsumexp(const Reduction&, const float*, float*);
template void cumulative_logsumexp(const Reduction&, const double*, double*);
template void linear_recurrence(const Reduction&, bool, const float*, const float*, float*);
template void linear_recurrence(const Reduction&, bool, const double*, const double*, double*);

}  // namespace rapt::kernels
