#pragma once

// Private to rapt's own sources: which examples make a batch.

#include <cstdint>
#include <vector>

#include "rapt/autograd/named_tensors.h"

namespace rapt::data::detail {

/// The largest size of a tensor's axis 0 in an example; 1 when it has scalars alone.
int64_t length_of(const NamedTensors& example);

struct BatchLimits {
  int64_t examples;  ///< of a batch, at most
  int64_t tokens;    ///< examples x the longest of them, at most; 0: any number
};

/// True when a batch of so many examples, the longest of that length, lies within the limits.
bool fits(const BatchLimits& limits, int64_t examples, int64_t longest);

/// The examples 0 ... lengths.size() - 1 as batches: the shortest first, in the given order where
/// they are as long. An example that fits into no batch makes one of its own.
std::vector<std::vector<int64_t>> batches_by_length(const std::vector<int64_t>& lengths,
                                                    const BatchLimits& limits);

}  // namespace rapt::data::detail
