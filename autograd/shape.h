#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>

#include "rapt/autograd/error.h"

namespace rapt {

/// A whole number given to a function: a length, an index or an axis. A bool or a floating-point
/// number does not become one.
class Int {
 public:
  template <class T>
  requires std::is_arithmetic_v<T>
  constexpr Int(T value) : value_(static_cast<int64_t>(value)) {
    static_assert(
        std::is_integral_v<T> && !std::is_same_v<T, bool>,
        "rapt: a length, an index or an axis is an integer, and neither a bool nor a "
        "floating-point number; what can be switched on stands in braces behind it, as in "
        "sum(x, axes, {.keepdim = true})");
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(int64_t)) {
      if (value_ < 0) fail_large(value);
    }
  }
  constexpr operator int64_t() const { return value_; }
  /// False for some integers beyond 2^53.
  constexpr bool fits_double() const {
    const auto bits = static_cast<uint64_t>(value_);
    const uint64_t size = value_ < 0 ? 0 - bits : bits;
    return size == 0 || std::bit_width(size) - std::countr_zero(size) <= 53;
  }

 private:
  [[noreturn]] static void fail_large(uint64_t value);

  int64_t value_;
};

inline void append_text(std::string& out, Int part) { append_integer(out, part); }

/// A short list of integers, one per axis, held inline: no heap. At most max_rank of them. What
/// they are says the class derived from it: no such list becomes one of another kind.
class Dims {
 public:
  static constexpr int64_t max_rank = 8;

  Dims() = default;
  Dims(std::initializer_list<Int> values) {
    for (const int64_t value : values) push_back(value);
  }
  template <std::input_iterator Iterator>
  Dims(Iterator first, Iterator last) {
    for (; first != last; ++first) push_back(*first);
  }

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t operator[](int64_t i) const { return values_[i]; }
  int64_t& operator[](int64_t i) { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  int64_t& back() { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_.data(); }
  const int64_t* end() const { return values_.data() + size_; }
  int64_t* begin() { return values_.data(); }
  int64_t* end() { return values_.data() + size_; }
  void push_back(int64_t value) {
    if (size_ == max_rank) fail_rank();
    values_[size_++] = value;
  }
  void pop_back() { --size_; }
  void insert(int64_t position, int64_t value);
  void erase(int64_t position);
  bool contains(int64_t value) const;

  bool operator==(const Dims& other) const {
    if (size_ != other.size_) return false;
    for (int64_t i = 0; i < size_; ++i) {
      if (values_[i] != other.values_[i]) return false;
    }
    return true;
  }
  /// "[2, 3, 4]".
  std::string str() const;

 private:
  [[noreturn]] void fail_rank() const;

  std::array<int64_t, max_rank> values_{};
  int64_t size_ = 0;
};

/// The length of each axis. A scalar has none.
class Shape : public Dims {
 public:
  using Dims::Dims;
  template <class T>
  requires std::is_arithmetic_v<T> Shape(T one) : Dims({Int(one)}) {}
  /// Elements in all: 1 for a scalar, 0 as soon as one axis is empty. Throws when the lengths other
  /// than 0 multiply to more than an int64_t holds, as no tensor's do.
  int64_t numel() const {
    int64_t n = 1;
    bool empty = false, fits = true;
    for (const int64_t length : *this) {
      if (length == 0) {
        empty = true;
      } else {
        fits &= !__builtin_mul_overflow(n, length, &n);
      }
    }
    if (!fits) fail_size();
    return empty ? 0 : n;
  }
  int64_t rank() const { return size(); }

 private:
  [[noreturn]] void fail_size() const;
};

/// The step, in elements, from one index to the next along each axis. 0 where an axis is expanded.
class Strides : public Dims {
 public:
  using Dims::Dims;
  template <class T>
  requires std::is_arithmetic_v<T> Strides(T one) : Dims({Int(one)}) {}
};

/// Axes of a tensor by number; a negative one counts from the last.
class Axes : public Dims {
 public:
  using Dims::Dims;
  template <class T>
  requires std::is_arithmetic_v<T> Axes(T one) : Dims({Int(one)}) {}
  template <std::same_as<Shape> T>
  Axes(const T&) {
    static_assert(
        !std::is_same_v<T, Shape>,
        "rapt: a Shape is a list of lengths, not of axes; write the axes by number, as in "
        "sum(x, {0, 1})");
  }
};

/// `count` times `value`.
template <std::derived_from<Dims> List>
List filled(int64_t count, int64_t value) {
  List out;
  for (int64_t i = 0; i < count; ++i) out.push_back(value);
  return out;
}

/// a + b, for lengths along an axis; throws naming the op when int64_t does not hold it.
int64_t add_lengths(std::string_view op, int64_t a, int64_t b);

/// The strides of a dense row-major tensor of that shape.
Strides row_major(const Shape& shape);

/// `axis` in [0, rank); throws when it is outside [-rank, rank).
int64_t resolve_axis(std::string_view op, int64_t axis, int64_t rank);

/// Each axis in [0, rank), none twice; throws otherwise.
Axes resolve_axes(std::string_view op, const Axes& axes, int64_t rank);

/// NumPy's rule: aligned at the last axis, 1 stretches; throws naming both shapes otherwise.
Shape broadcast(std::string_view op, const Shape& a, const Shape& b);

/// True when `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to);

/// The shape left by a reduction over `axes` (resolved).
Shape reduced_shape(const Shape& shape, const Axes& axes, bool keepdim);

}  // namespace rapt
