#include "rapt/autograd/gradient_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/random.h"

namespace rapt {
namespace {

using Function = FunctionRef<Tensors(const Tensors&)>;

// Disagreements written out before the rest are only counted.
constexpr int most_reported = 5;

/// x in memory of its own, with no axis dense: every second element, axes in reversed order.
Tensor strided(const Tensor& x) {
  Axes reversed;
  for (int64_t axis = x.rank() - 1; axis >= 0; --axis) reversed.push_back(axis);
  const Tensor spread = permute(permute(x, reversed).contiguous(), reversed);
  const Tensor doubled = stack({spread, spread + 1.0}, 0);
  Axes last;  // the doubled axis goes last in memory
  for (int64_t axis = 1; axis <= x.rank(); ++axis) last.push_back(axis);
  last.push_back(0);
  return select(permute(doubled, last).contiguous(), -1, 0).detach();
}

std::string place(int64_t flat, const Shape& shape) {
  Dims index = filled<Dims>(shape.rank(), 0);
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return index.str();
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const std::vector<double> u = a.values<double>(), v = b.values<double>();
  if (a.shape() != b.shape()) return false;
  return u.empty() || std::memcmp(u.data(), v.data(), u.size() * sizeof(double)) == 0;
}

/// One function at one point, with its inputs laid out in one way.
class Check {
 public:
  Check(Function f, const Tensors& point, const GradientCheckOptions& options, std::string where,
        bool non_contiguous, GradientReport& report)
      : f_(f),
        point_(point),
        options_(options),
        where_(std::move(where)),
        non_contiguous_(non_contiguous),
        report_(report) {}

  void run() {
    const Tensors inputs = leaves(point_);
    const Tensors outputs = f_(inputs);
    check_outputs(outputs);
    if (!report_.ok) return;
    const Tensors again = f_(leaves(point_));
    for (size_t o = 0; o < outputs.size(); ++o) {
      if (!same_bits(outputs[o], again.at(o))) {
        complain("output ", o, " has other bits when f is called again");
      }
    }
    differentiate_numerically(outputs);
    for (size_t o = 0; o < outputs.size(); ++o) check_jacobian(inputs, outputs, o);
    check_random_cotangent(inputs, outputs);
  }

 private:
  Tensor laid_out(const Tensor& value) const {
    if (!is_float(value.dtype())) return value;
    return non_contiguous_ ? strided(value) : value.detach().clone();
  }

  Tensors leaves(const Tensors& values) const {
    Tensors out;
    for (const Tensor& value : values) {
      out.push_back(laid_out(value));
      if (is_float(value.dtype())) out.back().set_requires_grad();
    }
    return out;
  }

  Tensors differentiable(const Tensors& inputs) const {
    Tensors out;
    for (const Tensor& input : inputs) {
      if (is_float(input.dtype())) out.push_back(input);
    }
    return out;
  }

  void check_outputs(const Tensors& outputs) {
    for (size_t o = 0; o < outputs.size(); ++o) {
      if (outputs[o].dtype() != Dtype::f64) {
        fail("check_gradients: wanted outputs of f64; output ", o, " is ", outputs[o].dtype());
      }
    }
  }

  /// A difference quotient, and the rounding of f's values that it may hold.
  struct Numeric {
    double value = 0, rounding = 0;
  };

  /// numeric_[input][output] = d(output)/d(input), [elements of input, elements of output].
  void differentiate_numerically(const Tensors& outputs) {
    const NoGrad no_grad;
    for (size_t i = 0; i < point_.size(); ++i) {
      if (!is_float(point_[i].dtype())) continue;
      std::vector<std::vector<Numeric>>& columns = numeric_.emplace_back(outputs.size());
      input_of_.push_back(i);
      const std::vector<double> at = point_[i].values<double>();
      for (size_t j = 0; j < at.size(); ++j) append_column(i, at, j, columns);
    }
  }

