#include "rapt/nn/gradient_flow.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/error.h"

namespace rapt::nn {
namespace {

void describe(std::string& out, const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out += text(out.empty() ? "" : "\n", what, ": ");
  for (const std::string& name : names) out += text(&name == &names[0] ? "" : ", ", name);
}

}  // namespace

GradientFlow check_gradient_flow(const NamedTensors& parameters) {
  GradientFlow flow;
  for (const auto& [name, parameter] : parameters) {
    const Tensor gradient = parameter.grad();
    if (!gradient.defined()) {
      flow.missing.push_back(name);
      continue;
    }
    visit_float(gradient.dtype(), [&, &name = name](auto zero) {
      const auto values = gradient.values<decltype(zero)>();
      if (!std::ranges::all_of(values, [](auto v) { return std::isfinite(v); })) {
        flow.non_finite.push_back(name);
      } else if (std::ranges::all_of(values, [](auto v) { return v == 0; })) {
        flow.zero.push_back(name);
      }
    });
  }
  describe(flow.text, "no gradient", flow.missing);
  describe(flow.text, "gradient of zeros", flow.zero);
  describe(flow.text, "gradient not finite", flow.non_finite);
  return flow;
}

}  // namespace rapt::nn
