#include "rapt/autograd/kernels/rotary.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

/// The cosine and the sine of every angle: [T, d / 2] each.
struct Tables {
  Tensor cosine, sine;
};

Tables tables(int64_t length, int64_t width, Dtype dtype, const RotaryOptions& options) {
  const Shape shape{length, width / 2};
  const Tables out{empty(shape, dtype), empty(shape, dtype)};
  visit_float(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < width / 2; ++i) {
      const double frequency = kernels::portable::pow(
          options.base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
      for (int64_t t = 0; t < length; ++t) {
        const double angle = static_cast<double>(options.offset + t) * frequency;
        fresh_data<T>(out.cosine)[t * (width / 2) + i] =
            static_cast<T>(kernels::portable::cos(angle));
        fresh_data<T>(out.sine)[t * (width / 2) + i] =
            static_cast<T>(kernels::portable::sin(angle));
      }
    }
  });
  return out;
}

/// A rotation is linear, and its adjoint turns back by the same angles.
Tensor rotate(const Tensor& x, const Tables& by, bool back) {
  const Tensor y = empty_like(x, x.shape());
  const Tensor sine = back ? -by.sine : by.sine;
  visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::rotate(x.shape(), x.data<T>(), x.strides(), by.cosine.data<T>(), sine.data<T>(),
                    fresh_data<T>(y), y.strides());
  });
  return join_graph("rotary", {x}, y, [by, back](const Backward& b) -> Gradients {
    return {rotate(b.grad, by, !back)};
  });
}

}  // namespace

Tensor rotary(const Tensor& x, const RotaryOptions& options) {
  require_float("rotary", "x", x);
  if (x.rank() < 2 || x.size(-1) % 2 != 0) {
    fail("rotary: wanted x [..., T, d] with an even d; got ", x.shape());
  }
  add_lengths("rotary", options.offset, x.size(-2));
  return rotate(x, tables(x.size(-2), x.size(-1), x.dtype(), options), false);
}

}  // namespace rapt
