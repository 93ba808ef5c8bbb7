#include "rapt/optim/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/create.h"
#include "rapt/optim/detail/line_search.h"
#include "rapt/optim/detail/state.h"

namespace rapt::optim {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// y += factor x
void add_to(Vector& y, double factor, const Vector& x) {
  for (size_t i = 0; i < y.size(); ++i) y[i] += factor * x[i];
}

double largest(const Vector& x) {
  double all = 0;
  for (const double e : x) all = std::max(all, std::abs(e));
  return all;
}

Tensor rows_of(const std::vector<Vector>& rows, int64_t width) {
  Vector all;
  for (const Vector& row : rows) all.insert(all.end(), row.begin(), row.end());
  return from_values(all, {static_cast<int64_t>(rows.size()), width});
}

std::vector<Vector> rows_from(const Tensor& x) {
  const Vector all = x.values<double>();
  std::vector<Vector> rows;
  for (auto at = all.begin(); at != all.end(); at += x.size(1)) {
    rows.emplace_back(at, at + x.size(1));
  }
  return rows;
}

}  // namespace

LBFGS::LBFGS(const NamedTensors& parameters, const LBFGSOptions& options)
    : parameters_(parameters), options_(options) {
  if (parameters.empty()) fail("LBFGS: wanted parameters; got none");
  for (const auto& [name, p] : parameters) {
    if (!p.defined()) fail("LBFGS: parameter ", name, " is no tensor");
    if (!is_float(p.dtype()) || !p.is_leaf() || !p.is_contiguous()) {
      fail("LBFGS: wanted parameters that are dense leaves of f32 or f64; got ", name, " ",
           p.dtype(), p.shape());
    }
    elements_ += p.numel();
  }
  if (!(options.lr > 0 && std::isfinite(options.lr))) {
    fail("LBFGS: wanted a finite lr > 0; got ", options.lr);
  }
  if (options.iterations < 1 || options.evaluations < 0 || options.history < 1) {
    fail("LBFGS: wanted iterations >= 1, evaluations >= 0 and history >= 1; got ",
         options.iterations, ", ", options.evaluations, " and ", options.history);
  }
  if (options_.evaluations == 0) options_.evaluations = options.iterations * 5 / 4;
  direction_.assign(static_cast<size_t>(elements_), 0);
  last_gradient_ = direction_;
}

LBFGS::Evaluation LBFGS::evaluate(FunctionRef<Tensor()> loss) {
  for (const auto& [name, p] : parameters_) Tensor(p).clear_grad();
  const Tensor value = loss();
  if (!value.defined() || value.numel() != 1) {
    fail("LBFGS::step: wanted a loss of one element; got ",
         value.defined() ? value.shape().str() : "an undefined tensor");
  }
  value.backward();
  Evaluation out{value.item(), {}};
  for (const auto& [name, p] : parameters_) {
    const Vector part = p.grad().defined() ? p.grad().to(Dtype::f64).values<double>()
                                           : Vector(static_cast<size_t>(p.numel()));
    out.gradient.insert(out.gradient.end(), part.begin(), part.end());
  }
  return out;
}

