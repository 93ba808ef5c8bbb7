#include "rapt/autograd/random.h"

#include <bit>
#include <cmath>
#include <numbers>
#include <numeric>

#include "rapt/autograd/create.h"
#include "rapt/autograd/graph/draws.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/philox.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt {
namespace {

using kernels::Block;
using kernels::blocks_per_group;
using kernels::draws_per_group;
using kernels::lanes;

constexpr int64_t groups_per_piece = 256;

// Numbers of type T that one group of draws gives.
template <class T>
constexpr int64_t numbers_per_group = draws_per_group * 4 / static_cast<int64_t>(sizeof(T));

/// Uniform numbers in [0, 1) from a group of draws.
void to_unit(const uint32_t* draws, float* out) {
  for (int64_t i = 0; i < draws_per_group; ++i) out[i] = kernels::unit_float(draws[i]);
}
void to_unit(const uint32_t* draws, double* out) {
  constexpr int64_t half = draws_per_group / 2;
  for (int64_t i = 0; i < half; ++i) out[i] = kernels::unit_double(draws[i], draws[half + i]);
}

/// Normal numbers from as many uniform ones, in pairs (Box and Muller, 1958).
template <class T>
void to_normal(T* numbers) {
  constexpr int64_t half = numbers_per_group<T> / 2;
  for (int64_t i = 0; i < half; i += lanes) {
    // 1 - u is never 0.
    const Block<T> log_u = kernels::log<T>(T(1) - kernels::load(numbers + i));
    const Block<T> radius = kernels::sqrt<T>(T(-2) * log_u);
    const Block<T> angle = kernels::load(numbers + half + i) * T(2 * std::numbers::pi);
    kernels::store<T>(numbers + i, radius * kernels::cos(angle));
    kernels::store<T>(numbers + half + i, radius * kernels::sin(angle));
  }
}

/// Fills n elements, a group of draws at a time: make(draws, numbers) writes up to `per_group`.
template <class T, class Make>
void fill(Rng& rng, T* out, int64_t n, int64_t per_group, Make make) {
  const int64_t groups = kernels::ceil_div(n, per_group);
  const PhiloxKey at = rng.take(groups * blocks_per_group);
  kernels::parallel_for(groups, groups_per_piece, [&](int64_t begin, int64_t end) {
    uint32_t draws[draws_per_group];
    T numbers[draws_per_group];
    for (int64_t g = begin; g < end; ++g) {
      kernels::philox_group(at.key, at.counter + static_cast<uint64_t>(g * blocks_per_group),
                            draws);
      make(draws, numbers);
      std::copy_n(numbers, std::min(per_group, n - g * per_group), out + g * per_group);
    }
  });
}

void require_float(std::string_view op, Dtype dtype) {
  if (!is_float(dtype)) fail(op, ": wanted dtype f32 or f64; got ", dtype);
}

/// The high half of the 128-bit product: `range` equal parts of the 64-bit draws, to within
/// range / 2^64.
uint64_t scale_to(uint64_t draw, uint64_t range) {
  __extension__ using uint128 = unsigned __int128;
  return static_cast<uint64_t>((static_cast<uint128>(draw) * range) >> 64);
}

uint64_t range_of(std::string_view op, int64_t low, int64_t high) {
  if (low >= high) fail(op, ": wanted low < high; got ", low, " and ", high);
  return static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
}

int64_t shifted(int64_t low, uint64_t by) {
  return static_cast<int64_t>(static_cast<uint64_t>(low) + by);
}

}  // namespace

Rng::Rng(uint64_t seed) : key_(seed) {}

namespace {

thread_local Draws* noting = nullptr;
thread_local RepeatDraws* repeating = nullptr;

}  // namespace

PhiloxKey Rng::take(int64_t blocks) {
  PhiloxKey at{key_, counter_};
  if (repeating != nullptr) {
    at = repeating->next(blocks);
  } else {
    counter_ += static_cast<uint64_t>(blocks);
  }
  if (noting != nullptr) noting->add(at, blocks);
  return at;
}

NoteDraws::NoteDraws(Draws& into) : before_(noting) { noting = &into; }
NoteDraws::~NoteDraws() { noting = before_; }

RepeatDraws::RepeatDraws(const Draws& from) : from_(from), before_(repeating) { repeating = this; }
RepeatDraws::~RepeatDraws() { repeating = before_; }

namespace {

[[noreturn]] void fail_other_draws() {
  fail("recompute: wanted a function that draws the same random numbers whenever it runs; when it ",
       "ran again it drew others (was its layer switched between train and eval?)");
}

}  // namespace

