#include "rapt/autograd/kernels/normalize.h"

#include <limits>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/kept.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/dropout.h"
#include "rapt/autograd/kernels/softmax.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/reduction.h"

namespace rapt {
namespace {

int64_t rows_of(const Tensor& x) {
  const int64_t n = x.size(-1);
  return n == 0 ? 0 : x.numel() / n;
}

template <class T>
const T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
T* fresh_or_null(const Tensor& x) {
  return x.defined() ? fresh_data<T>(x) : nullptr;
}

Tensor contiguous_or_undefined(const Tensor& x) { return x.defined() ? x.contiguous() : x; }

/// -inf, as a tensor.
Tensor lowest(Dtype dtype) { return full({}, -std::numeric_limits<double>::infinity(), dtype); }

/// What softmax and log_softmax share: their value along an axis.
template <class Run>
Tensor along_axis(const Tensor& x, int64_t axis, Run run) {
  const ReductionPlan p = plan_reduction(x, {axis});
  const Tensor y = empty(p.x.shape(), x.dtype());
  visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    run(p.reduction, p.x.data<T>(), fresh_data<T>(y));
  });
  return p.back(y);
}

/// And their gradient, of the output y.
template <class Run>
Tensor along_axis(const Tensor& y, const Tensor& grad, int64_t axis, Run run) {
  const ReductionPlan p = plan_reduction(y, {axis});
  const Tensor g = p.laid_out(grad), dx = empty(p.x.shape(), y.dtype());
  visit_float(y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    run(p.reduction, p.x.data<T>(), g.data<T>(), fresh_data<T>(dx));
  });
  return p.back(dx);
}

/// Where the gradient of one input is written: added to what has arrived, or to a tensor of its
/// own.
class Into {
 public:
  Into(const Backward& b, size_t input, const Shape& shape) {
    if (!b.needs(input)) return;
    gradient_ = accumulate_into(b, input);
    adds_ = gradient_.defined();
    if (!adds_) gradient_ = empty(shape, b.grad.dtype());
  }
  const Tensor& gradient() const { return gradient_; }
  template <class T>
  kernels::Gradient<T> as() const {
    return {fresh_or_null<T>(gradient_), adds_};
  }

 private:
  Tensor gradient_;
  bool adds_ = false;
};

/// x with its last axes as one, as the kernels take it, once the arguments are known to fit.
Tensor with_one_axis(const char* op, const Tensor& x, int64_t axes) {
  require_float(op, "x", x);
  if (axes < 1) fail(op, ": wanted at least 1 of the last axes; got ", axes);
  if (x.rank() < axes) {
    fail(op, ": wanted x [..., d], with at least ", axes, " axes; got x ", x.shape());
  }
  if (axes == 1) return x;
  Shape shape = x.shape();
  int64_t width = 1;
  for (int64_t i = 0; i < axes; ++i) {
    width *= shape.back();
    shape.pop_back();
  }
  shape.push_back(width);
  return reshape(x, shape);
}

/// weight or bias, [d]: of the shape of the last axes of x.
Tensor with_one_axis(const char* op, const char* argument, const Tensor& x, const Tensor& part,
                     int64_t axes) {
  if (!part.defined()) return part;
  require_same_dtype(op, x, part);
  Shape last;
  for (int64_t axis = x.rank() - axes; axis < x.rank(); ++axis) last.push_back(x.shape()[axis]);
  if (part.shape() != last) {
    fail(op, ": wanted ", argument, " ", last, ", the last ", axes == 1 ? "axis" : "axes", " of x ",
         x.shape(), "; got ", part.shape());
  }
  return reshape(part, {-1});
}

/// 1, but for rows whose squares might be too large to add up: about their largest element. A
/// constant: rows divided by it have the same norm.
Tensor size_of_rows(const Tensor& x) {
  if (x.numel() == 0) return ones({}, x.dtype());
  const Tensor top = max(abs(x.detach()), {-1}, {.keepdim = true});
  const Tensor large = full({}, x.dtype() == Dtype::f32 ? 1e15 : 1e150, x.dtype());
  return where(logical_and(greater(top, large), isfinite(top)), top, ones({}, x.dtype()));
}

