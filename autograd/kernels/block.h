#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "rapt/autograd/kernels/eigen.h"

/// The vectors that rapt's loops are made of. A Block always goes through vector instructions, the
/// tail of an array padded, so the value computed for an element does not depend on where it lies.
namespace rapt::kernels {

inline constexpr int lanes = 16;

template <class T>
using Block = eigen::Array<T, lanes, 1>;

/// What partial results of T are kept in, so that a long sum of f32 does not stop growing, and that
/// of i64 wraps around, where signed numbers would be undefined.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double,
                                std::conditional_t<std::is_same_v<T, int64_t>, uint64_t, T>>;

/// 16 numbers of `from` in another type, at `to`. In vectors of the machine's own width, and all
/// written as they will be read: g++ 12 leaves a Block in memory where they are not, and what was
/// stored in halves and is loaded whole has to wait until it is there, which took up to ten times
/// the rest of a sum. With AVX2, Eigen's cast is a call for each Block.
template <class To, class From>
[[gnu::always_inline]] inline void convert_block(const From* from, To* to) {
#ifdef __AVX512F__
  if constexpr (std::is_same_v<To, double>) {
    const __m512d x = _mm512_castps_pd(_mm512_loadu_ps(from));
    const auto half = [](__m256d floats) { return _mm512_cvtps_pd(_mm256_castpd_ps(floats)); };
    _mm512_storeu_pd(to, half(_mm512_castpd512_pd256(x)));
    _mm512_storeu_pd(to + 8, half(_mm512_extractf64x4_pd(x, 1)));
  } else {
    const auto half = [&](int64_t at) {
      return _mm256_castps_pd(_mm512_cvtpd_ps(_mm512_loadu_pd(from + at)));
    };
    const __m512d y = _mm512_insertf64x4(_mm512_castpd256_pd512(half(0)), half(8), 1);
    _mm512_storeu_ps(to, _mm512_castpd_ps(y));
  }
#elif defined(__AVX__)
  if constexpr (std::is_same_v<To, double>) {
    for (int64_t i = 0; i < 16; i += 4) {
      _mm256_storeu_pd(to + i, _mm256_cvtps_pd(_mm_loadu_ps(from + i)));
    }
  } else {
    for (int64_t i = 0; i < 16; i += 8) {
      const __m128 low = _mm256_cvtpd_ps(_mm256_loadu_pd(from + i)),
                   high = _mm256_cvtpd_ps(_mm256_loadu_pd(from + i + 4));
      _mm256_storeu_ps(to + i, _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1));
    }
  }
#else
  for (int64_t i = 0; i < 16; ++i) to[i] = static_cast<To>(from[i]);
#endif
}

/// x in another type, number by number.
template <class To, class From>
[[gnu::always_inline]] inline Block<To> converted(const Block<From>& x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (std::is_floating_point_v<To> && std::is_floating_point_v<From>) {
    static_assert(lanes == 16);
    Block<To> y;
    convert_block(x.data(), y.data());
    return y;
  } else {
    return x.template cast<To>();
  }
}

/// i64 as numbers whose sums and products wrap around; the others as they are.
template <class T>
using Wrapping = std::conditional_t<std::is_same_v<T, int64_t>, uint64_t, T>;

/// f of the blocks, which wraps around if they are of i64.
template <class F, class T, class... More>
[[gnu::always_inline]] inline Block<T> wrapping(F f, const Block<T>& u, const More&... more) {
  if constexpr (std::is_same_v<T, Wrapping<T>>) return f(u, more...);
  const auto cast = [](const Block<T>& block) -> Block<Wrapping<T>> {
    return block.template cast<Wrapping<T>>();
  };
  return f(cast(u), cast(more)...).template cast<T>();
}

/// A vector of the machine's own width, and its length.
template <class T>
using VectorOf = typename packets::packet_traits<T>::type;
template <class T>
inline constexpr int lanes_of = packets::unpacket_traits<VectorOf<T>>::size;

template <class T>
[[gnu::always_inline]] inline Block<T> load(const T* from) {
  return eigen::Map<const Block<T>>(from);
}

/// The first `count` lanes from memory, the others `fill`.
template <class T>
Block<T> load_part(const T* from, int64_t count, T fill) {
  Block<T> out = Block<T>::Constant(fill);
  for (int64_t i = 0; i < count; ++i) out[i] = from[i];
  return out;
}

template <class T>
[[gnu::always_inline]] inline void store(T* to, const Block<T>& block) {
  eigen::Map<Block<T>>{to} = block;
}

template <class T>
void store_part(T* to, const Block<T>& block, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = block[i];
}

/// to = the transpose of `from`, both lanes_of<T> x lanes_of<T>, in registers; rows lie that far
/// apart.
template <class T>
void transpose_square(const T* from, int64_t from_stride, T* to, int64_t to_stride) {
  constexpr int side = lanes_of<T>;
  packets::PacketBlock<VectorOf<T>, side> square;
  for (int i = 0; i < side; ++i)
    square.packet[i] = packets::ploadu<VectorOf<T>>(from + i * from_stride);
  packets::ptranspose(square);
  for (int i = 0; i < side; ++i) packets::pstoreu(to + i * to_stride, square.packet[i]);
}

}  // namespace rapt::kernels