  void append_column(size_t i, const std::vector<double>& at, size_t j,
                     std::vector<std::vector<Numeric>>& columns) {
    const double h = options_.step;
    const auto value = [&](double step) {
      Tensors inputs = point_;
      std::vector<double> moved = at;
      moved[j] += step;
      inputs[i] = from_values(moved, point_[i].shape());
      for (Tensor& input : inputs) input = laid_out(input);
      return f_(inputs);
    };
    // The five-point difference: its error falls with the fourth power of the step.
    const Tensors a = value(-2 * h), b = value(-h), c = value(h), d = value(2 * h);
    for (size_t o = 0; o < columns.size(); ++o) {
      const auto va = a[o].values<double>(), vb = b[o].values<double>();
      const auto vc = c[o].values<double>(), vd = d[o].values<double>();
      for (size_t e = 0; e < va.size(); ++e) {
        const double size =
            std::max({std::abs(va[e]), std::abs(vb[e]), std::abs(vc[e]), std::abs(vd[e])});
        // In pairs, whose differences are small: what f has of its size cancels exactly. What f
        // rounds away of its size does not, and shows over the step.
        columns[o].push_back({((va[e] - vd[e]) + 8 * (vc[e] - vb[e])) / (12 * h),
                              4 * std::numeric_limits<double>::epsilon() * size / h});
      }
    }
  }

  Tensors gradients(const Tensors& inputs, const Tensors& outputs, const Tensors& cotangents,
                    bool create_graph) const {
    return grad(outputs, differentiable(inputs),
                {.create_graph = create_graph,
                 .retain_graph = true,
                 .allow_unused = true,
                 .cotangents = cotangents});
  }

  void check_jacobian(const Tensors& inputs, const Tensors& outputs, size_t o) {
    const int64_t width = outputs[o].numel();
    for (int64_t e = 0; e < width; ++e) {
      std::vector<double> one(static_cast<size_t>(width), 0.0);
      one[static_cast<size_t>(e)] = 1;
      const Tensors found =
          gradients(inputs, {outputs[o]}, {from_values(one, outputs[o].shape())}, false);
      for (size_t n = 0; n < found.size(); ++n) {
        const std::vector<double> graph = found[n].values<double>();
        for (size_t j = 0; j < graph.size(); ++j) {
          const Numeric& numeric =
              numeric_[n][o][j * static_cast<size_t>(width) + static_cast<size_t>(e)];
          compare(n, static_cast<int64_t>(j), graph[j], numeric,
                  text("output ", o, place(e, outputs[o].shape())));
        }
      }
    }
  }

  void check_random_cotangent(const Tensors& inputs, const Tensors& outputs) {
    Rng rng(options_.seed);
    Tensors cotangents;
    for (const Tensor& output : outputs) {
      cotangents.push_back(rng.normal(output.shape(), 0, 1, Dtype::f64));
    }
    const Tensors found = gradients(inputs, outputs, cotangents, false);
    const Tensors again = gradients(inputs, outputs, cotangents, false);
    const Tensors graphed = gradients(inputs, outputs, cotangents, true);
    for (size_t n = 0; n < found.size(); ++n) {
      if (!same_bits(found[n], again[n])) {
        complain("the gradient of input ", input_of_[n], " has other bits when computed again");
      }
      const std::vector<double> plain = found[n].values<double>();
      const std::vector<double> with_graph = graphed[n].values<double>();
      for (size_t j = 0; j < plain.size(); ++j) {
        Numeric numeric;
        for (size_t o = 0; o < outputs.size(); ++o) {
          const std::vector<double> weights = cotangents[o].values<double>();
          for (size_t e = 0; e < weights.size(); ++e) {
            const Numeric& entry = numeric_[n][o][j * weights.size() + e];
            numeric.value += weights[e] * entry.value;
            numeric.rounding += std::abs(weights[e]) * entry.rounding;
          }
        }
        const int64_t at = static_cast<int64_t>(j);
        compare(n, at, plain[j], numeric, "a random combination of the outputs");
        compare(n, at, with_graph[j], numeric,
                "a random combination of the outputs, with create_graph");
      }
    }
  }

