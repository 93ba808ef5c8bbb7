#include "rapt/optim/block.h"

#include <algorithm>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt::optim {
namespace {

// Elements of a piece: enough to outweigh handing it to a thread.
constexpr int64_t grain = 16384;

}  // namespace

void Block::add(int64_t elements) {
  ends_.push_back((ends_.empty() ? 0 : ends_.back()) + elements);
}

int64_t Block::pieces() const { return ends_.empty() ? 0 : kernels::ceil_div(ends_.back(), grain); }

void Block::for_each(FunctionRef<void(int64_t, size_t, int64_t, int64_t)> f) const {
  kernels::parallel_for(pieces(), 1, [&](int64_t first, int64_t last) {
    for (int64_t piece = first; piece < last; ++piece) {
      int64_t at = piece * grain;
      const int64_t end = std::min(at + grain, ends_.back());
      auto tensor =
          static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), at) - ends_.begin());
      for (; at < end; ++tensor) {
        const int64_t start = tensor == 0 ? 0 : ends_[tensor - 1];
        const int64_t stop = std::min(end, ends_[tensor]);
        if (at < stop) f(piece, tensor, at - start, stop - start);
        at = std::max(at, stop);
      }
    }
  });
}

}  // namespace rapt::optim
