// rapt has its own threads: what the user has set for OpenMP and OpenBLAS is the user's.

#include <cblas.h>
#include <gtest/gtest.h>
#ifdef RAPT_TESTS_HAVE_OPENMP
#include <omp.h>
#else  // a compiler without OpenMP: then no user has settings for it
inline void omp_set_num_threads(int) {}
inline int omp_get_max_threads() { return 1; }
#endif

#include <atomic>
#include <thread>

#include "rapt/rapt.h"
#include "support/tensors.h"

namespace rapt {
namespace {

using tests::WithThreads;

/// The threads that OpenMP would give to a loop of this thread, and OpenBLAS to a product.
struct Settings {
  int openmp, blas;
  bool operator==(const Settings&) const = default;
};

Settings settings() { return {omp_get_max_threads(), openblas_get_num_threads()}; }

void set(int threads) {
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
}

/// A user who has chosen so many threads, for as long as it lives.
class User {
 public:
  explicit User(int threads) : before_(settings()) { set(threads); }
  ~User() {
    openblas_set_num_threads(before_.blas);
    omp_set_num_threads(before_.openmp);
  }
  User(const User&) = delete;
  User& operator=(const User&) = delete;

 private:
  Settings before_;
};

/// Some steps with products that are large enough to be split.
void train(int steps) {
  Rng rng(1);
  const nn::DecoderOnly model({.vocabulary = 32, .context = 32}, rng);
  optim::AdamW adam(optim::decay_groups(model.parameters(), 0.1));
  for (int step = 0; step < steps; ++step) {
    const Tensor ids = rng.integers(0, 32, {16, 32});
    const Tensor loss = cross_entropy(model(ids), ids).mean();
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(model.parameters(), 1);
    adam.step();
  }
}

TEST(UserSettings, AreAsTheyWereAfterTraining) {
  for (const int users : {1, 2, 3}) {
    const User user(users);
    const Settings chosen = settings();
    for (const int threads : {1, 2, 4}) {
      const WithThreads scope(threads);
      EXPECT_EQ(settings(), chosen) << threads << " threads of rapt";
      train(2);
      EXPECT_EQ(settings(), chosen) << threads << " threads of rapt";
    }
  }
}

// Trainings that overlap in time: the one that ends last restores what the first one found.
TEST(UserSettings, AreAsTheyWereAfterTwoTrainingsAtOnce) {
  const User user(3);
  const Settings chosen = settings();
  for (const int threads : {1, 2, 4}) {
    const WithThreads scope(threads);
    std::thread other([] { train(6); });
    train(6);
    other.join();
    EXPECT_EQ(settings(), chosen) << threads << " threads of rapt";
  }
}

// Of OpenMP, whose settings belong to a thread; those of OpenBLAS belong to all.
TEST(UserSettings, OfOneThreadAreLeftAloneWhileAnotherTrains) {
  const WithThreads scope(2);
  std::atomic<bool> training{true};
  std::thread trainer([&] {
    train(6);
    training = false;
  });
  std::thread user([&] {
    omp_set_num_threads(3);
    const int chosen = omp_get_max_threads();
    while (training) ASSERT_EQ(omp_get_max_threads(), chosen);
  });
  trainer.join();
  user.join();
}

// A thread that begins after rapt's does so with the defaults, not with rapt's.
TEST(UserSettings, OfANewThreadAreTheDefaults) {
  Settings before{}, after{};
  std::thread([&] { before = settings(); }).join();
  const WithThreads scope(2);
  train(1);
  std::thread([&] { after = settings(); }).join();
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace rapt
