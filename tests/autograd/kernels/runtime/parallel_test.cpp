#include "rapt/autograd/kernels/runtime/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../../../support/tensors.h"

namespace rapt::kernels {
namespace {

using tests::WithThreads;
using Pieces = std::multiset<std::pair<int64_t, int64_t>>;

Pieces pieces_of(int64_t n, int64_t grain) {
  std::mutex mutex;
  Pieces out;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    const std::lock_guard lock(mutex);
    out.emplace(begin, end);
  });
  return out;
}

TEST(ParallelFor, PiecesDependOnTheSizesAlone) {
  for (const int threads : {1, 2, 5}) {
    const WithThreads scope(threads);
    EXPECT_EQ(pieces_of(10, 4), (Pieces{{0, 4}, {4, 8}, {8, 10}}));
    EXPECT_EQ(pieces_of(3, 4), (Pieces{{0, 3}}));
    EXPECT_EQ(pieces_of(8, 4), (Pieces{{0, 4}, {4, 8}}));
    EXPECT_EQ(pieces_of(0, 4), Pieces{});
    EXPECT_EQ(pieces_of(1000, 1).size(), 1000u);
  }
}

TEST(ParallelFor, EveryIndexIsVisitedOnceManyTimesOver) {
  const WithThreads scope(4);
  std::vector<int> visits(1000);
  for (int repeat = 1; repeat <= 300; ++repeat) {
    parallel_for(1000, 7, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
    });
    for (const int count : visits) ASSERT_EQ(count, repeat);
  }
}

TEST(ParallelFor, ALoopInsideALoopRunsInItsThread) {
  const WithThreads scope(3);
  std::atomic<int> sum{0}, elsewhere{0};
  parallel_for(20, 1, [&](int64_t, int64_t) {
    const std::thread::id here = std::this_thread::get_id();
    parallel_for(10, 1, [&](int64_t begin, int64_t end) {
      elsewhere += std::this_thread::get_id() != here;
      sum += static_cast<int>(end - begin);
    });
  });
  EXPECT_EQ(sum, 200);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ParallelFor, CallersFromSeveralThreadsAtOnce) {
  const WithThreads scope(3);
  std::vector<std::thread> callers;
  std::vector<int64_t> sums(4);
  for (size_t c = 0; c < sums.size(); ++c) {
    callers.emplace_back([&sums, c] {
      for (int repeat = 0; repeat < 200; ++repeat) {
        std::atomic<int64_t> sum{0};
        parallel_for(100, 3, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) sum += i;
        });
        sums[c] += sum;
      }
    });
  }
  for (std::thread& t : callers) t.join();
  for (const int64_t s : sums) EXPECT_EQ(s, 200 * 4950);
}

TEST(ParallelFor, UsesAsManyThreadsAsAreSet) {
  const WithThreads scope(3);
  EXPECT_EQ(num_threads(), 3);
  std::mutex mutex;
  std::set<std::thread::id> seen;
  std::atomic<int> arrived{0};
  // Three pieces that wait for one another: they need three threads.
  parallel_for(3, 1, [&](int64_t, int64_t) {
    {
      const std::lock_guard lock(mutex);
      seen.insert(std::this_thread::get_id());
    }
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(seen.size(), 3u);
}

TEST(Threads, AreCounted) {
  EXPECT_GE(num_threads(), 1);
  EXPECT_EQ(tests::error_of([] { set_num_threads(0); }), "set_num_threads: wanted 1 to 256; got 0");
  EXPECT_EQ(tests::error_of([] { set_num_threads(257); }),
            "set_num_threads: wanted 1 to 256; got 257");
}

TEST(ParallelFor, WhatIsThrownReachesTheCaller) {
  for (const int threads : {1, 2, 4}) {
    const WithThreads scope(threads);
    for (int repeat = 0; repeat < 50; ++repeat) {
      for (const int64_t bad : {0, 7, 99}) {
        try {
          parallel_for(100, 1, [&](int64_t begin, int64_t) {
            if (begin >= bad) throw std::runtime_error(std::to_string(begin));
          });
          FAIL() << "nothing thrown";
        } catch (const std::runtime_error& error) {
          EXPECT_GE(std::stoll(error.what()), bad);
        }
        EXPECT_EQ(pieces_of(10, 4), (Pieces{{0, 4}, {4, 8}, {8, 10}}));  // all is as before
      }
    }
  }
}

TEST(ParallelFor, OfSeveralExceptionsTheFirstPiecesIsThrown) {
  const WithThreads scope(4);
  for (const bool ascending : {true, false}) {  // the order in which they are thrown
    std::atomic<int64_t> waiting{0}, turn{0};
    try {
      parallel_for(4, 1, [&](int64_t begin, int64_t) {
        ++waiting;
        while (waiting < 4) std::this_thread::yield();  // all four pieces have begun
        while (turn != (ascending ? begin : 3 - begin)) std::this_thread::yield();
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the one before is thrown
        ++turn;
        throw std::runtime_error(std::to_string(begin));
      });
      FAIL() << "nothing thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "0");
    }
  }
}

}  // namespace
}  // namespace rapt::kernels
