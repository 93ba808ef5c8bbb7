#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <vector>

#include "rapt/autograd/tensor.h"

/// Tensors from numbers. The result is dense and needs no gradient.
namespace rapt {

Tensor zeros(const Shape& shape, Dtype dtype = Dtype::f32);
Tensor ones(const Shape& shape, Dtype dtype = Dtype::f32);
Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::f32);
/// 0, 1, ..., n - 1.
Tensor arange(Int n, Dtype dtype = Dtype::i64);
/// begin, begin + step, ... up to but without end; throws when step leads away from it. For
/// fractions see linspace, which has no doubt about the last.
Tensor arange(Int begin, Int end, Int step = 1, Dtype dtype = Dtype::i64);
/// n numbers at equal distances, the first `begin` and the last `end`. f32 or f64.
Tensor linspace(double begin, double end, Int n, Dtype dtype = Dtype::f32);
/// The n x n identity.
Tensor eye(Int n, Dtype dtype = Dtype::f32);

/// Numbers in braces, nested once for each axis: what tensor() takes.
class NestedNumbers {
 public:
  NestedNumbers() : shape_{0} {}
  template <class T>
  requires std::is_arithmetic_v<T> NestedNumbers(T number) : values_{static_cast<double>(number)} {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      if (const Int integer = number; !integer.fits_double()) fail_inexact(integer);
    }
  }
  NestedNumbers(std::initializer_list<NestedNumbers> parts);

  const Shape& shape() const { return shape_; }
  const std::vector<double>& values() const { return values_; }

 private:
  [[noreturn]] static void fail_inexact(int64_t number);

  Shape shape_;
  std::vector<double> values_;  // in row-major order
};

/// The numbers as a tensor of any rank: tensor(3.0), tensor({1, 2}), tensor({{1, 2}, {3, 4}}), ...
/// Throws when parts side by side have different shapes, or a number is none of the dtype's.
Tensor tensor(const NestedNumbers& numbers, Dtype dtype = Dtype::f32);

/// Elements in row-major order, copied. The dtype is f32, f64 or b8 for float, double or bool; i64
/// for int64_t and for shorter integers.
template <class T>
Tensor from_values(const std::vector<T>& values, const Shape& shape) {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> ||
                    (std::is_integral_v<T> && (sizeof(T) < 8 || std::is_signed_v<T>)),
                "rapt: from_values takes float, double, bool, int64_t and shorter integers; "
                "convert the others to one of these");
  return from_values(std::vector<int64_t>(values.begin(), values.end()), shape);
}
template <>
Tensor from_values(const std::vector<float>& values, const Shape& shape);
template <>
Tensor from_values(const std::vector<double>& values, const Shape& shape);
template <>
Tensor from_values(const std::vector<int64_t>& values, const Shape& shape);
template <>
Tensor from_values(const std::vector<bool>& values, const Shape& shape);
/// As above, one axis.
template <class T>
Tensor from_values(const std::vector<T>& values) {
  return from_values(values, Shape{values.size()});
}

/// Elements in row-major order where they lie in memory of the caller's, float, double, int64_t or
/// bool, without a copy. They are only read: what would write there throws. `owner` lives as long
/// as anybody sees them:
///
///   auto pixels = std::make_shared<std::vector<float>>(read_image());
///   Tensor image = from_memory(pixels->data(), {height, width}, pixels);
///
/// What others write there rapt cannot notice: between an op and its gradient it must not change.
template <class T>
Tensor from_memory(const T* data, const Shape& shape, std::shared_ptr<const void> owner);

}  // namespace rapt
