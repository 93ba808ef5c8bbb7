#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "rapt/autograd/autograd.h"

namespace rapt::fuzz {

/// What a fuzzer looks for: rapt did something that it never should.
struct Finding : std::logic_error {
  using std::logic_error::logic_error;
};

template <class... Parts>
void require(bool holds, const Parts&... parts) {
  if (!holds) throw Finding(text(parts...));
}

/// Arguments made of a fuzzer's bytes: small tensors of every dtype and layout, mostly such as fit
/// each other. The same bytes give the same arguments; when they are used up, 0 comes.
class Draw {
 public:
  /// With `dense`, the same values in row-major order, whatever layout the bytes ask for.
  Draw(const uint8_t* data, size_t size, bool dense);

  int64_t in(int64_t low, int64_t high);  ///< both included
  /// One time in `of`; never once the bytes are used up.
  bool chance(int64_t of) { return in(1, of) == of; }
  template <class T>
  const T& one_of(const std::vector<T>& of) {
    return of[static_cast<size_t>(in(0, static_cast<int64_t>(of.size()) - 1))];
  }
  double number();
  Shape shape(int64_t least_rank = 0, int64_t most_rank = 4);
  /// One that broadcasts with it, mostly.
  Shape beside(const Shape& shape);
  int64_t axis(int64_t rank);
  Axes axes(int64_t rank);

  /// f32 or f64, the same for all of these bytes.
  Dtype dtype() const { return dtype_; }
  Tensor floats(const Shape& shape);
  Tensor integers(const Shape& shape, int64_t low, int64_t high);
  /// Indices below that, mostly.
  Tensor indices(const Shape& shape, int64_t below);
  Tensor booleans(const Shape& shape);
  /// floats, or i64; or any dtype.
  Tensor numbers(const Shape& shape);
  Tensor anything(const Shape& shape);

  /// The leaves that floats() has made.
  const Tensors& leaves() const { return leaves_; }
  /// How many numbers floats() has made, a stretched one as often as it is seen.
  int64_t floats_drawn() const { return floats_drawn_; }
  /// What the leaves hold: numbers near 1; those, inf and NaN; or whatever may overflow.
  enum class Numbers { tame, not_finite, wild };
  Numbers numbers_drawn() const { return numbers_; }
  /// A call says so whose results come near the largest number.
  void set_wild() { numbers_ = Numbers::wild; }
  /// True when the bytes have been used up.
  bool is_over() const { return at_ == end_; }

 private:
  uint8_t byte() { return at_ == end_ ? 0 : *at_++; }
  uint64_t noise();
  double value();
  /// A tensor of that shape whose elements make(shape) draws, as a view of some layout.
  template <class Make>
  Tensor laid_out(const Shape& shape, Make make);

  const uint8_t* at_;
  const uint8_t* end_;
  const bool dense_;
  uint64_t noise_ = 0;
  Dtype dtype_ = Dtype::f32;
  Numbers numbers_ = Numbers::tame;
  Tensors leaves_;
  int64_t floats_drawn_ = 0;
};

}  // namespace rapt::fuzz
