#include "rapt/autograd/kernels/runtime/fork.h"

#include <pthread.h>

namespace rapt::kernels {
namespace {

// A loop that is running takes memory and calls BLAS: it has to end before those are locked.
void before() {
  fork_threads(ForkPhase::before);
  fork_blas(ForkPhase::before);
  fork_memory(ForkPhase::before);
}

void after(ForkPhase phase) {
  fork_memory(phase);
  fork_blas(phase);
  fork_threads(phase);
}

}  // namespace

void handle_forks() {
  static const int registered = pthread_atfork(
      before, [] { after(ForkPhase::in_parent); }, [] { after(ForkPhase::in_child); });
  (void)registered;
}

}  // namespace rapt::kernels
