#include "rapt/autograd/kernels/runtime/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/gemm/blas.h"
#include "rapt/autograd/kernels/runtime/fork.h"
#include "rapt/autograd/threads.h"

namespace rapt {
namespace kernels {
namespace {

using Body = FunctionRef<void(int64_t, int64_t)>;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// The part of a core that cgroup v2 grants, rounded up; a large number when it does not say.
int cgroup_cores() {
  int cores = 1 << 20;
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/sys/fs/cgroup/cpu.max", "r"),
                                                   [](FILE* f) { return f ? std::fclose(f) : 0; });
  double quota = 0, period = 0;
  if (file && std::fscanf(file.get(), "%lf %lf", &quota, &period) == 2 && period > 0) {
    cores = std::max(1, static_cast<int>(std::ceil(quota / period)));
  }
  return cores;
}

int usable_cores() {
  cpu_set_t mask;
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof mask, &mask) == 0) cores = CPU_COUNT(&mask);
  return std::clamp(std::min(cores, cgroup_cores()), 1, 256);
}

thread_local bool inside_region = false;

/// The threads, and the one loop that they work on at a time.
class Workers {
 public:
  Workers() { handle_forks(); }
  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void resize(int threads) {
    const std::lock_guard lock(region_);
    stop();
    threads_ = threads;
  }

  /// False when the threads are busy with another caller's loop.
  bool run(int64_t n, int64_t grain, Body body) {
    const std::unique_lock lock(region_, std::try_to_lock);
    if (!lock) return false;
    if (helpers_.empty()) start();
    body_ = &body;
    n_ = n;
    grain_ = grain;
    const int64_t pieces = ceil_div(n, grain), count = static_cast<int64_t>(shares_.size());
    for (int64_t i = 0; i < count; ++i) {
      Share& share = shares_[static_cast<size_t>(i)];
      share.next.store(pieces * i / count, std::memory_order_relaxed);
      share.end = pieces * (i + 1) / count;
    }
    failed_ = false;
    open_.store(true);
    generation_.fetch_add(1);
    generation_.notify_all();
    inside_region = true;
    work(0);
    inside_region = false;
    // Nobody enters any more; wait for those who did: they still hold the body.
    open_.store(false);
    for (int spins = 0; inside_.load() != 0; ++spins) {
      if (spins < spins_before_yield) {
        pause_briefly();
      } else {
        std::this_thread::yield();
      }
    }
    if (failed_) std::rethrow_exception(std::exchange(error_, nullptr));
    return true;
  }

  /// A thread that is in a loop itself does not wait for it.
  void fork(ForkPhase phase) {
    if (inside_region) return;
    if (phase == ForkPhase::before) return region_.lock();
    if (phase == ForkPhase::in_child) {
      // The helpers are not there; their handles can be neither joined nor destroyed.
      new (&helpers_) std::vector<std::thread>;
      open_ = false;
      inside_ = 0;
      callers = 0;
    }
    region_.unlock();
  }

  static inline std::atomic<int> callers{0};  // threads of the program in a loop worth sharing

 private:
  static constexpr int spins_before_yield = 2000;
  static constexpr int spins_before_sleep = 4000;  // tens of microseconds: the gap between two ops

  void start() {
    stopping_ = false;
    shares_ = std::vector<Share>(static_cast<size_t>(threads()));
    try {
      for (size_t i = 1; i < shares_.size(); ++i) {
        helpers_.emplace_back([this, i, seen = generation_.load()] { help(i, seen); });
      }
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are do all shares.
    }
  }

  void stop() {
    stopping_ = true;
    generation_.fetch_add(1);
    generation_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
    helpers_.clear();
  }

  void help(size_t own, uint64_t seen) {
    inside_region = true;
    keep_blas_to_this_thread();
    while (true) {
      for (int spins = 0; generation_.load(std::memory_order_acquire) == seen; ++spins) {
        if (spins < spins_before_sleep) {
          pause_briefly();
        } else {
          generation_.wait(seen);
        }
      }
      seen = generation_.load();
      if (stopping_) return;
      inside_.fetch_add(1);
      if (open_.load()) work(own);
      inside_.fetch_sub(1);
    }
  }

  /// The pieces of its own share, then what others have not come to yet. Loops over the same rows
  /// thus find them in the cache of the core that wrote them.
  void work(size_t own) {
    for (size_t i = 0; i < shares_.size(); ++i) {
      Share& share = shares_[(own + i) % shares_.size()];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t piece = share.next.fetch_add(1, std::memory_order_relaxed);
        if (piece >= share.end || failed_.load(std::memory_order_relaxed)) break;
        try {
          (*body_)(piece * grain_, std::min((piece + 1) * grain_, n_));
        } catch (...) {
          note_error(piece);
        }
      }
    }
  }

  void note_error(int64_t piece) {
    const std::lock_guard lock(error_mutex_);
    if (failed_ && error_piece_ < piece) return;
    error_ = std::current_exception();
    error_piece_ = piece;
    failed_ = true;
  }

  /// Pieces [next, end), on a line of the cache of their own.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  std::mutex region_;  // held by the caller whose loop is running
  std::vector<std::thread> helpers_;
  std::atomic<int> threads_{usable_cores()};
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> open_{false};
  std::atomic<int> inside_{0};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
  int64_t error_piece_ = 0;
  Body* body_ = nullptr;
  int64_t n_ = 0;
  int64_t grain_ = 1;
  std::vector<Share> shares_;  // one for each thread, the caller's first
};

// Never destroyed: objects that are destroyed at exit, and their threads, may still use it.
Workers& workers() {
  static Workers* instance = new Workers;
  return *instance;
}

/// Counts the threads of the program that are in a loop worth sharing.
class Caller {
 public:
  Caller() : others_(Workers::callers.fetch_add(1, std::memory_order_relaxed)) {}
  ~Caller() { Workers::callers.fetch_sub(1, std::memory_order_relaxed); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  int others() const { return others_; }

 private:
  const int others_;
};

void run_here(int64_t n, int64_t grain, Body f) {
  for (int64_t begin = 0; begin < n; begin += grain) f(begin, std::min(begin + grain, n));
}

}  // namespace

void fork_threads(ForkPhase phase) { workers().fork(phase); }

void parallel_for(int64_t n, int64_t grain, Body f) {
  const int threads = workers().threads();
  if (n <= grain || inside_region || threads == 1) return run_here(n, grain, f);
  // Callers that fill the cores by themselves (one model each, say) would only be slowed down.
  const Caller caller;
  if (caller.others() + 1 >= threads || !workers().run(n, grain, f)) run_here(n, grain, f);
}

}  // namespace kernels

int num_threads() { return kernels::workers().threads(); }

void set_num_threads(int count) {
  if (count < 1 || count > 256) fail("set_num_threads: wanted 1 to 256; got ", count);
  kernels::workers().resize(count);
}

}  // namespace rapt
