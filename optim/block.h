#pragma once

#include <cstdint>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/pool.h"

namespace rapt::optim {

/// Several tensors as one block of elements, so that a pass over all parameters is one loop: the
/// threads are called once, and share the work evenly however small a parameter is. The block is
/// cut into pieces of a fixed size, which fixes the bits of whatever is added up in it.
class Block {
 public:
  /// The next tensor has that many elements.
  void add(int64_t elements);

  int64_t pieces() const;
  /// Calls f(piece, tensor, begin, end) for the elements [begin, end) of each tensor in each piece,
  /// pieces spread over the threads.
  void for_each(FunctionRef<void(int64_t, size_t, int64_t, int64_t)> f) const;

 private:
  PoolVector<int64_t> ends_;  // where each tensor ends in the block
};

}  // namespace rapt::optim