PhiloxKey Draws::at(size_t i, int64_t blocks) const {
  if (i >= taken_.size() || taken_[i].blocks != blocks) fail_other_draws();
  return taken_[i].at;
}

void RepeatDraws::expect_all_taken() const {
  if (next_ != from_.size()) fail_other_draws();
}

namespace {

/// 64 random bits: the first two words of one block.
uint64_t draw(const PhiloxKey& at) {
  uint32_t draws[draws_per_group];
  kernels::philox_group(at.key, at.counter, draws);
  return static_cast<uint64_t>(draws[0]) << 32 | draws[blocks_per_group];
}

}  // namespace

Rng Rng::fork() { return Rng(draw(take(1))); }

double Rng::uniform() { return static_cast<double>(draw(take(1)) >> 11) * 0x1p-53; }

int64_t Rng::integer(int64_t low, int64_t high) {
  const uint64_t range = range_of("integer", low, high);
  return shifted(low, scale_to(draw(take(1)), range));
}

Tensor Rng::uniform(const Shape& shape, double low, double high, Dtype dtype) {
  require_float("uniform", dtype);
  if (!(low <= high)) fail("uniform: wanted low <= high; got ", low, " and ", high);
  Tensor out = empty(shape, dtype);
  visit_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T bottom = static_cast<T>(low), width = static_cast<T>(high - low);
    // low + width * u may round up to high.
    const T top = low < high ? std::nextafter(static_cast<T>(high), bottom) : bottom;
    fill(*this, fresh_data<T>(out), out.numel(), numbers_per_group<T>,
         [=](const uint32_t* draws, T* numbers) {
           to_unit(draws, numbers);
           for (int64_t i = 0; i < numbers_per_group<T>; ++i) {
             numbers[i] = std::min(bottom + width * numbers[i], top);
           }
         });
  });
  return out;
}

Tensor Rng::normal(const Shape& shape, double mean, double stddev, Dtype dtype) {
  require_float("normal", dtype);
  if (!(stddev >= 0)) fail("normal: wanted stddev >= 0; got ", stddev);
  Tensor out = empty(shape, dtype);
  visit_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    fill(*this, fresh_data<T>(out), out.numel(), numbers_per_group<T>,
         [m = static_cast<T>(mean), s = static_cast<T>(stddev)](const uint32_t* draws, T* numbers) {
           to_unit(draws, numbers);
           to_normal(numbers);
           for (int64_t i = 0; i < numbers_per_group<T>; ++i) numbers[i] = m + s * numbers[i];
         });
  });
  return out;
}

Tensor Rng::integers(int64_t low, int64_t high, const Shape& shape) {
  const uint64_t range = range_of("integers", low, high);
  Tensor out = empty(shape, Dtype::i64);
  constexpr int64_t half = draws_per_group / 2;
  fill(*this, fresh_data<int64_t>(out), out.numel(), half,
       [=](const uint32_t* draws, int64_t* numbers) {
         for (int64_t i = 0; i < half; ++i) {
           const uint64_t bits = static_cast<uint64_t>(draws[i]) << 32 | draws[half + i];
           numbers[i] = shifted(low, scale_to(bits, range));
         }
       });
  return out;
}

Tensor Rng::bernoulli(double p, const Shape& shape) {
  if (!(p >= 0 && p <= 1)) fail("bernoulli: wanted 0 <= p <= 1; got ", p);
  Tensor out = empty(shape, Dtype::b8);
  constexpr int64_t half = draws_per_group / 2;
  fill(*this, fresh_data<bool>(out), out.numel(), half, [=](const uint32_t* draws, bool* numbers) {
    for (int64_t i = 0; i < half; ++i) {
      numbers[i] = kernels::unit_double(draws[i], draws[half + i]) < p;
    }
  });
  return out;
}

Tensor Rng::permutation(int64_t n) {
  if (n < 0) fail("permutation: wanted n >= 0; got ", n);
  Tensor out = arange(n);
  int64_t* order = fresh_data<int64_t>(out);
  for (int64_t i = n - 1; i > 0; --i) std::swap(order[i], order[integer(0, i + 1)]);
  return out;
}

Tensor Rng::state() const {
  return from_values<int64_t>({std::bit_cast<int64_t>(key_), std::bit_cast<int64_t>(counter_)});
}

void Rng::set_state(const Tensor& state) {
  if (state.dtype() != Dtype::i64 || state.shape() != Shape{2}) {
    fail("set_state: wanted i64[2] from Rng::state; got ", state.dtype(), state.shape());
  }
  const std::vector<int64_t> words = state.values<int64_t>();
  key_ = std::bit_cast<uint64_t>(words[0]);
  counter_ = std::bit_cast<uint64_t>(words[1]);
}

}  // namespace rapt
