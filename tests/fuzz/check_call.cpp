#include "check_call.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace rapt::fuzz {
namespace {

std::vector<double> numbers_of(const Tensor& x) {
  const NoGrad no_grad;
  return x.to(Dtype::f64).values<double>();
}

/// Of the size of the largest finite number. What is not finite agrees in kind, or is not finite in
/// both.
void require_close(const std::string& what, const Tensor& a, const Tensor& b, double tolerance,
                   bool in_kind = true) {
  require(a.shape() == b.shape() && a.dtype() == b.dtype(), what, ": ", a.dtype(), a.shape(),
          " and ", b.dtype(), b.shape());
  const std::vector<double> x = numbers_of(a), y = numbers_of(b);
  double size = 1;
  for (const double v : y) size = std::max(size, std::isfinite(v) ? std::abs(v) : 0);
  for (size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                      (!in_kind && !std::isfinite(x[i]) && !std::isfinite(y[i]));
    require(same || std::abs(x[i] - y[i]) <= tolerance * size, what, " differ at ", i, " of ",
            a.shape(), ": ", x[i], " and ", y[i]);
  }
}

/// Results and gradients of one call.
struct Outcome {
  Tensors results, gradients;
  bool can_compare = false;  ///< no rounding decides whether a number is finite
  int64_t elements = 0;      ///< of arguments and results: sums are no longer

  /// What rounding may do to a sum of so many numbers near 1, which may cancel.
  double tolerance(Dtype dtype) const {
    return (dtype == Dtype::f32 ? 2e-4 : 1e-9) * (1 + static_cast<double>(elements) / 300);
  }
};

/// Some numbers for a shape; if it is odd, with some that are not finite among them.
Tensor cotangent(const Tensor& y, Draw::Numbers numbers) {
  const Tensor i = arange(y.numel(), y.dtype());
  Tensor g = cos(i);
  if (numbers != Draw::Numbers::tame && y.numel() % 2 == 1) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    const Tensor kind = sin(i * 7.0), top = full({}, 0.9, y.dtype());
    g = masked_fill(g, greater(kind, top), inf);
    g = masked_fill(g, less(kind, -top), std::numeric_limits<double>::quiet_NaN());
  }
  return reshape(g, y.shape());
}

/// The gradients for cotangents that depend on the shapes alone.
Tensors gradients_of(const Draw& d, const Tensors& results, bool create_graph) {
  Tensors outputs, cotangents;
  for (const Tensor& y : results) {
    if (!y.requires_grad()) continue;
    outputs.push_back(y);
    cotangents.push_back(cotangent(y, d.numbers_drawn()));
  }
  if (outputs.empty() || d.leaves().empty()) return {};
  return grad(outputs, d.leaves(),
              {.create_graph = create_graph,
               .retain_graph = true,
               .allow_unused = true,
               .cotangents = cotangents});
}

/// What the call gives, or nothing if rapt refused it.
std::optional<Outcome> outcome(const tests::OpRecord& op, const uint8_t* data, size_t size,
                               bool dense) {
  Draw d(data, size, dense);
  Outcome out;
  try {
    out.results = op.drawn(d);
  } catch (const Error&) {
    return std::nullopt;
  }
  out.can_compare = d.numbers_drawn() != Draw::Numbers::wild;
  out.elements = d.floats_drawn();
  for (const Tensor& y : out.results) {
    out.elements += y.defined() ? y.numel() : 0;
    require(y.defined() && static_cast<int64_t>(numbers_of(y).size()) == y.numel(), op.function,
            " gives ", y.defined() ? y.str() : "nothing");
  }
  out.gradients = gradients_of(d, out.results, false);
  for (size_t i = 0; i < out.gradients.size(); ++i) {
    require(out.gradients[i].shape() == d.leaves()[i].shape(), op.function, ": the gradient of ",
            d.leaves()[i].shape(), " is ", out.gradients[i].shape());
    numbers_of(out.gradients[i]);
  }
  if (dense || !out.can_compare) return out;
  // Of a result without elements, one may add up no terms where the other multiplies 0 by inf.
  const bool empty = std::any_of(out.results.begin(), out.results.end(),
                                 [](const Tensor& y) { return y.numel() == 0; });
  if (empty && d.numbers_drawn() != Draw::Numbers::tame) return out;
  // Of inf in a gain or a cotangent, these gradients are sums of inf and -inf, which the two add up
  // in another order: one inf, one NaN.
  const bool in_kind = !op.function.starts_with("layer_norm") &&
                       !op.function.starts_with("group_norm") &&
                       !(op.function.starts_with("scaled_dot") && out.results[0].numel() % 2 == 1);
  const Tensors graphed = gradients_of(d, out.results, true);
  for (size_t i = 0; i < graphed.size(); ++i) {
    require_close(op.function + ": gradients by the kernel and by create_graph", graphed[i],
                  out.gradients[i], out.tolerance(d.dtype()), in_kind);
  }
  return out;
}

}  // namespace

bool check_call(const tests::OpRecord& op, const uint8_t* data, size_t size) {
  const std::optional<Outcome> given = outcome(op, data, size, false);
  const std::optional<Outcome> dense = outcome(op, data, size, true);
  require(given.has_value() == dense.has_value(), op.function,
          ": refused for one layout and taken for another");
  if (!given || !given->can_compare) return given.has_value();
  for (size_t i = 0; i < given->results.size(); ++i) {
    require_close(op.function + ": results of any layout and of dense arguments", given->results[i],
                  dense->results[i], given->tolerance(given->results[i].dtype()));
  }
  for (size_t i = 0; i < given->gradients.size(); ++i) {
    require_close(op.function + ": gradients of any layout and of dense arguments",
                  given->gradients[i], dense->gradients[i],
                  given->tolerance(given->gradients[i].dtype()));
  }
  return true;
}

}  // namespace rapt::fuzz