Tensor times_and_plus(Tensor y, const Tensor& weight, const Tensor& bias) {
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

/// The value of layer_norm, of dense arguments, and what its gradient needs.
struct LayerNorm {
  LayerNorm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps)
      : y(empty(x.shape(), x.dtype())),
        mean(empty({rows_of(x)}, x.dtype())),
        rstd(empty({rows_of(x)}, x.dtype())) {
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::layer_norm(rows_of(x), x.size(-1), x.data<T>(), data_or_null<T>(weight),
                          data_or_null<T>(bias), eps, fresh_data<T>(y), fresh_data<T>(mean),
                          fresh_data<T>(rstd));
    });
  }
  Tensor y, mean, rstd;
};

/// The same of rms_norm.
struct RmsNorm {
  RmsNorm(const Tensor& x, const Tensor& weight, double eps)
      : y(empty(x.shape(), x.dtype())), rstd(empty({rows_of(x)}, x.dtype())) {
    visit_float(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      kernels::rms_norm(rows_of(x), x.size(-1), x.data<T>(), data_or_null<T>(weight), eps,
                        fresh_data<T>(y), fresh_data<T>(rstd));
    });
  }
  Tensor y, rstd;
};

}  // namespace

Tensor softmax(const Tensor& x, Int axis) {
  require_float("softmax", "x", x);
  const int64_t at = resolve_axis("softmax", axis, x.rank());
  const Tensor y = along_axis(x, at, [](auto... a) { kernels::softmax(a...); });
  return join_graph(
      "softmax", {x}, y,
      [at](const Backward& b) -> Gradients {
        const Tensor& p = b.output();
        if (b.create_graph && p.numel() > 0) {
          const Tensor none = equal(max(p.detach(), {at}, {.keepdim = true}), zeros({}, p.dtype()));
          return {masked_fill(p * (b.grad - sum(b.grad * p, {at}, {.keepdim = true})), none, 0)};
        }
        return {along_axis(p, b.grad, at, [](auto... a) { kernels::softmax_backward(a...); })};
      },
      {.keep_output = true});
}

Tensor log_softmax(const Tensor& x, Int axis) {
  require_float("log_softmax", "x", x);
  const int64_t at = resolve_axis("log_softmax", axis, x.rank());
  const Tensor y = along_axis(x, at, [](auto... a) { kernels::log_softmax(a...); });
  return join_graph(
      "log_softmax", {x}, y,
      [at](const Backward& b) -> Gradients {
        const Tensor& l = b.output();
        if (b.create_graph && l.numel() > 0) {
          const Tensor none = equal(max(l.detach(), {at}, {.keepdim = true}), lowest(l.dtype()));
          return {masked_fill(b.grad - exp(l) * sum(b.grad, {at}, {.keepdim = true}), none, 0)};
        }
        return {along_axis(l, b.grad, at, [](auto... a) { kernels::log_softmax_backward(a...); })};
      },
      {.keep_output = true});
}

