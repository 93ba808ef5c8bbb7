#include "rapt/optim/block.h"

#include <gtest/gtest.h>

#include <mutex>
#include <vector>

#include "rapt/autograd/threads.h"

namespace rapt::optim {
namespace {

/// How often each element of each tensor is visited, and in how many different pieces.
std::vector<std::vector<int>> visits(const std::vector<int64_t>& sizes) {
  Block block;
  std::vector<std::vector<int>> seen;
  for (const int64_t size : sizes) {
    block.add(size);
    seen.emplace_back(static_cast<size_t>(size), 0);
  }
  std::mutex mutex;
  block.for_each([&](int64_t piece, size_t tensor, int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    EXPECT_LT(piece, block.pieces());
    EXPECT_LT(begin, end);
    for (int64_t i = begin; i < end; ++i) ++seen.at(tensor).at(static_cast<size_t>(i));
  });
  return seen;
}

TEST(Block, VisitsEveryElementOnce) {
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{},
                                            {0},
                                            {1},
                                            {3, 0, 0, 5, 1},
                                            {16384},
                                            {16383, 2, 16384, 1},
                                            {40000, 7, 100000, 0}}) {
    for (const std::vector<int>& tensor : visits(sizes)) {
      EXPECT_EQ(tensor, std::vector<int>(tensor.size(), 1));
    }
  }
}

// The pieces fix the order of sums: they must not change with the threads.
TEST(Block, HasTheSamePiecesForAnyNumberOfThreads) {
  const auto pieces = [] {
    Block block;
    for (const int64_t size : {10, 50'000, 3, 30'000}) block.add(size);
    std::vector<std::vector<int64_t>> found(static_cast<size_t>(block.pieces()));
    block.for_each([&](int64_t piece, size_t tensor, int64_t begin, int64_t end) {
      auto& mine = found[static_cast<size_t>(piece)];
      mine.insert(mine.end(), {static_cast<int64_t>(tensor), begin, end});
    });
    return found;
  };
  const int before = num_threads();
  set_num_threads(1);
  const auto one = pieces();
  set_num_threads(3);
  EXPECT_EQ(pieces(), one);
  set_num_threads(before);
}

}  // namespace
}  // namespace rapt::optim
