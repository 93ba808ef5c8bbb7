#pragma once

#include <array>
#include <cstdint>

namespace rapt::data {

/// A random order of 0 ... size - 1: a pure function of (size, seed, epoch). It is computed, not
/// stored, so the order of a billion examples takes a few hundred bytes, and a resumed run enters
/// the middle of an epoch at once.
///
/// The swap-or-not shuffle (Hoang, Morris, Rogaway, CRYPTO 2012, arXiv:1208.1176): in every round
/// each card x is paired with key - x (mod size), and a coin for the pair says whether the two
/// change places.
class Shuffle {
 public:
  /// Throws unless size >= 1.
  Shuffle(int64_t size, uint64_t seed, int64_t epoch);
  /// The number at that place of the order, 0 <= position < size.
  int64_t operator[](int64_t position) const;

 private:
  static constexpr int rounds = 48;

  uint64_t size_;
  std::array<uint64_t, rounds> keys_;   // the pairing of each round
  std::array<uint64_t, rounds> coins_;  // the seed of each round's coins
};

}  // namespace rapt::data
