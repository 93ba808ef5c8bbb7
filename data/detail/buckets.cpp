#include "rapt/data/detail/buckets.h"

#include <algorithm>
#include <numeric>

namespace rapt::data::detail {

int64_t length_of(const NamedTensors& example) {
  int64_t longest = 1;
  for (const auto& [name, tensor] : example) {
    if (tensor.rank() > 0) longest = std::max(longest, tensor.size(0));
  }
  return longest;
}

bool fits(const BatchLimits& limits, int64_t examples, int64_t longest) {
  return examples <= limits.examples && (limits.tokens == 0 || examples <= limits.tokens / longest);
}

std::vector<std::vector<int64_t>> batches_by_length(const std::vector<int64_t>& lengths,
                                                    const BatchLimits& limits) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto length = [&](int64_t i) { return lengths[static_cast<size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return length(a) < length(b); });
  std::vector<std::vector<int64_t>> out;
  for (const int64_t i : order) {
    // In this order, the longest one is the last.
    const int64_t with_it = out.empty() ? 1 : static_cast<int64_t>(out.back().size()) + 1;
    if (out.empty() || !fits(limits, with_it, length(i))) out.emplace_back();
    out.back().push_back(i);
  }
  return out;
}

}  // namespace rapt::data::detail
