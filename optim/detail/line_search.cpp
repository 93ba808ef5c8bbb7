#include "rapt/optim/detail/line_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace rapt::optim::detail {
namespace {

constexpr double enough_decrease = 1e-4, enough_flatness = 0.9;
constexpr int64_t most_evaluations = 25;

/// Where the cubic through both, with their slopes, is lowest; held between the bounds.
double lowest_of_cubic(const LinePoint& a, const LinePoint& b, double least, double most) {
  const LinePoint &left = a.at <= b.at ? a : b, &right = a.at <= b.at ? b : a;
  const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.at - b.at);
  const double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (least + most) / 2;
  const double d2 = std::sqrt(square);
  const double share = (right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2);
  return std::min(std::max(right.at - (right.at - left.at) * share, least), most);
}

class Search {
 public:
  Search(const LinePoint& start, double reach, double tolerance,
         FunctionRef<LinePoint(double)> evaluate)
      : start_(start), reach_(reach), tolerance_(tolerance), evaluate_(evaluate) {}

  LinePoint run(double first) {
    LinePoint before = start_, now = ask(first);
    while (evaluations_ <= most_evaluations) {
      const bool rises = evaluations_ > 2 && now.loss >= before.loss;
      if (is_too_high(now) || rises) return zoom(before, now);
      if (is_flat(now)) return now;
      if (now.slope >= 0) return zoom(before, now);
      const double next =
          lowest_of_cubic(before, now, now.at + 0.01 * (now.at - before.at), now.at * 10);
      before = std::exchange(now, ask(next));
    }
    return start_.loss <= now.loss ? start_ : now;
  }

  int64_t evaluations() const { return evaluations_; }

 private:
  LinePoint ask(double at) {
    ++evaluations_;
    return evaluate_(at);
  }
  // NaN counts as too high.
  bool is_too_high(const LinePoint& p) const {
    return !(p.loss <= start_.loss + enough_decrease * p.at * start_.slope);
  }
  bool is_flat(const LinePoint& p) const {
    return std::abs(p.slope) <= -enough_flatness * start_.slope;
  }

  /// Between two points there is one that will do: closes in on it. Returns the lowest.
  LinePoint zoom(LinePoint low, LinePoint high) {
    if (!(low.loss <= high.loss) && !std::isnan(high.loss)) std::swap(low, high);
    bool was_near_an_end = false;
    while (evaluations_ <= most_evaluations) {
      const double least = std::min(low.at, high.at), most = std::max(low.at, high.at);
      if ((most - least) * reach_ < tolerance_) break;
      double at = lowest_of_cubic(low, high, least, most);
      const double margin = 0.1 * (most - least);
      const bool is_near_an_end = !(std::min(most - at, at - least) >= margin);
      if (is_near_an_end && (was_near_an_end || !(at < most && at > least))) {
        at = std::abs(at - most) < std::abs(at - least) ? most - margin : least + margin;
        was_near_an_end = false;
      } else {
        was_near_an_end = is_near_an_end;
      }
      LinePoint now = ask(at);
      if (is_too_high(now) || now.loss >= low.loss) {
        high = std::move(now);
        if (high.loss < low.loss) std::swap(low, high);
        continue;
      }
      const bool is_done = is_flat(now);
      if (!is_done && now.slope * (high.at - low.at) >= 0) high = low;
      low = std::move(now);
      if (is_done) break;
    }
    return low;
  }

  const LinePoint& start_;
  double reach_, tolerance_;
  FunctionRef<LinePoint(double)> evaluate_;
  int64_t evaluations_ = 0;
};

}  // namespace

LineSearch strong_wolfe(const LinePoint& start, double first, double reach, double tolerance,
                        FunctionRef<LinePoint(double)> evaluate) {
  Search search(start, reach, tolerance, evaluate);
  LinePoint found = search.run(first);
  return {std::move(found), search.evaluations()};
}

}  // namespace rapt::optim::detail
