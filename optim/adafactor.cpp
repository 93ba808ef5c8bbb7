#include "rapt/optim/adafactor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"

namespace rapt::optim {
namespace {

double default_eps1(Dtype dtype) {
  return dtype == Dtype::f32 ? std::numeric_limits<float>::epsilon()
                             : std::numeric_limits<double>::epsilon();
}

double root_mean_square(const Tensor& x) {
  return norm(x).item() / std::sqrt(static_cast<double>(std::max<int64_t>(x.numel(), 1)));
}

/// average + share (x - average), in place.
void add_to(Tensor& average, const Tensor& x, double share) {
  average.copy_from(average + share * (x - average));
}

/// Of a matrix, its sums along that axis leave a 1 there; of a vector, nothing.
Tensor zeros_without(const Slot& slot, int64_t axis) {
  Shape shape = slot.parameter.shape();
  if (shape.rank() < 2) return {};
  shape[shape.rank() + axis] = 1;
  return zeros(shape, slot.dtype);
}

}  // namespace

Adafactor::Adafactor(const std::vector<ParameterGroup>& groups, const AdafactorOptions& options)
    : Optimizer("Adafactor", groups, {.lr = options.lr, .weight_decay = options.weight_decay}),
      options_(options) {
  if (!(options.beta2_decay <= 0)) {
    fail("Adafactor: wanted beta2_decay <= 0; got ", options.beta2_decay);
  }
  if (options.eps1) check_setting("eps1", *options.eps1);
  check_setting("eps2", options.eps2);
  if (!(options.d >= 1)) fail("Adafactor: wanted d >= 1; got ", options.d);
  keep("row_var", [](const Slot& slot) { return zeros_without(slot, -1); });
  keep("col_var", [](const Slot& slot) { return zeros_without(slot, -2); });
  keep("variance", [](const Slot& slot) {
    const bool is_matrix = slot.parameter.rank() >= 2;
    return is_matrix ? Tensor() : zeros(slot.parameter.shape(), slot.dtype);
  });
}

Adafactor::Adafactor(const NamedTensors& parameters, const AdafactorOptions& options)
    : Adafactor({{.parameters = parameters}}, options) {}

void Adafactor::update(std::span<Slot* const> slots, double gradient_factor) {
  for (Slot* slot : slots) {
    Tensor& w = slot->parameter;
    const Tensor g = w.grad() * gradient_factor, squares = g * g;
    const auto t = static_cast<double>(slot->step);
    const double lr = lr_of(*slot), share = kernels::portable::pow(t, options_.beta2_decay);
    const double eps1 = options_.eps1.value_or(default_eps1(slot->dtype));

    Tensor v;
    if (w.rank() >= 2) {
      Tensor &rows = slot->kept[0], &columns = slot->kept[1];
      add_to(rows, mean(squares, -1, {.keepdim = true}), share);
      add_to(columns, mean(squares, -2, {.keepdim = true}), share);
      v = rows * columns / maximum(mean(rows, -2, {.keepdim = true}), eps1);
    } else {
      add_to(slot->kept[0], squares, share);
      v = slot->kept[0];
    }
    const Tensor u = g / sqrt(maximum(v, eps1 * eps1));
    const double rho = std::min(lr, 1 / std::sqrt(t));
    const double size = std::max(options_.eps2, root_mean_square(w));
    const double limited = std::max(1.0, root_mean_square(u) / options_.d);
    w.copy_from(w * (1 - lr * slot->weight_decay) - size * rho / limited * u);
  }
}

}  // namespace rapt::optim
