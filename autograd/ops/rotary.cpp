#include "rapt/autograd/ops/rotary.h"

#include <cmath>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/kernels/rotary.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

namespace portable = kernels::portable;

/// The cosine and the sine of every angle, [rows, pairs] each, for the places of some rows.
struct Tables {
  Tensor cosine, sine;
  Strides row_strides;  // along the rows of x
  kernels::RotaryPlan plan;
};

/// The places of the rows of x, [.., T] or fewer axes.
Tensor places(const Tensor& x, const RotaryOptions& options) {
  if (!options.positions.defined()) {
    return arange(options.offset, options.offset + x.size(-2));
  }
  require_dtype("rotary", "positions", options.positions, Dtype::i64);
  if (options.offset != 0) fail("rotary: wanted positions or an offset; got both");
  Shape rows = x.shape();
  rows.erase(rows.rank() - 1);
  if (!broadcasts_to(options.positions.shape(), rows)) {
    fail("rotary: wanted positions that broadcast to ", rows, "; got ", options.positions.shape());
  }
  return options.positions.contiguous();
}

Tables tables_of(const Tensor& x, int64_t width, const RotaryOptions& options) {
  const Tensor at = places(x, options);
  Shape rows = x.shape();
  rows.erase(rows.rank() - 1);
  const int64_t pairs = width / 2;
  const auto columns = static_cast<double>(width);
  const double base =
      options.ntk_factor == 1
          ? options.base
          : options.base * portable::pow(options.ntk_factor, columns / (columns - 2));
  const bool adjacent = options.pairs == RotaryPairs::adjacent;
  const Shape shape{at.numel(), pairs};
  const Tables out{empty(shape, x.dtype()),
                   empty(shape, x.dtype()),
                   strides_along(at, rows),
                   {pairs, adjacent ? 2 : 1, adjacent ? 1 : pairs}};
  visit_float(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T *cosine = fresh_data<T>(out.cosine), *sine = fresh_data<T>(out.sine);
    for (int64_t i = 0; i < pairs; ++i) {
      const double frequency =
          portable::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
      for (int64_t t = 0; t < at.numel(); ++t) {
        const double place = static_cast<double>(at.data<int64_t>()[t]) * options.scale;
        cosine[t * pairs + i] = static_cast<T>(portable::cos(place * frequency));
        sine[t * pairs + i] = static_cast<T>(portable::sin(place * frequency));
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
    kernels::rotate(x.shape(), x.data<T>(), x.strides(), by.plan,
                    {by.cosine.data<T>(), sine.data<T>(), by.row_strides}, fresh_data<T>(y),
                    y.strides());
  });
  return join_graph("rotary", {x}, y, [by, back](const Backward& b) -> Gradients {
    return {rotate(b.grad, by, !back)};
  });
}

}  // namespace

Tensor rotary(const Tensor& x, const RotaryOptions& options) {
  require_float("rotary", "x", x);
  const auto even = [](int64_t n) { return n % 2 == 0; };
  if (x.rank() < 2 || (options.width == 0 && !even(x.size(-1)))) {
    fail("rotary: wanted x [..., T, d] with an even d; got ", x.shape());
  }
  if (options.width < 0 || options.width > x.size(-1) || !even(options.width)) {
    fail("rotary: wanted an even width in [0, ", x.size(-1), "]; got ", options.width);
  }
  if (!(options.base > 0 && std::isfinite(options.base))) {
    fail("rotary: wanted a finite base > 0; got ", options.base);
  }
  if (!(options.scale > 0 && std::isfinite(options.scale))) {
    fail("rotary: wanted a finite scale > 0; got ", options.scale);
  }
  const int64_t width = options.width == 0 ? x.size(-1) : options.width;
  if (!(options.ntk_factor >= 1 && std::isfinite(options.ntk_factor)) ||
      (options.ntk_factor != 1 && width < 4)) {
    fail("rotary: wanted a finite ntk_factor >= 1, above 1 with at least 4 columns to turn; got ",
         options.ntk_factor, " and ", width, " columns");
  }
  add_lengths("rotary", options.offset, x.size(-2));
  return rotate(x, tables_of(x, width, options), false);
}

}  // namespace rapt