namespace {

Tensor layer_norm_of_rows(const Tensor& given, const Tensor& weight, const Tensor& bias,
                          double eps) {
  const auto definition = [eps](const Tensors& in) {
    const Tensor size = size_of_rows(in[0]), row = in[0] / size;
    const Tensor centred = row - mean(row, {-1}, {.keepdim = true});
    const Tensor scale =
        rsqrt(mean(centred * centred, {-1}, {.keepdim = true}) + eps / (size * size));
    return times_and_plus(centred * scale, in[1], in[2]);
  };
  const Tensor x = given.contiguous(), input = x.detach();  // in the graph: a copy is kept alone
  const Tensor scale = contiguous_or_undefined(weight), shift = contiguous_or_undefined(bias);
  const LayerNorm normed(input, scale, shift, eps);
  const Tensor y =
      fused("layer_norm", {x, weight, bias}, definition, normed.y,
            [input, scale, mean = normed.mean, rstd = normed.rstd](const Backward& b) -> Gradients {
              const Tensor g = b.grad.contiguous();
              const int64_t width = g.size(-1);
              const Into dx(b, 0, g.shape()), dweight(b, 1, {width}), dbias(b, 2, {width});
              visit_float(g.dtype(), [&](auto zero) {
                using T = decltype(zero);
                kernels::layer_norm_backward(rows_of(g), width, g.data<T>(), input.data<T>(),
                                             data_or_null<T>(scale), mean.data<T>(), rstd.data<T>(),
                                             dx.as<T>(), dweight.as<T>(), dbias.as<T>());
              });
              return {dx.gradient(), dweight.gradient(), dbias.gradient()};
            });
  return offer_again(y,
                     [input, scale, shift, eps] { return LayerNorm(input, scale, shift, eps).y; });
}

Tensor rms_norm_of_rows(const Tensor& given, const Tensor& weight, double eps) {
  const auto definition = [eps](const Tensors& in) {
    const Tensor size = size_of_rows(in[0]), row = in[0] / size;
    const Tensor scale = rsqrt(mean(row * row, {-1}, {.keepdim = true}) + eps / (size * size));
    return times_and_plus(row * scale, in[1], Tensor());
  };
  const Tensor x = given.contiguous(), input = x.detach();  // in the graph: a copy is kept alone
  const Tensor scale = contiguous_or_undefined(weight);
  const RmsNorm normed(input, scale, eps);
  const Tensor y =
      fused("rms_norm", {x, weight}, definition, normed.y,
            [input, scale, rstd = normed.rstd](const Backward& b) -> Gradients {
              const Tensor g = b.grad.contiguous();
              const Into dx(b, 0, g.shape()), dweight(b, 1, {g.size(-1)});
              visit_float(g.dtype(), [&](auto zero) {
                using T = decltype(zero);
                kernels::rms_norm_backward(rows_of(g), g.size(-1), g.data<T>(), input.data<T>(),
                                           data_or_null<T>(scale), rstd.data<T>(), dx.as<T>(),
                                           dweight.as<T>());
              });
              return {dx.gradient(), dweight.gradient()};
            });
  return offer_again(y, [input, scale, eps] { return RmsNorm(input, scale, eps).y; });
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias,
                  LayerNormOptions options) {
  const auto [eps, axes] = options;
  const Tensor rows = with_one_axis("layer_norm", x, axes);
  const Tensor scale = with_one_axis("layer_norm", "weight", x, weight, axes);
  const Tensor shift = with_one_axis("layer_norm", "bias", x, bias, axes);
  return reshape(layer_norm_of_rows(rows, scale, shift, eps), x.shape());
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, LayerNormOptions options) {
  const auto [eps, axes] = options;
  const Tensor rows = with_one_axis("rms_norm", x, axes);
  const Tensor scale = with_one_axis("rms_norm", "weight", x, weight, axes);
  return reshape(rms_norm_of_rows(rows, scale, eps), x.shape());
}

Tensor group_norm(const Tensor& x, Int groups, const Tensor& weight, const Tensor& bias,
                  GroupNormOptions options) {
  require_float("group_norm", "x", x);
  if (x.rank() < 2) fail("group_norm: wanted x [N, channels, ...]; got ", x.shape());
  const int64_t channels = x.size(1);
  if (groups < 1 || channels % groups != 0) {
    fail("group_norm: wanted groups that divide the ", channels, " channels of x ", x.shape(),
         "; got ", groups);
  }
  Shape by_channel = filled<Shape>(x.rank(), 1);
  by_channel[1] = channels;
  const auto checked = [&](const char* argument, const Tensor& part) {
    if (!part.defined()) return part;
    require_same_dtype("group_norm", x, part);
    if (part.shape() == Shape{channels}) return reshape(part, by_channel);
    fail("group_norm: wanted ", argument, " [", channels, "], the channels of x ", x.shape(),
         "; got ", part.shape());
  };
  const Tensor scale = checked("weight", weight), shift = checked("bias", bias);
  if (x.numel() == 0) return times_and_plus(x.clone(), scale, shift);
  const Tensor rows = reshape(x, {x.size(0), groups, -1});
  return times_and_plus(reshape(layer_norm_of_rows(rows, {}, {}, options.eps), x.shape()), scale,
                        shift);
}

namespace {

/// Dropout by the draws after `at`: linear in x, so it is its own gradient.
Tensor drop(const Tensor& x, double p, PhiloxKey at) {
  const Tensor from = x.contiguous(), y = empty(x.shape(), x.dtype());
  visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::dropout(x.numel(), from.data<T>(), p, at, fresh_data<T>(y));
  });
  return join_graph("dropout", {x}, y,
                    [p, at](const Backward& b) -> Gradients { return {drop(b.grad, p, at)}; });
}

}  // namespace

Tensor dropout(const Tensor& x, double p, Rng& rng) {
  require_float("dropout", "x", x);
  if (!(p >= 0 && p < 1)) fail("dropout: wanted 0 <= p < 1; got ", p);
  if (p == 0) return x;
  return drop(x, p, rng.take(kernels::dropout_blocks(x.numel())));
}

}  // namespace rapt
