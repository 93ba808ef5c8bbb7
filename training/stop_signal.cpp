#include "rapt/training/stop_signal.h"

#include <array>
#include <atomic>
#include <csignal>

namespace rapt::training {
namespace {

constexpr std::array numbers = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

int living = 0;
std::atomic<int> first{0};
static_assert(std::atomic<int>::is_always_lock_free);  // or a handler could not touch it

void note(int number) {
  int none = 0;
  first.compare_exchange_strong(none, number);
}

}  // namespace

struct StopSignal::Handlers {
  std::array<struct sigaction, numbers.size()> of;  // as in numbers
};

StopSignal::StopSignal() : before_(std::make_shared<Handlers>()) {
  if (living++ == 0) first = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    // Each further write to the pipe raises SIGPIPE again, and there may be some before the save.
    if (numbers[i] != SIGPIPE) action.sa_flags |= static_cast<int>(SA_RESETHAND);
    struct sigaction& before = before_->of[i];
    sigaction(numbers[i], &action, &before);
    if (numbers[i] == SIGHUP && before.sa_handler == SIG_IGN) {
      sigaction(SIGHUP, &before, nullptr);
    }
  }
}

StopSignal::~StopSignal() {
  --living;
  for (size_t i = 0; i < numbers.size(); ++i) sigaction(numbers[i], &before_->of[i], nullptr);
}

int StopSignal::received() const { return first; }

}  // namespace rapt::training
