#include "rapt/nn/gradient_flow.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/error.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/leaves.h"
#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

void describe(std::string& out, const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out += text(out.empty() ? "" : "\n", what, ": ");
  for (const std::string& name : names) out += text(&name == &names[0] ? "" : ", ", name);
}

void add(GradientFlow& flow, const std::string& name, const Tensor& gradient) {
  if (!gradient.defined()) {
    flow.missing.push_back(name);
    return;
  }
  visit_float(gradient.dtype(), [&](auto zero) {
    const auto values = gradient.values<decltype(zero)>();
    if (!std::ranges::all_of(values, [](auto v) { return std::isfinite(v); })) {
      flow.non_finite.push_back(name);
    } else if (std::ranges::all_of(values, [](auto v) { return v == 0; })) {
      flow.zero.push_back(name);
    }
  });
}

GradientFlow described(GradientFlow flow) {
  describe(flow.text, "no gradient", flow.missing);
  describe(flow.text, "gradient of zeros", flow.zero);
  describe(flow.text, "gradient not finite", flow.non_finite);
  describe(flow.text, "trained by the loss, but none of the parameters", flow.unlisted);
  return flow;
}

}  // namespace

GradientFlow check_gradient_flow(const NamedTensors& parameters) {
  GradientFlow flow;
  for (const auto& [name, parameter] : parameters) add(flow, name, parameter.grad());
  return described(std::move(flow));
}

GradientFlow check_gradient_flow(const NamedTensors& parameters, const Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1 || !loss.requires_grad()) {
    fail("check_gradient_flow: wanted a loss of one element that has a graph; got ",
         loss.defined() ? text(loss.dtype(), loss.shape()) : "an undefined tensor");
  }
  Tensors wanted;
  for (const auto& [name, parameter] : parameters) {
    if (parameter.requires_grad()) wanted.push_back(parameter);
  }
  const Tensors gradients = grad({loss}, wanted, {.retain_graph = true, .allow_unused = true});
  const PoolVector<LeafUse> behind = leaves_behind(loss);
  const auto is_behind = [&](const Tensor& parameter) {
    return std::ranges::any_of(
        behind, [&](const LeafUse& use) { return use.leaf == impl_of(parameter)->leaf; });
  };
  GradientFlow flow;
  for (size_t i = 0; const auto& [name, parameter] : parameters) {
    if (!parameter.requires_grad()) {
      add(flow, name, Tensor());
      continue;
    }
    const Tensor& gradient = gradients[i++];  // zeros if it has no say
    const bool is_unused = !is_behind(parameter) && count_nonzero(gradient).item() == 0;
    add(flow, name, is_unused ? Tensor() : gradient);
  }
  for (const LeafUse& use : behind) {
    const bool is_listed = std::ranges::any_of(
        wanted, [&](const Tensor& parameter) { return impl_of(parameter)->leaf == use.leaf; });
    if (!is_listed) {
      flow.unlisted.push_back(text(use.leaf->dtype, use.leaf->shape, " of ", use.op));
    }
  }
  return described(std::move(flow));
}

}  // namespace rapt::nn