LBFGS::Vector LBFGS::positions() const {
  Vector all;
  for (const auto& [name, p] : parameters_) {
    const Vector part = p.detach().to(Dtype::f64).values<double>();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// start + length direction
void LBFGS::set_positions(const Vector& start, double length) {
  const NoGrad no_grad;
  size_t at = 0;
  for (const auto& [name, p] : parameters_) {
    Vector part(static_cast<size_t>(p.numel()));
    for (double& e : part) {
      e = start[at] + length * direction_[at];
      ++at;
    }
    Tensor(p).copy_from(from_values(part, p.shape()).to(p.dtype()));
  }
}

/// The last move and what it changed in the gradient become part of the history, where that tells
/// of an upward curvature.
void LBFGS::remember(const Vector& gradient) {
  Vector change = gradient, moved = direction_;
  add_to(change, -1, last_gradient_);
  for (double& e : moved) e *= length_;
  if (!(dot(change, moved) > 1e-10)) return;
  if (static_cast<int64_t>(moves_.size()) == options_.history) {
    moves_.erase(moves_.begin());
    gradient_changes_.erase(gradient_changes_.begin());
  }
  moves_.push_back(std::move(moved));
  gradient_changes_.push_back(std::move(change));
}

/// - H gradient, by the two loops over the history (algorithm 7.4).
LBFGS::Vector LBFGS::direction_from(const Vector& gradient) const {
  Vector q = gradient;
  for (double& e : q) e = -e;
  const size_t count = moves_.size();
  Vector shares(count), curvatures(count);
  for (size_t i = count; i-- > 0;) {
    curvatures[i] = dot(gradient_changes_[i], moves_[i]);
    shares[i] = dot(moves_[i], q) / curvatures[i];
    add_to(q, -shares[i], gradient_changes_[i]);
  }
  if (count > 0) {
    const Vector& change = gradient_changes_.back();
    const double scale = curvatures.back() / dot(change, change);
    for (double& e : q) e *= scale;
  }
  for (size_t i = 0; i < count; ++i) {
    add_to(q, shares[i] - dot(gradient_changes_[i], q) / curvatures[i], moves_[i]);
  }
  return q;
}

/// Along the direction, whose slope is given. Returns how often the loss was asked.
int64_t LBFGS::move(FunctionRef<Tensor()> loss, double slope, bool is_last, Evaluation& now) {
  const Vector start = positions();
  if (!options_.line_search) {
    set_positions(start, length_);
    if (is_last) return 0;  // of no use here, and the loss may be another in the next step
    now = evaluate(loss);
    return 1;
  }
  const auto at = [&](double length) {
    set_positions(start, length);
    Evaluation there = evaluate(loss);
    const double slope_there = dot(there.gradient, direction_);
    return detail::LinePoint{length, there.loss, slope_there, std::move(there.gradient)};
  };
  detail::LineSearch search =
      detail::strong_wolfe({0, now.loss, slope, now.gradient}, length_, largest(direction_),
                           options_.tolerance_change, at);
  length_ = search.found.at;
  now = {search.found.loss, std::move(search.found.gradient)};
  set_positions(start, length_);
  return search.evaluations;
}

double LBFGS::step(FunctionRef<Tensor()> loss) {
  Evaluation now = evaluate(loss);
  const double first = now.loss;
  int64_t evaluations = 1;
  const auto is_flat = [&] { return largest(now.gradient) <= options_.tolerance_grad; };
  if (is_flat() || !std::isfinite(first)) return first;

  for (int64_t i = 1; i <= options_.iterations; ++i) {
    const bool is_first_of_all = iteration_++ == 0;
    if (!is_first_of_all) remember(now.gradient);
    direction_ = direction_from(now.gradient);
    last_gradient_ = now.gradient;
    const double before = now.loss;
    length_ = options_.lr;
    if (is_first_of_all) {
      double sum = 0;
      for (const double e : now.gradient) sum += std::abs(e);
      length_ *= std::min(1.0, 1 / sum);
    }
    const double slope = dot(now.gradient, direction_);
    if (!(slope <= -options_.tolerance_change)) break;

    evaluations += move(loss, slope, i == options_.iterations, now);
    if (evaluations >= options_.evaluations || is_flat()) break;
    if (largest(direction_) * std::abs(length_) <= options_.tolerance_change) break;
    if (std::abs(now.loss - before) < options_.tolerance_change) break;
  }
  return first;
}

NamedTensors LBFGS::state() const {
  NamedTensors state = {{"iteration", from_values<int64_t>({iteration_}, {})},
                        {"length", tensor(length_, Dtype::f64)},
                        {"direction", from_values(direction_)},
                        {"last_gradient", from_values(last_gradient_)},
                        {"gradient_changes", rows_of(gradient_changes_, elements_)},
                        {"moves", rows_of(moves_, elements_)}};
  state.set_configuration({{"name", "LBFGS"}});
  return state;
}

/// Zeros of the names and shapes that state() would have after so long a history as is given.
NamedTensors LBFGS::room_for(const NamedTensors& given) const {
  const int64_t pairs =
      given.contains("moves") && given["moves"].rank() == 2 ? given["moves"].size(0) : 0;
  if (pairs > options_.history) {
    fail("LBFGS::load_state: wanted a history of at most ", options_.history, " pairs; got ", pairs,
         "; nothing was loaded");
  }
  return {{"iteration", from_values<int64_t>({0}, {})},
          {"length", tensor(0.0, Dtype::f64)},
          {"direction", zeros({elements_}, Dtype::f64)},
          {"last_gradient", zeros({elements_}, Dtype::f64)},
          {"gradient_changes", zeros({pairs, elements_}, Dtype::f64)},
          {"moves", zeros({pairs, elements_}, Dtype::f64)}};
}

void LBFGS::check_state(const NamedTensors& given) const {
  detail::require_state_of("LBFGS::load_state", "LBFGS", given);
  for (const char* name : {"iteration", "length"}) {
    detail::require_number("LBFGS::load_state", given, name);
  }
  check_assign("LBFGS::load_state", room_for(given), given);
}

void LBFGS::load_state(const NamedTensors& given) {
  check_state(given);
  const NamedTensors target = room_for(given);
  assign("LBFGS::load_state", target, given);
  iteration_ = target["iteration"].data<int64_t>()[0];
  length_ = target["length"].item();
  direction_ = target["direction"].values<double>();
  last_gradient_ = target["last_gradient"].values<double>();
  gradient_changes_ = rows_from(target["gradient_changes"]);
  moves_ = rows_from(target["moves"]);
}

}  // namespace rapt::optim
