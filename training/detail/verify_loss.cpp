#include <algorithm>
#include <cmath>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/ops.h"
#include "rapt/training/detail/verify_batch.h"
#include "rapt/training/detail/verify_checks.h"

namespace rapt::training::detail {
namespace {

constexpr double sums_as_close_as = 1e-4;

// Of the differences that a step along a gradient makes, what the f32 of a loss leaves exact.
constexpr double differences_as_close_as = 0.1;
constexpr double rounding_in_f32 = 4e-6, rounding_in_f64 = 1e-13;
constexpr double wanted_difference = 1e-2;  // of the loss, at most, by one parameter
constexpr double largest_step = 0.05;       // of the parameter's length

Tensor row(const Tensor& x, int64_t i) { return slice(x, 0, i, i + 1); }

double length_of(const Tensor& x) { return std::sqrt(sum(x * x).item()); }

void check_first_loss(Inquiry& q, const Loss& loss) {
  const double mean = loss.mean().item();
  if (!std::isfinite(mean)) return q.broken("first_loss", text("the loss is ", mean));
  if (!(loss.count > 0)) {
    return q.broken("first_loss", text("the loss counts ", loss.count, " targets"));
  }
  if (!q.promises.first_loss) return q.not_checked("first_loss", "none was promised");
  const double wanted = *q.promises.first_loss, within = q.promises.first_loss_within;
  q.note("first_loss", std::abs(mean - wanted) <= within
                           ? ""
                           : text("the loss is ", mean, "; wanted ", wanted, " +- ", within));
}

/// True when some other output of that row gives another loss.
bool has_say(const Inquiry& q, int64_t i, double loss) {
  Rng rng(5);
  const Tensor here = unsqueeze(equal(arange(q.rows), i), -1);
  const Tensor flat = reshape(q.output.contiguous(), {q.rows, q.output.numel() / q.rows});
  const double scale =
      std::max(1.0, length_of(flat) / std::sqrt(static_cast<double>(flat.numel())));
  for (const double by : {1.0, 10.0, 100.0}) {
    const Tensor other =
        where(here, flat + rng.normal(flat.shape(), 0, by * scale, flat.dtype()), flat);
    const Loss now = q.subject.loss_of_output(reshape(other, q.output.shape()), q.batch);
    if (now.sum.item() != loss) return true;
  }
  return false;
}

/// The rows' losses add up to the batch's, and each that counts has a say.
void check_rows(Inquiry& q, const Loss& loss, const Tensor& gradient) {
  const double whole = loss.sum.item();
  double total = 0, size = 0, counted = 0;
  for (int64_t i = 0; i < q.rows; ++i) {
    const NamedTensors alone = select_rows(q.batch, from_values<int64_t>({i}));
    const Loss part = q.subject.loss_of_output(row(q.output, i), alone);
    total += part.sum.item(), size += std::abs(part.sum.item()), counted += part.count;
    const bool is_still = part.count > 0 && count_nonzero(row(gradient, i)).item() == 0;
    if (is_still && !has_say(q, i, whole)) {
      q.broken("loss", text("row ", i, " of the output has no say in the loss"));
    }
  }
  const auto differ = [](double a, double b, double scale) {
    return std::abs(a - b) > sums_as_close_as * std::max(scale, 1e-6);
  };
  if (differ(total, whole, size) || differ(counted, loss.count, counted)) {
    q.broken("loss", text("the losses of the rows are ", total, " over ", counted,
                          " targets, and that of the batch ", whole, " over ", loss.count));
  }
}

/// Padding is no target.
void check_padded_targets(Inquiry& q, const InputPromise& input, const Tensor& gradient) {
  if (!q.is_along(input) || !lengths_of(input, q.batch).defined()) return;
  const std::vector<bool> counts = counting(input, q.batch).values<bool>();
  const Tensor places = count_nonzero(reshape(gradient, {static_cast<int64_t>(counts.size()),
                                                         gradient.numel() / std::ssize(counts)}),
                                      1);
  const std::vector<int64_t> nonzero = places.values<int64_t>();
  const int64_t length = gradient.size(1);
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] || nonzero[i] == 0) continue;
    const auto number = static_cast<int64_t>(i);
    return q.broken("loss", text("the output at row ", number / length, ", place ", number % length,
                                 ", which is padding, has a target"));
  }
}

/// The class that each place of the output is drawn to; -1 where it has no target.
/// gradient [B, T, C] -> [B * T]
std::vector<int64_t> targets_by(const Tensor& gradient) {
  const Tensor best = argmin(gradient, -1), has = any(not_equal(gradient, 0), -1);
  return where(has, best, full(best.shape(), -1, Dtype::i64)).values<int64_t>();
}

