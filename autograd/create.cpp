#include "rapt/autograd/create.h"

#include <algorithm>

#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {
namespace {

/// A dense tensor whose element i is value(i), a double.
template <class F>
Tensor made_of(const char* function, const Shape& shape, Dtype dtype, F value) {
  const Tensor out = empty(shape, dtype);
  visit_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* const to = fresh_data<T>(out);
    const int64_t n = out.numel();
    for (int64_t i = 0; i < n; ++i) to[i] = checked_number<T>(function, value(i));
  });
  return out;
}

template <class T>
Tensor copied(const std::vector<T>& values, const Shape& shape) {
  const Tensor out = empty(shape, dtype_of<T>());
  if (out.numel() != static_cast<int64_t>(values.size())) {
    fail("from_values: wanted ", out.numel(), " values for shape ", shape, "; got ", values.size());
  }
  std::copy(values.begin(), values.end(), fresh_data<T>(out));
  return out;
}

}  // namespace

Tensor full(const Shape& shape, double value, Dtype dtype) {
  const Tensor out = empty(shape, dtype);
  visit_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(fresh_data<T>(out), out.numel(), checked_number<T>("full", value));
  });
  return out;
}

Tensor zeros(const Shape& shape, Dtype dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, Dtype dtype) { return full(shape, 1, dtype); }

Tensor arange(Int n, Dtype dtype) {
  if (n < 0) fail("arange: wanted a length of at least 0; got ", n);
  return arange(0, n, 1, dtype);
}

Tensor arange(Int begin, Int end, Int step, Dtype dtype) {
  if (step == 0 || (step > 0 && begin > end) || (step < 0 && begin < end)) {
    fail("arange: wanted a step that leads from ", begin, " to ", end, "; got ", step);
  }
  // In unsigned numbers, which hold every distance between two of i64.
  const auto distance = [](int64_t from, int64_t to) {
    return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
  };
  const uint64_t way = step > 0 ? distance(begin, end) : distance(end, begin);
  const uint64_t stride = step > 0 ? distance(0, step) : distance(step, 0);
  const uint64_t n = way / stride + (way % stride != 0);
  const Tensor out = empty({n}, dtype);
  visit_any(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* const to = fresh_data<T>(out);
    for (uint64_t i = 0; i < n; ++i) {
      const auto value = static_cast<int64_t>(static_cast<uint64_t>(begin) +
                                              i * static_cast<uint64_t>(int64_t{step}));
      if constexpr (std::is_same_v<T, bool>) {
        to[i] = checked_number<bool>("arange", static_cast<double>(value));
      } else {
        to[i] = static_cast<T>(value);
      }
    }
  });
  return out;
}

Tensor linspace(double begin, double end, Int n, Dtype dtype) {
  if (n < 0) fail("linspace: wanted n of at least 0; got ", n);
  if (!is_float(dtype)) fail("linspace: wanted f32 or f64; got ", dtype);
  const double step = n > 1 ? (end - begin) / static_cast<double>(n - 1) : 0;
  // From both ends, so that neither is missed by rounding.
  return made_of("linspace", {n}, dtype, [&](int64_t i) {
    return i < (n + 1) / 2 ? begin + step * static_cast<double>(i)
                           : end - step * static_cast<double>(n - 1 - i);
  });
}

Tensor eye(Int n, Dtype dtype) {
  const Tensor out = zeros({n, n}, dtype);
  visit_any(dtype, [&](auto zero) {
    for (int64_t i = 0; i < n; ++i) fresh_data<decltype(zero)>(out)[i * n + i] = 1;
  });
  return out;
}

// ---- tensor ------------------------------------------------------------------------------------

void NestedNumbers::fail_inexact(int64_t number) {
  fail("tensor: wanted integers that a double holds, up to 2^53; got ", number,
       " (from_values takes all)");
}

NestedNumbers::NestedNumbers(std::initializer_list<NestedNumbers> parts) {
  const Shape first = parts.size() == 0 ? Shape() : parts.begin()->shape();
  for (const NestedNumbers& part : parts) {
    if (part.shape() != first) {
      fail("tensor: wanted parts of one shape side by side; got ", first, " and ", part.shape());
    }
    values_.insert(values_.end(), part.values().begin(), part.values().end());
  }
  shape_ = first;
  shape_.insert(0, static_cast<int64_t>(parts.size()));
}

Tensor tensor(const NestedNumbers& numbers, Dtype dtype) {
  return made_of("tensor", numbers.shape(), dtype,
                 [&](int64_t i) { return numbers.values()[static_cast<size_t>(i)]; });
}

// ---- from_values -------------------------------------------------------------------------------

template <>
Tensor from_values(const std::vector<float>& values, const Shape& shape) {
  return copied(values, shape);
}
template <>
Tensor from_values(const std::vector<double>& values, const Shape& shape) {
  return copied(values, shape);
}
template <>
Tensor from_values(const std::vector<int64_t>& values, const Shape& shape) {
  return copied(values, shape);
}
template <>
Tensor from_values(const std::vector<bool>& values, const Shape& shape) {
  return copied(values, shape);
}

}  // namespace rapt
