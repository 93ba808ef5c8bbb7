// Random programs that build a graph of smooth functions in f64: their gradient beside finite
// differences, walked in several ways; and with a tensor overwritten before it is walked.

#include <cmath>

#include "draw.h"

namespace rapt::fuzz {
namespace {

/// A program is its bytes: the same ones on other leaves give the same steps.
class Program {
 public:
  Program(const uint8_t* data, size_t size) : data_(data), size_(size) {
    Draw d = draw();
    for (int64_t i = d.in(1, 3); i > 0; --i) {
      Shape shape;
      for (int64_t rank = d.in(0, 3); rank > 0; --rank) shape.push_back(d.in(1, 4));
      values_.push_back(Rng(static_cast<uint64_t>(d.in(0, 255))).normal(shape, 0, 1, Dtype::f64));
    }
  }

  const Tensors& values() const { return values_; }

  /// The program's result, a scalar. `made`, if given, gets every tensor on the way.
  Tensor run(const Tensors& leaves, Tensors* made = nullptr) const {
    Draw d = draw();
    for (int64_t i = d.in(1, 3); i > 0; --i) {
      for (int64_t rank = d.in(0, 3); rank > 0; --rank) d.in(1, 4);
      d.in(0, 255);
    }
    Tensors all = leaves;
    for (int64_t i = d.in(1, 12); i > 0; --i) {
      Tensor next = step(d, all);
      if (next.numel() <= 500) all.push_back(next);
    }
    Tensor total = zeros({}, Dtype::f64);
    for (const Tensor& x : all) total = total + sum(sin(x));
    if (made != nullptr) *made = all;
    return total;
  }

 private:
  Draw draw() const { return Draw(data_, size_, false); }

  static Tensor pick(Draw& d, const Tensors& all) {
    return all[static_cast<size_t>(d.in(0, static_cast<int64_t>(all.size()) - 1))];
  }

  static Tensor matrix(const Tensor& x) { return reshape(x, {-1, x.rank() == 0 ? 1 : x.size(-1)}); }

  static Tensor view(Draw& d, const Tensor& x) {
    if (x.rank() == 0) return unsqueeze(x, 0);
    const int64_t axis = d.in(0, x.rank() - 1);
    switch (d.in(0, 6)) {
      case 0:
        return transpose(x, axis, d.in(0, x.rank() - 1));
      case 1:
        return slice(x, axis, 0, d.in(1, 4), d.in(1, 2));
      case 2:
        return select(x, axis, 0);
      case 3:
        return reshape(x, {-1});
      case 4:
        return x.rank() < 4 ? expand(unsqueeze(x, axis),
                                     [&] {
                                       Shape shape = x.shape();
                                       shape.insert(axis, 2);
                                       return shape;
                                     }())
                            : x;
      case 5:
        return split(x, {d.in(0, x.size(axis)) * 0 + 1, x.size(axis) - 1}, axis)[0];
      default:
        return diagonal(matrix(x));
    }
  }

  static Tensor smooth(Draw& d, const Tensor& x) {
    switch (d.in(0, 8)) {
      case 0:
        return tanh(x);
      case 1:
        return sigmoid(x) * 2.0;
      case 2:
        return exp(x * -0.1);
      case 3:
        return gelu(x);
      case 4:
        return silu(x);
      case 5:
        return rsqrt(x * x + 1.0);
      case 6:
        return pow(x * x + 1.0, 0.7);
      case 7:
        return erf(x);
      default:
        return log(x * x + 1.0);
    }
  }

  static Tensor along_rows(Draw& d, const Tensor& x) {
    const Tensor m = matrix(x);
    switch (d.in(0, 7)) {
      case 0:
        return softmax(m, d.in(0, 1));
      case 1:
        return log_softmax(m, d.in(0, 1));
      case 2:
        return layer_norm(m, {}, {}, {.eps = 0.1});
      case 3:
        return rms_norm(m, {}, {.eps = 0.1});
      case 4:
        return logsumexp(m, {d.in(0, 1)});
      case 5:
        return mean(m, {d.in(0, 1)}, {.keepdim = true});
      case 6:
        return attention(m, m, tanh(m), {.mask = d.chance(2) ? Mask::causal() : Mask()});
      default:
        return var(m, {1}, {.correction = 0});
    }
  }

  static Tensor product(Draw& d, const Tensor& x) {
    const Tensor m = matrix(x);
    switch (d.in(0, 3)) {
      case 0:
        return tanh(matmul(m, transpose(m)));
      case 1:
        return tanh(linear(m, m));
      case 2:
        return tanh(einsum("ij,ik->jk", {m, m}));
      default:
        return tanh(gelu_linear(m, m));
    }
  }

  static Tensor pair(Draw& d, const Tensor& a, const Tensor& b) {
    const Tensor other = a.shape() == b.shape() ? b : mean(b);
    switch (d.in(0, 4)) {
      case 0:
        return a + other;
      case 1:
        return a * tanh(other);
      case 2:
        return a / (other * other + 1.0);
      case 3:
        return other - a;
      default:
        return stack({a, a.shape() == b.shape() ? b : a * 0.5}, 0);
    }
  }

