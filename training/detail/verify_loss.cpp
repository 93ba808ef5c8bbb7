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
constexpr double rounding_of_a_loss = 4e-6;
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

/// The rows' losses add up to the batch's, and each that counts has a say.
void check_rows(Inquiry& q, const Loss& loss, const Tensor& gradient) {
  double total = 0, counted = 0;
  for (int64_t i = 0; i < q.rows; ++i) {
    const NamedTensors alone = select_rows(q.batch, q.rows, from_values<int64_t>({i}));
    const Loss part = q.subject.loss_of(row(q.output, i), alone);
    total += part.sum.item(), counted += part.count;
    if (part.count > 0 && count_nonzero(row(gradient, i)).item() == 0) {
      q.broken("loss", text("row ", i, " of the output has no say in the loss"));
    }
  }
  const auto differ = [](double a, double b) {
    return std::abs(a - b) > sums_as_close_as * std::max({std::abs(a), std::abs(b), 1e-3});
  };
  const double whole = loss.sum.item();
  if (differ(total, whole) || differ(counted, loss.count)) {
    q.broken("loss", text("the losses of the rows are ", total, " over ", counted,
                          " targets, and that of the batch ", whole, " over ", loss.count));
  }
}

/// Padding is no target.
void check_padded_targets(Inquiry& q, const Tensor& gradient) {
  const InputPromise* input = q.along_output();
  if (input == nullptr || !q.lengths_of(*input).defined()) return;
  const std::vector<bool> counts = q.counting(*input).values<bool>();
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
  if (gradient.rank() != 3 || q.along_output() != &input) {
    return q.broken("next_token", text("wanted an output [B, T, classes] along \"", input.name,
                                       "\"; got ", gradient.shape()));
  }
  const std::vector<int64_t> tokens = q.batch[input.name].values<int64_t>();
  const std::vector<int64_t> targets = targets_by(gradient);
  const std::vector<bool> counts = q.counting(input).values<bool>();
  const auto length = static_cast<size_t>(gradient.size(1));
  int64_t seen = 0;
  for (size_t i = 0; i + 1 < targets.size(); ++i) {
    if (i % length == length - 1 || targets[i] < 0 || !counts[i + 1]) continue;
    ++seen;
    if (targets[i] == tokens[i + 1]) continue;
    return q.broken("next_token", text("the target of row ", i / length, ", place ", i % length,
                                       " is ", targets[i], ", and the next token ", tokens[i + 1]));
  }
  q.note("next_token", seen > 0 ? "" : "no place has a target");
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

/// Along a parameter's own gradient the loss grows by its length; if there is none, nowhere.
std::string gradient_error(Inquiry& q, size_t i, const Tensor& gradient, double loss) {
  const Tensor& parameter = q.subject.trained[i];
  const double slope = length_of(gradient);
  Rng rng(i);
  const Tensor any_way = rng.normal(parameter.shape(), 0, 1, parameter.dtype());
  const Tensor way = slope > 0 ? gradient : any_way;
  const Tensor direction = way * (1 / length_of(way));
  const double rounding = rounding_of_a_loss * std::max(1.0, std::abs(loss));
  const auto elements = static_cast<double>(parameter.numel());
  double step = largest_step * std::max(length_of(parameter.detach()), 0.1 * std::sqrt(elements));
  if (slope > 0) step = std::min(step, wanted_difference * std::max(std::abs(loss), 0.1) / slope);
  // What curves is straight to a smaller step.
  for (const double part : {1.0, 0.25}) {
    const double wanted = 2 * step * part * slope;
    if (slope > 0 && wanted < rounding / differences_as_close_as) return "";  // too little to see
    const double found = loss_at(q, parameter, direction, step * part) -
                         loss_at(q, parameter, direction, -step * part);
    if (std::abs(found - wanted) <= differences_as_close_as * wanted + rounding) return "";
    if (part < 1) {
      return text(q.subject.trained_names[i], ": the loss changes by ", found,
                  " along its gradient, which says ", wanted);
    }
  }
  return "";
}

void check_gradients(Inquiry& q) {
  if (!q.promises.differentiable) return q.not_checked("gradients", "they are not promised");
  const Tensors gradients = q.subject.gradients(q.batch);
  const double loss = q.subject.loss(q.batch);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const std::string& name = q.subject.trained_names[i];
    if (all(isfinite(gradients[i])).item() == 0) {
      q.broken("gradients", text("that of ", name, " is not finite"));
      continue;
    }
    q.note("gradients", gradient_error(q, i, gradients[i], loss));
  }
}

}  // namespace

void check_loss(Inquiry& q) {
  const Loss loss = q.subject.loss_of(q.output, q.batch);
  check_first_loss(q, loss);
  if (!std::isfinite(loss.sum.item())) return;
  const Tensor gradient = q.subject.output_gradient(q.batch);
  q.note("loss", count_nonzero(gradient).item() > 0 ? "" : "the output has no say in it");
  if (q.promises.loss_adds_up) check_rows(q, loss, gradient);
  check_padded_targets(q, gradient);
  for (const InputPromise& input : q.promises.inputs) {
    if (input.next_token) check_next_token(q, input, gradient);
  }
  check_gradients(q);
}

}  // namespace rapt::training::detail