void check_next_token(Inquiry& q, const InputPromise& input, const Tensor& gradient) {
  if (gradient.rank() != 3 || !q.is_along(input)) {
    return q.broken("next_token", text("wanted an output [B, T, classes] along \"", input.name,
                                       "\"; got ", gradient.shape()));
  }
  const std::vector<int64_t> tokens = q.batch[input.name].values<int64_t>();
  const std::vector<int64_t> targets = targets_by(gradient);
  const std::vector<bool> counts = counting(input, q.batch).values<bool>();
  const auto length = static_cast<size_t>(gradient.size(1));
  int64_t seen = 0;
  for (size_t i = 0; i + 1 < targets.size(); ++i) {
    if (i % length == length - 1 || targets[i] < 0 || !counts[i + 1]) continue;
    ++seen;
    if (targets[i] == tokens[i + 1]) continue;
    return q.broken("next_token", text("the target of row ", i / length, ", place ", i % length,
                                       " is ", targets[i], ", and the next token ", tokens[i + 1]));
  }
  if (seen == 0) return q.not_checked("next_token", "no place before the last has a target");
  q.kept("next_token");
}

/// The loss after a step of that length along `direction` from where the parameter is.
double loss_at(Inquiry& q, Tensor parameter, const Tensor& direction, double step) {
  const NoGrad no_grad;
  const Tensor before = parameter.detach().clone();
  parameter.copy_from(before + direction * step);
  const double loss = q.subject.loss(q.batch);
  parameter.copy_from(before);
  return loss;
}

enum class Agreement { right, wrong, too_small };

/// Along a parameter's own gradient the loss grows by its length; if there is none, nowhere. `text`
/// is told of what is wrong.
Agreement agreement(Inquiry& q, size_t i, const Tensor& gradient, double loss, std::string& what) {
  const Tensor& parameter = q.subject.trained[i];
  const double slope = length_of(gradient);
  Rng rng(i);
  const Tensor any_way = rng.normal(parameter.shape(), 0, 1, parameter.dtype());
  const Tensor way = slope > 0 ? gradient : any_way;
  const Tensor direction = way * (1 / length_of(way));
  const double rounding =
      std::abs(loss) * (parameter.dtype() == Dtype::f64 ? rounding_in_f64 : rounding_in_f32);
  const auto elements = static_cast<double>(parameter.numel());
  double step = largest_step * std::max(length_of(parameter.detach()), 0.1 * std::sqrt(elements));
  if (slope > 0) step = std::min(step, wanted_difference * std::max(std::abs(loss), 0.1) / slope);
  double found = 0, wanted = 0;
  for (const double part : {1.0, 0.25}) {  // what curves is straight to a smaller step
    wanted = 2 * step * part * slope;
    if (slope > 0 && wanted < rounding / differences_as_close_as) return Agreement::too_small;
    found = loss_at(q, parameter, direction, step * part) -
            loss_at(q, parameter, direction, -step * part);
    if (std::abs(found - wanted) <= differences_as_close_as * wanted + rounding) {
      return Agreement::right;
    }
  }
  what = text(q.subject.trained_names[i], ": the loss changes by ", found,
              " along its gradient, which says ", wanted);
  return Agreement::wrong;
}

void check_gradients(Inquiry& q) {
  if (!q.promises.differentiable) return q.not_checked("gradients", "they are not promised");
  const Tensors gradients = q.subject.gradients(q.batch);
  const double loss = q.subject.loss(q.batch);
  std::string small;
  for (size_t i = 0; i < gradients.size(); ++i) {
    const std::string& name = q.subject.trained_names[i];
    if (all(isfinite(gradients[i])).item() == 0) {
      q.broken("gradients", text("that of ", name, " is not finite"));
      continue;
    }
    std::string what;
    if (agreement(q, i, gradients[i], loss, what) == Agreement::too_small) {
      small += (small.empty() ? "" : ", ") + name;
    } else {
      q.note("gradients", what);
    }
  }
  if (!small.empty()) q.not_checked("gradients", "too small to be seen in the loss: " + small);
}

}  // namespace

void check_loss(Inquiry& q) {
  const Loss loss = q.subject.loss_of_output(q.output, q.batch);
  check_first_loss(q, loss);
  if (!std::isfinite(loss.sum.item())) return;
  const Tensor gradient = q.subject.output_gradient(q.output, q.batch);
  q.note("loss", count_nonzero(gradient).item() > 0 ? "" : "the output has no say in it");
  if (q.promises.loss_adds_up) {
    try {
      check_rows(q, loss, gradient);
    } catch (const Error& error) {
      q.not_checked("loss", text("one row: ", error.what()));
    }
  }
  // Where all classes are alike, a target's gradient is the least, whatever the model believes.
  const Tensor even = zeros(q.output.shape(), q.output.dtype());
  for (const InputPromise& input : q.promises.inputs) {
    check_padded_targets(q, input, gradient);
    if (input.next_token) check_next_token(q, input, q.subject.output_gradient(even, q.batch));
  }
  check_gradients(q);
}

}  // namespace rapt::training::detail
