#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "rapt/autograd/error.h"

namespace rapt {

/// The type of a tensor's elements. b8 is one byte that holds 0 or 1.
enum class Dtype : uint8_t { f32, f64, i64, b8 };

/// "f32", "f64", "i64" or "b8".
std::string_view name_of(Dtype dtype);

/// Bytes of one element.
int64_t size_of(Dtype dtype);

/// True for f32 and f64: the dtypes that carry gradients.
inline bool is_float(Dtype dtype) { return dtype == Dtype::f32 || dtype == Dtype::f64; }

inline void append_text(std::string& out, Dtype dtype) { append_text(out, name_of(dtype)); }

/// The Dtype of a C++ element type.
template <class T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return Dtype::f32;
  } else if constexpr (std::is_same_v<T, double>) {
    return Dtype::f64;
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return Dtype::i64;
  } else {
    static_assert(std::is_same_v<T, bool>, "an element is float, double, int64_t or bool");
    return Dtype::b8;
  }
}

/// Calls f(float{}) or f(double{}): the one door from a runtime dtype to typed code.
template <class F>
decltype(auto) visit_float(Dtype dtype, F&& f) {
  if (dtype == Dtype::f32) return f(float{});
  if (dtype == Dtype::f64) return f(double{});
  fail("wanted a tensor of f32 or f64; got ", dtype);
}

/// Like visit_float, for i64 too.
template <class F>
decltype(auto) visit_number(Dtype dtype, F&& f) {
  if (dtype == Dtype::i64) return f(int64_t{});
  return visit_float(dtype, f);
}

/// Like visit_number, for b8 too.
template <class F>
decltype(auto) visit_any(Dtype dtype, F&& f) {
  if (dtype == Dtype::b8) return f(bool{});
  return visit_number(dtype, f);
}

}  // namespace rapt
