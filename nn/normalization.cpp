#include "rapt/nn/normalization.h"

#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

Tensor filled_with(const char* layer, int64_t width, double value) {
  if (width < 1) fail(layer, ": wanted width >= 1; got ", width);
  return full({width}, value);
}

/// Of what the shapes of the weights do not say.
Values settings(double eps) {
  Values out;
  out.set("eps", eps);
  return out;
}

}  // namespace

LayerNorm::LayerNorm(int64_t width, double eps)
    : weight(parameter("weight", filled_with("LayerNorm", width, 1))),
      bias(parameter("bias", filled_with("LayerNorm", width, 0))),
      eps_(eps) {
  configure(settings(eps));
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  return call(x, [&] { return layer_norm(x, weight, bias, {.eps = eps_}); });
}

RMSNorm::RMSNorm(int64_t width, double eps)
    : weight(parameter("weight", filled_with("RMSNorm", width, 1))), eps_(eps) {
  configure(settings(eps));
}

Tensor RMSNorm::operator()(const Tensor& x) const {
  return call(x, [&] { return rms_norm(x, weight, {.eps = eps_}); });
}

Norm::Norm(NormKind kind, int64_t width, double eps)
    : weight(parameter("weight", filled_with("Norm", width, 1))), kind_(kind), eps_(eps) {
  configure(settings(eps));
  if (kind == NormKind::layer) bias = parameter("bias", filled_with("Norm", width, 0));
}

Tensor Norm::operator()(const Tensor& x) const {
  return call(x, [&] {
    return kind_ == NormKind::layer ? layer_norm(x, weight, bias, {.eps = eps_})
                                    : rms_norm(x, weight, {.eps = eps_});
  });
}

}  // namespace rapt::nn