  static Tensor step(Draw& d, const Tensors& all) {
    const Tensor x = pick(d, all);
    switch (d.in(0, 9)) {
      case 0:
      case 1:
        return view(d, x);
      case 2:
        return smooth(d, x);
      case 3:
        return along_rows(d, x);
      case 4:
        return product(d, x);
      case 5:
      case 6:
        return pair(d, x, pick(d, all));
      case 7:
        return recompute([](const Tensors& in) -> Tensor { return tanh(in[0]) * in[1]; },
                         {x, mean(pick(d, all))});
      case 8:
        return index_select(matrix(x), 0, zeros({d.in(1, 3)}, Dtype::i64));
      default:
        return concat({reshape(x, {-1}), reshape(pick(d, all), {-1})});
    }
  }

  const uint8_t* data_;
  size_t size_;
  Tensors values_;
};

Tensors leaves_of(const Tensors& values) {
  Tensors out;
  for (const Tensor& value : values) out.push_back(value.detach().clone().set_requires_grad());
  return out;
}

double dot(const Tensors& a, const Tensors& b) {
  const NoGrad no_grad;
  double out = 0;
  for (size_t i = 0; i < a.size(); ++i) out += sum(a[i] * b[i]).item();
  return out;
}

double size_of(const Tensors& a) { return std::sqrt(dot(a, a)); }

void require_close(const char* what, const Tensors& a, const Tensors& b, double tolerance) {
  const NoGrad no_grad;
  Tensors difference;
  for (size_t i = 0; i < a.size(); ++i) difference.push_back(a[i] - b[i]);
  const double apart = size_of(difference);
  require(apart <= tolerance * (1 + size_of(b)), what, " differ by ", apart, " of ", size_of(b));
}

Tensors moved(const Tensors& values, const Tensors& direction, double by) {
  const NoGrad no_grad;
  Tensors out;
  for (size_t i = 0; i < values.size(); ++i) out.push_back(values[i] + direction[i] * by);
  return out;
}

/// The derivative along `direction`, by differences of the fourth order.
double slope(const Program& program, const Tensors& direction, double h) {
  const NoGrad no_grad;
  const auto at = [&](double by) {
    return program.run(moved(program.values(), direction, by)).item();
  };
  return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
}

/// Overwritten between the program and the walk: refused, or without an effect.
void check_overwritten(const Program& program, const Tensors& wanted, int64_t which) {
  const Tensors leaves = leaves_of(program.values());
  Tensors made;
  const Tensor y = program.run(leaves, &made);
  Tensor victim = leaves[static_cast<size_t>(which) % leaves.size()];
  {
    const NoGrad no_grad;
    victim.copy_from(full(victim.shape(), 7.5, Dtype::f64));
  }
  try {
    require_close("gradients with a leaf overwritten", grad({y}, leaves, {.allow_unused = true}),
                  wanted, 1e-12);
  } catch (const Error&) {
    // refused: what the rules need is gone
  }
}

void check(const uint8_t* data, size_t size) {
  const Program program(data, size);
  const Tensors leaves = leaves_of(program.values());
  const Tensor y = program.run(leaves);
  if (!std::isfinite(y.item())) return;
  const GradOptions keep = {.retain_graph = true, .allow_unused = true};
  const Tensors found = grad({y}, leaves, keep), again = grad({y}, leaves, keep);
  require_close("gradients of one graph, walked twice,", again, found, 0);
  const Tensors graphed = grad({y}, leaves, {.create_graph = true, .allow_unused = true});
  require_close("gradients by kernels and by create_graph", graphed, found, 1e-9);
  y.backward();
  Tensors gathered;
  for (const Tensor& leaf : leaves) {
    gathered.push_back(leaf.grad().defined() ? leaf.grad() : zeros(leaf.shape(), Dtype::f64));
  }
  require_close("gradients by grad() and by backward()", gathered, found, 1e-12);

  Tensors direction;
  for (const Tensor& leaf : leaves)
    direction.push_back(Rng(3).normal(leaf.shape(), 0, 1, Dtype::f64));
  const double exact = dot(found, direction), allowed = 1e-5 * (1 + size_of(found));
  // Where the curve turns within a step, a shorter one is right.
  const double far = slope(program, direction, 1e-3);
  require(std::abs(far - exact) <= allowed ||
              std::abs(slope(program, direction, 1e-4) - exact) <= allowed ||
              std::abs(slope(program, direction, 1e-5) - exact) <= allowed,
          "along a direction, the graph gives ", exact, ", finite differences give ", far);
  check_overwritten(program, found, size > 0 ? data[size - 1] : 0);
}

}  // namespace
}  // namespace rapt::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  rapt::set_num_threads(1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rapt::fuzz::check(data, size);
  return 0;
}
