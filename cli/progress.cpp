#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace rapt::cli {
namespace {

constexpr double seconds_between_updates = 0.1;
constexpr int64_t plain_lines = 20;

/// 950, 12.3k, 4.5M.
std::string short_number(double value) {
  const char* unit = "";
  if (value >= 1e6) {
    value /= 1e6;
    unit = "M";
  } else if (value >= 1e4) {
    value /= 1e3;
    unit = "k";
  }
  char digits[32];
  std::snprintf(digits, sizeof digits, *unit ? "%.1f%s" : "%.0f%s", value, unit);
  return digits;
}

}  // namespace

double seconds_now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::max(seconds, 0.0) + 0.5);
  const std::string s = std::to_string(whole % 60) + " s";
  const std::string min = std::to_string(whole / 60 % 60) + " min";
  if (whole < 60) return s;
  if (whole < 3600) return min + " " + s;
  return std::to_string(whole / 3600) + " h " + min;
}

Progress::Progress(int64_t steps) : steps_(steps), live_(isatty(STDOUT_FILENO) != 0) {}

bool Progress::due(int64_t step) const {
  if (step == 1 || step == steps_) return true;
  if (live_) return seconds_now() - last_shown_ >= seconds_between_updates;
  return step % std::max<int64_t>(1, steps_ / plain_lines) == 0;
}

void Progress::show(const StepReport& r) {
  char line[200];
  std::snprintf(line, sizeof line,
                "step %lld/%lld  loss %.4f  accuracy %5.1f %%  %s tokens/s  %s left",
                static_cast<long long>(r.step), static_cast<long long>(r.steps), r.loss,
                100 * r.accuracy, short_number(r.tokens_per_second).c_str(),
                duration_text(r.seconds_left).c_str());
  if (live_) {
    std::printf("\r\x1b[K%s", line);  // to the start of the line, and clear it
    line_open_ = true;
  } else {
    std::printf("%s\n", line);
  }
  std::fflush(stdout);
  last_shown_ = seconds_now();
}

void Progress::say(const std::string& line) {
  end_line();
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

void Progress::end_line() {
  if (line_open_) std::printf("\n");
  line_open_ = false;
}

}  // namespace rapt::cli
