#include "rapt/data/shuffle.h"

#include <algorithm>

#include "rapt/autograd/error.h"
#include "rapt/data/detail/hash.h"

namespace rapt::data {

using detail::mix;

Shuffle::Shuffle(int64_t size, uint64_t seed, int64_t epoch) : size_(static_cast<uint64_t>(size)) {
  if (size < 1) fail("Shuffle: wanted a size of at least 1; got ", size);
  const uint64_t stream = mix(seed, static_cast<uint64_t>(epoch));
  for (uint64_t round = 0; round < rounds; ++round) {
    keys_[round] = mix(stream, 2 * round) % size_;
    coins_[round] = mix(stream, 2 * round + 1);
  }
}

int64_t Shuffle::operator[](int64_t position) const {
  uint64_t x = static_cast<uint64_t>(position);
  if (x >= size_) fail("Shuffle: wanted a position in [0, ", size_, "); got ", position);
  for (int round = 0; round < rounds; ++round) {
    const uint64_t key = keys_[round];
    const uint64_t partner = key >= x ? key - x : key + size_ - x;
    const uint64_t pair = std::max(x, partner);
    if (mix(coins_[round], pair) & 1) x = partner;
  }
  return static_cast<int64_t>(x);
}

}  // namespace rapt::data
