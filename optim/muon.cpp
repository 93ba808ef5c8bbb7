#include "rapt/optim/muon.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/optim/detail/adam_step.h"
#include "rapt/optim/elementwise.h"

namespace rapt::optim {
namespace {

/// The nearest matrix whose singular values are 1, roughly: they end up between 0.7 and 1.2.
Tensor orthogonal(const Tensor& u, int64_t iterations) {
  const bool is_tall = u.size(0) > u.size(1);  // the smaller product of the two
  Tensor x = is_tall ? transpose(u) : u;
  x = x / (norm(x) + 1e-7);
  for (int64_t i = 0; i < iterations; ++i) {
    const Tensor a = matmul(x, transpose(x));
    x = 3.4445 * x + matmul(-4.775 * a + 2.0315 * matmul(a, a), x);
  }
  return is_tall ? transpose(x) : x;
}

std::vector<ParameterGroup> all_groups(const std::vector<ParameterGroup>& matrices,
                                       const std::vector<ParameterGroup>& others,
                                       const MuonOptions& options) {
  // The others' rate is a share of the matrices'.
  if (!(options.lr > 0)) fail("Muon: wanted lr > 0; got ", options.lr);
  for (const ParameterGroup& group : matrices) {
    if (group.beta1 || group.beta2) fail("Muon: matrices have no beta1 and beta2; a group set one");
  }
  std::vector<ParameterGroup> all = matrices;
  const double ratio = options.adamw.lr / options.lr;
  for (ParameterGroup group : others) {
    group.lr_scale *= ratio;
    if (!group.weight_decay) group.weight_decay = options.adamw.weight_decay;
    all.push_back(group);
  }
  return all;
}

}  // namespace

Muon::Muon(const std::vector<ParameterGroup>& matrices, const std::vector<ParameterGroup>& others,
           const MuonOptions& options)
    : Optimizer("Muon", all_groups(matrices, others, options),
                {.lr = options.lr,
                 .weight_decay = options.weight_decay,
                 .beta1 = options.adamw.beta1,
                 .beta2 = options.adamw.beta2}),
      options_(options),
      matrix_groups_(matrices.size()) {
  check_setting("momentum", options.momentum, 1);
  check_setting("adamw.eps", options.adamw.eps);
  if (options.iterations < 1) fail("Muon: wanted iterations >= 1; got ", options.iterations);
  if (options.adamw.amsgrad) fail("Muon: wanted adamw without amsgrad");
  const auto zeros_of = [this](bool matrices_only) {
    return [this, matrices_only](const Slot& slot) {
      return is_matrix(slot) == matrices_only ? zeros(slot.parameter.shape(), slot.dtype)
                                              : Tensor();
    };
  };
  keep("momentum_buffer", [&](const Slot& slot) {
    if (is_matrix(slot) && slot.parameter.rank() != 2) {
      fail("Muon: wanted matrices [n, m]; got ", slot.name, " ", slot.parameter.shape(),
           " (AdamW takes the others)");
    }
    return zeros_of(true)(slot);
  });
  keep("exp_avg", zeros_of(false));
  keep("exp_avg_sq", zeros_of(false));
}

Muon::Muon(const NamedTensors& matrices, const NamedTensors& others, const MuonOptions& options)
    : Muon(std::vector<ParameterGroup>{{.parameters = matrices}},
           std::vector<ParameterGroup>{{.parameters = others}}, options) {}

void Muon::update(std::span<Slot* const> slots, double gradient_factor) {
  PoolVector<Slot*> matrices, others;
  for (Slot* slot : slots) (is_matrix(*slot) ? matrices : others).push_back(slot);

  for (Slot* slot : matrices) {
    Tensor &w = slot->parameter, &b = slot->kept[0];
    const double momentum = options_.momentum, lr = lr_of(*slot);
    const Tensor g = w.grad() * gradient_factor;
    b.copy_from(momentum * b + (1 - momentum) * g);
    const Tensor u = options_.nesterov ? momentum * b + (1 - momentum) * g : b;
    const double aspect = static_cast<double>(w.size(0)) / static_cast<double>(w.size(1));
    const double distance = lr * std::sqrt(std::max(1.0, aspect));
    w.copy_from((1 - lr * slot->weight_decay) * w - distance * orthogonal(u, options_.iterations));
  }
  if (others.empty()) return;
  elementwise<2>(others, gradient_factor, [&](const Slot& slot) {
    const detail::AdamStep step(
        slot, {.lr = lr_of(slot), .eps = options_.adamw.eps, .decay = slot.weight_decay});
    return [step](auto g, auto& w, auto& m, auto& v) {
      step.average(g, w, m, v);
      step.move(w, m, v);
    };
  });
}

}  // namespace rapt::optim
