#include "draw.h"

#include <algorithm>
#include <limits>

namespace rapt::fuzz {

Draw::Draw(const uint8_t* data, size_t size, bool dense)
    : at_(data), end_(data + size), dense_(dense) {
  const int64_t kind = in(0, 7);
  if (kind % 4 == 3) dtype_ = Dtype::f64;
  numbers_ = kind < 6 ? Numbers::tame : kind == 6 ? Numbers::not_finite : Numbers::wild;
  noise_ = static_cast<uint64_t>(in(0, 255));
}

int64_t Draw::in(int64_t low, int64_t high) {
  const int64_t range = high - low + 1;
  int64_t drawn = byte();
  if (range > 256) drawn = drawn * 256 + byte();
  return low + drawn % range;
}

uint64_t Draw::noise() {  // splitmix64
  uint64_t z = (noise_ += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

double Draw::value() {
  constexpr double inf = std::numeric_limits<double>::infinity();
  static const std::vector<double> awkward = {
      inf,  -inf, 0,     -0.0,  1,  std::numeric_limits<double>::quiet_NaN(),
      -inf, 1e38, -1e38, 1e-40, 88, -104};
  const uint64_t bits = noise();
  const size_t kinds = numbers_ == Numbers::wild ? awkward.size() : 7;
  if (numbers_ != Numbers::tame && bits % 4 == 0) return awkward[bits / 4 % kinds];
  return static_cast<double>(static_cast<int64_t>(bits % 65536) - 32768) / 10000.0;
}

double Draw::number() {
  static const std::vector<double> usual = {0, 1, -1, 0.5, 2, 3, -2, 1.7, -2.3, 0.1, 1e-5, 1000};
  static const std::vector<double> odd = {-1e30, 1e300, std::numeric_limits<double>::infinity(),
                                          std::numeric_limits<double>::quiet_NaN()};
  return chance(16) && numbers_ == Numbers::wild ? one_of(odd) : one_of(usual);
}

Shape Draw::shape(int64_t least_rank, int64_t most_rank) {
  static const std::vector<int64_t> lengths = {1, 2, 3, 4, 5, 2, 3, 1, 0, 7, 16, 17, 33, 2, 3, 130};
  Shape out;
  int64_t elements = 1;
  for (int64_t rank = in(least_rank, most_rank); rank > 0; --rank) {
    int64_t length = one_of(lengths);
    if (elements * length > 4096) length = 2;
    elements *= std::max<int64_t>(1, length);
    out.push_back(length);
  }
  return out;
}

Shape Draw::beside(const Shape& shape) {
  if (chance(24)) return this->shape();
  Shape out = shape;
  const int64_t how = in(0, 7);
  for (int64_t axis = 0; axis < out.rank(); ++axis) {
    if (how == 1 || (how == 2 && chance(2))) out[axis] = 1;
  }
  while (how == 3 && out.rank() > 0 && chance(2)) out.erase(0);
  if (how == 4 && out.rank() < 4) out.insert(0, 2);
  return out;
}

int64_t Draw::axis(int64_t rank) {
  return chance(32) ? in(-9, 9) : in(-rank, std::max<int64_t>(0, rank - 1));
}

Axes Draw::axes(int64_t rank) {
  Axes out;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (chance(2)) out.push_back(chance(4) ? axis - rank : axis);
  }
  if (chance(32)) out.push_back(in(-9, 9));
  return out;
}

template <class Make>
Tensor Draw::laid_out(const Shape& shape, Make make) {
  const int64_t how = in(0, 7);
  const int64_t rank = shape.rank();
  Tensor x;
  if (rank == 0 || how < 2) {
    x = make(shape);
  } else if (how < 4) {  // the axes in another order
    Axes order;
    for (int64_t axis = 0; axis < rank; ++axis) order.insert(in(0, axis), axis);
    Shape there;
    Axes back = order;
    for (int64_t i = 0; i < rank; ++i) {
      there.push_back(shape[order[i]]);
      back[order[i]] = i;
    }
    x = permute(make(there), back);
  } else if (how == 4) {  // every other element
    const int64_t axis = in(0, rank - 1);
    Shape wide = shape;
    wide[axis] *= 2;
    x = slice(make(wide), axis, in(0, 1), wide[axis], 2);
  } else if (how == 5) {  // stretched
    Shape thin = shape;
    for (int64_t axis = 0; axis < rank; ++axis) {
      if (chance(2)) thin[axis] = 1;
    }
    x = expand(make(thin), shape);
  } else {  // a part
    const int64_t axis = in(0, rank - 1);
    Shape wide = shape;
    wide[axis] += 3;
    x = slice(make(wide), axis, 2, shape[axis] + 2);
  }
  return dense_ ? x.contiguous() : x;
}

Tensor Draw::floats(const Shape& shape) {
  floats_drawn_ += shape.numel();
  return laid_out(shape, [this](const Shape& s) {
    std::vector<double> values(static_cast<size_t>(s.numel()));
    for (double& v : values) v = value();
    leaves_.push_back(from_values(values, s).to(dtype_).detach().set_requires_grad());
    return leaves_.back();
  });
}

Tensor Draw::integers(const Shape& shape, int64_t low, int64_t high) {
  return laid_out(shape, [&](const Shape& s) {
    std::vector<int64_t> values(static_cast<size_t>(s.numel()));
    for (int64_t& v : values) {
      v = low + static_cast<int64_t>(noise() % static_cast<uint64_t>(high - low + 1));
    }
    return from_values(values, s);
  });
}

Tensor Draw::indices(const Shape& shape, int64_t below) {
  const int64_t wrong = chance(32) ? 1 : 0;
  return integers(shape, -wrong, std::max<int64_t>(0, below - 1) + wrong);
}

Tensor Draw::booleans(const Shape& shape) {
  return not_equal(integers(shape, 0, 3), zeros({}, Dtype::i64));
}

Tensor Draw::numbers(const Shape& shape) {
  return chance(5) ? integers(shape, -5, 5) : floats(shape);
}

Tensor Draw::anything(const Shape& shape) { return chance(8) ? booleans(shape) : numbers(shape); }

}  // namespace rapt::fuzz
