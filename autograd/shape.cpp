#include "rapt/autograd/shape.h"

#include <algorithm>

#include "rapt/autograd/error.h"

namespace rapt {

void Int::fail_large(uint64_t value) {
  fail("wanted an integer below 2^63; got ", std::to_string(value));
}

void Dims::fail_rank() const {
  fail("shape: wanted at most ", max_rank, " axes; got more than ", str());
}

void Shape::fail_size() const { fail("shape: ", *this, " has more elements than memory can hold"); }

int64_t add_lengths(std::string_view op, int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) {
    fail(op, ": wanted lengths whose sum is below 2^63; got ", a, " and ", b);
  }
  return sum;
}

void Dims::insert(int64_t position, int64_t value) {
  push_back(value);
  std::rotate(begin() + position, end() - 1, end());
}

void Dims::erase(int64_t position) {
  std::copy(begin() + position + 1, end(), begin() + position);
  --size_;
}

bool Dims::contains(int64_t value) const { return std::find(begin(), end(), value) != end(); }

std::string Dims::str() const {
  std::string out;
  append_list(out, *this);
  return out;
}

Strides row_major(const Shape& shape) {
  Strides strides = filled<Strides>(shape.rank(), 1);
  for (int64_t i = shape.rank() - 2; i >= 0; --i) {
    strides[i] = strides[i + 1] * std::max<int64_t>(shape[i + 1], 1);
  }
  return strides;
}

int64_t resolve_axis(std::string_view op, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) {
    fail(op, ": wanted an axis in [", -rank, ", ", rank, "); got ", axis);
  }
  return axis < 0 ? axis + rank : axis;
}

Axes resolve_axes(std::string_view op, const Axes& axes, int64_t rank) {
  Axes out;
  for (const int64_t axis : axes) {
    const int64_t resolved = resolve_axis(op, axis, rank);
    if (out.contains(resolved)) fail(op, ": wanted each axis once; got ", axes);
    out.push_back(resolved);
  }
  return out;
}

Shape broadcast(std::string_view op, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  const int64_t shift = longer.rank() - shorter.rank();
  for (int64_t i = 0; i < shorter.rank(); ++i) {
    int64_t& length = out[i + shift];
    if (length == shorter[i] || shorter[i] == 1) continue;
    if (length != 1) {
      fail(op, ": wanted shapes that broadcast (aligned at the last axis, equal or 1); got ", a,
           " and ", b);
    }
    length = shorter[i];
  }
  return out;
}

bool broadcasts_to(const Shape& from, const Shape& to) {
  const int64_t shift = to.rank() - from.rank();
  if (shift < 0) return false;
  for (int64_t i = 0; i < from.rank(); ++i) {
    if (from[i] != to[i + shift] && from[i] != 1) return false;
  }
  return true;
}

Shape reduced_shape(const Shape& shape, const Axes& axes, bool keepdim) {
  Shape out;
  for (int64_t i = 0; i < shape.rank(); ++i) {
    if (!axes.contains(i)) {
      out.push_back(shape[i]);
    } else if (keepdim) {
      out.push_back(1);
    }
  }
  return out;
}

}  // namespace rapt