  void compare(size_t n, int64_t index, double graph, const Numeric& numeric,
               const std::string& of) {
    const double difference = std::abs(graph - numeric.value);
    const double size = std::abs(numeric.value);
    report_.worst = std::max(report_.worst, difference / (1 + size));
    const double allowed = options_.absolute + options_.relative * size + numeric.rounding;
    if (std::isfinite(difference) && difference <= allowed) return;  // allowed may be infinite
    const size_t input = input_of_[n];
    complain("d(", of, ")/d(input ", input, place(index, point_[input].shape()),
             "): the graph gives ", graph, ", finite differences give ", numeric.value);
  }

  template <class... Parts>
  void complain(const Parts&... parts) {
    report_.ok = false;
    if (++complaints_ > most_reported) return;
    append_text(report_.text, text(where_, ": ", parts..., "\n"));
    if (complaints_ == most_reported) append_text(report_.text, "(more of the same kind follow)\n");
  }

  const Function f_;
  const Tensors& point_;
  const GradientCheckOptions& options_;
  const std::string where_;
  const bool non_contiguous_;
  GradientReport& report_;
  std::vector<std::vector<std::vector<Numeric>>> numeric_;  // by differentiable input
  std::vector<size_t> input_of_;                            // its number among all inputs
  int complaints_ = 0;
};

void check_all_layouts(Function f, const Tensors& point, const GradientCheckOptions& options,
                       const std::string& where, GradientReport& report) {
  Check(f, point, options, where, false, report).run();
  if (options.non_contiguous) {
    Check(f, point, options, where + ", non-contiguous inputs", true, report).run();
  }
}

}  // namespace

GradientReport check_gradients(Function f, const Tensors& inputs,
                               const GradientCheckOptions& options) {
  Tensors point;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) fail("check_gradients: input ", i, " is undefined");
    if (inputs[i].dtype() == Dtype::f32) {
      fail("check_gradients: wanted inputs of f64, whose rounding does not hide errors; input ", i,
           " is f32");
    }
    point.push_back(inputs[i].detach().contiguous());
  }
  if (options.order != 1 && options.order != 2) {
    fail("check_gradients: wanted order 1 or 2; got ", options.order);
  }
  GradientReport report;
  check_all_layouts(f, point, options, "order 1", report);
  if (options.order == 1 || !report.ok) return report;

  // The gradient as a function of its own: of the inputs and of the cotangents.
  const size_t count = point.size();
  const auto gradient = [f, count](const Tensors& all) -> Tensors {
    const Recording on(true);  // finite differences are taken without a graph, but this needs one
    Tensors wanted, arguments(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    for (Tensor& argument : arguments) {
      if (!is_float(argument.dtype())) continue;
      if (!argument.requires_grad()) argument = argument.detach().set_requires_grad();
      wanted.push_back(argument);
    }
    return grad(
        f(arguments), wanted,
        {.create_graph = true,
         .allow_unused = true,
         .cotangents = Tensors(all.begin() + static_cast<std::ptrdiff_t>(count), all.end())});
  };
  Tensors extended = point;
  Rng rng(options.seed + 1);
  for (const Tensor& output : f(point)) {
    extended.push_back(rng.normal(output.shape(), 0, 1, Dtype::f64));
  }
  check_all_layouts(gradient, extended, options, "order 2", report);
  return report;
}

GradientReport check_gradients(FunctionRef<Tensor(const Tensors&)> f, const Tensors& inputs,
                               const GradientCheckOptions& options) {
  const auto many = [f](const Tensors& in) -> Tensors { return {f(in)}; };
  return check_gradients(Function(many), inputs, options);
}

}  // namespace rapt
