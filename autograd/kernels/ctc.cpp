#include "rapt/autograd/kernels/ctc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/math.h"
#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt::kernels {
namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();  // log 0

using Numbers = std::vector<double, PoolAllocator<double>>;

/// log(e^a + e^b + e^c), -inf where all are.
Block<double> log_sum(const Block<double>& a, const Block<double>& b, const Block<double>& c) {
  const Block<double> top = a.max(b).max(c).max(std::numeric_limits<double>::lowest());
  return top + log<double>(exp<double>(a - top) + exp<double>(b - top) + exp<double>(c - top));
}

/// A target with a blank before, between and behind its classes: 2 n + 1 places. Rows of numbers,
/// one for each place, have room for a Block before and behind them, -inf.
class Places {
 public:
  Places(const CtcProblem& p, int64_t sequence)
      : frames(p.lengths[sequence]),
        count(2 * p.target_lengths[sequence] + 1),
        row(p.places()),
        classes_(static_cast<size_t>(count), p.blank),
        skips_(static_cast<size_t>(row), nothing) {
    const int64_t* target = p.targets + sequence * p.longest;
    for (int64_t i = 0; 2 * i + 1 < count; ++i) {
      classes_[static_cast<size_t>(2 * i + 1)] = target[i];
      // From one class straight to the next, unless they are the same.
      if (i > 0 && target[i] != target[i - 1]) skips_[static_cast<size_t>(lanes + 2 * i + 1)] = 0;
    }
  }

  /// The log probability of each place's class.
  template <class T>
  void emissions(const T* frame, Numbers& to) const {
    for (int64_t i = 0; i < count; ++i) {
      to[static_cast<size_t>(lanes + i)] =
          static_cast<double>(frame[classes_[static_cast<size_t>(i)]]);
    }
  }
  int64_t class_of(int64_t place) const { return classes_[static_cast<size_t>(place)]; }

  /// 0 where a place may be reached from the one two before it, else -inf.
  const double* skips() const { return skips_.data() + lanes; }

  const int64_t frames, count, row;

 private:
  std::vector<int64_t, PoolAllocator<int64_t>> classes_;
  Numbers skips_;
};

/// to = log of how probable it is to be at each place after this frame, from the one before.
void step_forward(const Places& places, const double* before, const double* emissions, double* to) {
  for (int64_t i = 0; i < places.count; i += lanes) {
    const Block<double> skipped = load(before + i - 2) + load(places.skips() + i);
    store(to + i, Block<double>(log_sum(load(before + i), load(before + i - 1), skipped) +
                                load(emissions + i)));
  }
}

/// to = log of how probable the rest is from each place; `behind` holds the same of the next frame,
/// with that frame's emissions added.
void step_backward(const Places& places, const double* behind, double* to) {
  for (int64_t i = 0; i < places.count; i += lanes) {
    const Block<double> skipped = load(behind + i + 2) + load(places.skips() + i + 2);
    store(to + i, log_sum(load(behind + i), load(behind + i + 1), skipped));
  }
}

/// Behind the last place nothing is.
void clear_behind(const Places& places, double* row) {
  std::fill(row + places.count, row + places.row - lanes, nothing);
}

double loss_of(const Places& places, const double* last) {
  const double before = places.count > 1 ? last[places.count - 2] : nothing;
  const auto all = [](double x) { return Block<double>(Block<double>::Constant(x)); };
  return -log_sum(all(last[places.count - 1]), all(before), all(nothing))[0];
}

template <class T>
void sequence_forward(const CtcProblem& p, int64_t sequence, const T* x, double* alpha,
                      double* loss) {
  const Places places(p, sequence);
  if (places.frames == 0) {
    *loss = places.count == 1 ? 0 : -nothing;
    return;
  }
  Numbers emissions(static_cast<size_t>(places.row), nothing);
  std::fill_n(alpha, places.frames * places.row, nothing);
  for (int64_t t = 0; t < places.frames; ++t) {
    double* const now = alpha + t * places.row + lanes;
    places.emissions(x + t * p.classes, emissions);
    const double* const emitted = emissions.data() + lanes;
    if (t == 0) {
      std::copy_n(emitted, std::min<int64_t>(places.count, 2), now);
    } else {
      step_forward(places, now - places.row, emitted, now);
      clear_behind(places, now);
    }
  }
  *loss = loss_of(places, alpha + (places.frames - 1) * places.row + lanes);
}

template <class T>
void sequence_backward(const CtcProblem& p, int64_t sequence, const T* x, const double* alpha,
                       double loss, T g, T* dx) {
  std::fill_n(dx, p.frames * p.classes, T(0));
  const Places places(p, sequence);
  if (places.frames == 0 || loss == -nothing) return;
  const auto size = static_cast<size_t>(places.row);
  Numbers beta(size, nothing), behind(size, nothing), emissions(size, nothing);
  double* const now = beta.data() + lanes;
  for (int64_t t = places.frames - 1; t >= 0; --t) {
    if (t == places.frames - 1) {
      now[places.count - 1] = 0;
      if (places.count > 1) now[places.count - 2] = 0;
    } else {
      step_backward(places, behind.data() + lanes, now);
      clear_behind(places, now);
    }
    const double* const before = alpha + t * places.row + lanes;
    for (int64_t i = 0; i < places.count; i += lanes) {
      const Block<double> share = exp<double>(load(before + i) + load(now + i) + loss);
      const int64_t some = std::min<int64_t>(lanes, places.count - i);
      for (int64_t j = 0; j < some; ++j) {
        dx[t * p.classes + places.class_of(i + j)] -= static_cast<T>(share[j]) * g;
      }
    }
    places.emissions(x + t * p.classes, emissions);
    for (size_t i = 0; i < size; ++i) behind[i] = beta[i] + emissions[i];
  }
}

}  // namespace

int64_t CtcProblem::places() const {
  return ceil_div(2 * longest + 1, int64_t{lanes}) * lanes + int64_t{2} * lanes;
}

template <class T>
void ctc(const CtcProblem& p, const T* log_probabilities, double* alpha, double* losses) {
  parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      sequence_forward(p, b, log_probabilities + b * p.frames * p.classes,
                       alpha + b * p.frames * p.places(), losses + b);
    }
  });
}

template <class T>
void ctc_backward(const CtcProblem& p, const T* log_probabilities, const double* alpha,
                  const double* losses, const T* g, T* dx) {
  parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      sequence_backward(p, b, log_probabilities + b * p.frames * p.classes,
                        alpha + b * p.frames * p.places(), losses[b], g[b],
                        dx + b * p.frames * p.classes);
    }
  });
}

template void ctc(const CtcProblem&, const float*, double*, double*);
template void ctc(const CtcProblem&, const double*, double*, double*);
template void ctc_backward(const CtcProblem&, const float*, const double*, const double*,
                           const float*, float*);
template void ctc_backward(const CtcProblem&, const double*, const double*, const double*,
                           const double*, double*);

}  // namespace rapt::kernels
