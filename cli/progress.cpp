#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/format.h"

namespace rapt::cli {
namespace {

constexpr double seconds_between_updates = 0.1;
constexpr int64_t plain_lines = 20;
constexpr int plain_columns = 200;  // no limit

/// 950, 12.3k, 4.5M.
std::string short_number(double value) {
  if (value >= 1e6) return formatted("%.1fM", value / 1e6);
  if (value >= 1e4) return formatted("%.1fk", value / 1e3);
  return formatted("%.0f", value);
}

/// A terminal that can clear a line.
bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) != 0 && !(kind && std::string_view(kind) == "dumb");
}

/// Of the terminal as it is now.
int terminal_columns() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

}  // namespace

double seconds_now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(seconds, 0.0)));
  const std::string s = std::to_string(whole % 60) + " s";
  const std::string min = std::to_string(whole / 60 % 60) + " min";
  if (whole < 60) return s;
  if (whole < 3600) return min + " " + s;
  return std::to_string(whole / 3600) + " h " + min;
}

Progress::Progress(int64_t steps) : steps_(steps), live_(is_terminal()) {}

bool Progress::due(int64_t step) const {
  if (step == 1 || step == steps_) return true;
  if (live_) return seconds_now() - last_shown_ >= seconds_between_updates;
  return step % std::max<int64_t>(1, steps_ / plain_lines) == 0;
}

std::string line_of(const StepReport& r, int columns) {
  const auto steps = static_cast<long long>(r.steps);
  const int digits = static_cast<int>(std::to_string(r.steps).size());
  struct Part {
    std::string text;
    int rank;  // the highest is left out first
  };
  std::array parts = {
      Part{formatted("step %*lld/%lld", digits, static_cast<long long>(r.step), steps), 0},
      Part{formatted("loss %.4f", r.loss), 1},
      Part{formatted("accuracy %5.1f %%", 100 * r.accuracy), 3},
      Part{short_number(r.tokens_per_second) + " tokens/s", 4},
      Part{duration_text(r.seconds_left) + " left", 2},
  };
  const auto room = static_cast<size_t>(std::max(columns, 1));
  for (int rank = static_cast<int>(parts.size()) - 1;; --rank) {
    std::string line;
    for (const Part& part : parts) {
      if (part.rank <= rank) line += (line.empty() ? "" : "  ") + part.text;
    }
    if (line.size() <= room || rank == 0) return line.substr(0, room);
  }
}

void Progress::show(const StepReport& report) {
  if (live_) {
    // To the start of the line, and clear it. The last column stays free: some terminals wrap as
    // soon as it is filled.
    std::printf("\r\x1b[K%s", line_of(report, terminal_columns() - 1).c_str());
    line_open_ = true;
  } else {
    std::printf("%s\n", line_of(report, plain_columns).c_str());
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
