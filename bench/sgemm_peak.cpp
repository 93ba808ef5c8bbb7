#include "sgemm_peak.h"

#include <cblas.h>
#include <sys/mman.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int n = 2048;
constexpr int rounds = 5;

/// n x n ones, in pages that go straight back to the system. Not from malloc: glibc maps large
/// blocks differently once one has been freed, which would change what is measured next.
class Matrix {
 public:
  Matrix() {
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<float*>(pages);
    std::fill_n(data_, n * n, 1.0f);
  }
  ~Matrix() { munmap(data_, bytes); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
  float* data() const { return data_; }

 private:
  static constexpr size_t bytes = sizeof(float) * n * n;
  float* data_;
};

/// When one thread began and ended its product of each round.
struct Times {
  Clock::time_point begin[rounds], end[rounds];
};

void multiply(std::barrier<>& together, Times& times) {
  {
    // In the OpenMP build the setting is the calling thread's own; in the others it is everyone's.
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    openblas_set_num_threads(1);
  }
  const Matrix a, b, c;
  for (int i = 0; i < rounds; ++i) {
    together.arrive_and_wait();
    times.begin[i] = Clock::now();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a.data(), n, b.data(), n, 0,
                c.data(), n);
    times.end[i] = Clock::now();
  }
}

}  // namespace

double sgemm_peak_gflops(int threads) {
  const int before = openblas_get_num_threads();
  std::vector<Times> times(static_cast<size_t>(threads));
  std::barrier together(threads);
  std::vector<std::thread> workers;
  for (Times& t : times) workers.emplace_back(multiply, std::ref(together), std::ref(t));
  for (std::thread& worker : workers) worker.join();
  openblas_set_num_threads(before);

  double best = 0;
  for (int i = 0; i < rounds; ++i) {
    Clock::time_point begin = Clock::time_point::max(), end = Clock::time_point::min();
    for (const Times& t : times) {
      begin = std::min(begin, t.begin[i]);
      end = std::max(end, t.end[i]);
    }
    const double seconds = std::chrono::duration<double>(end - begin).count();
    best = std::max(best, 2e-9 * n * n * n * threads / seconds);
  }
  return best;
}

std::string blas_name() {
  static constexpr const char* builds[] = {"serial", "pthread", "OpenMP"};
  return std::string(openblas_get_config()) + ", " + builds[openblas_get_parallel()];
}

}  // namespace bench
