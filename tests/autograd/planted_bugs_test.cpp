// A gradient check that cannot fail is worth nothing: every wrong rule below must be caught, and
// the report must say where.

#include <gtest/gtest.h>

#include <cstdio>
#include <limits>
#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "../support/tensor_function.h"
#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::TensorFunction;
using In = const Tensors&;

struct Bug {
  const char* name;
  TensorFunction f;
  Tensors inputs;
  const char* says;  // a part of the report
};

// `value` with the rule planted on it; the value itself is right and keeps no graph.
template <class F>
Tensor planted(In inputs, const Tensor& value, F rule, RecordOptions options = {}) {
  return record(
      "planted", inputs, [&] { return value.detach(); }, std::move(rule), options);
}

template <class F>
Tensor planted_square(In in, F derivative) {
  return planted(in, in[0] * in[0], [x = in[0], derivative](const Backward& b) -> Gradients {
    return {derivative(b.grad, x)};
  });
}

template <class F>
Tensor planted_product(In in, F rule) {
  return planted(in, in[0] * in[1], [x = in[0], y = in[1], rule](const Backward& b) -> Gradients {
    return rule(b.grad, x, y);
  });
}

template <class F>
Tensor planted_softmax(const Tensor& x, F rule) {
  return planted({x}, softmax(x, -1),
                 [rule](const Backward& b) -> Gradients { return {rule(b.grad, b.output())}; },
                 {.keep_output = true});
}

Tensor vector() { return tensor({3.0, -2.0, 0.5}, Dtype::f64); }
Tensor matrix() { return tensor({{1.0, -2.0, 0.5}, {0.25, 3.0, -1.5}}, Dtype::f64); }
Tensor square_matrix() { return tensor({{1.0, -2.0}, {0.25, 3.0}}, Dtype::f64); }

// 1 everywhere but at one place.
Tensor bump(const Shape& shape, int64_t at, double factor) {
  std::vector<double> values(static_cast<size_t>(shape.numel()), 1.0);
  values[static_cast<size_t>(at)] = factor;
  return from_values(values, shape);
}

std::vector<Bug> wrong_values() {
  std::vector<Bug> bugs;
  const auto square = [&](const char* name, auto derivative, const char* says) {
    bugs.push_back({name, [=](In in) { return planted_square(in, derivative); }, {matrix()}, says});
  };
  square(
      "wrong sign", [](auto& g, auto& x) { return g * x * -2.0; },
      "d(output 0[0, 1])/d(input 0[0, 1]): the graph gives 4, finite differences give -4");
  square(
      "forgotten factor", [](auto& g, auto& x) { return g * x; },
      "d(output 0[1, 1])/d(input 0[1, 1]): the graph gives 3, finite differences give 6");
  square(
      "1 % off", [](auto& g, auto& x) { return g * x * 2.02; },
      "d(input 0[0, 0]): the graph gives 2.02, finite differences give 2");
  square(
      "a hundred thousandth off", [](auto& g, auto& x) { return g * x * 2.00002; },
      "d(input 0[0, 0])");
  square(
      "off in one element",
      [](auto& g, auto& x) {
        return g * x * 2.0 * bump({2, 3}, 4, 1.1);
      },
      "d(output 0[1, 1])/d(input 0[1, 1]): the graph gives 6.6, finite differences give 6");
  square(
      "off in the last element",
      [](auto& g, auto& x) {
        return g * x * 2.0 * bump({2, 3}, 5, 0.5);
      },
      "d(input 0[1, 2])");
  square(
      "zero", [](auto&, auto& x) { return zeros(x.shape(), Dtype::f64); },
      "the graph gives 0, finite differences give 2");
  square(
      "none at all", [](auto&, auto&) { return Tensor(); },
      "the graph gives 0, finite differences give 2");
  square(
      "NaN in one element",
      [](auto& g, auto& x) {
        return g * x * 2.0 * bump({2, 3}, 2, std::numeric_limits<double>::quiet_NaN());
      },
      "d(input 0[0, 2]): the graph gives nan");
  square(
      "infinite in one element",
      [](auto& g, auto& x) {
        return g * x * 2.0 + log(bump({2, 3}, 3, 0.0));
      },
      "d(input 0[1, 0]): the graph gives -inf");
  square(
      "cotangent ignored", [](auto&, auto& x) { return x * 2.0; },
      "d(output 0[0, 0])/d(input 0[0, 1]): the graph gives -4, finite differences give 0");
  square(
      "cotangent averaged", [](auto& g, auto& x) { return mean(g) * x * 2.0; },
      "d(output 0[0, 0])/d(input 0[0, 1])");
  square(
      "sum of the wrong axis",
      [](auto& g, auto& x) { return sum(g * x, {0}, {.keepdim = true}) * 2.0 + x * 0.0; },
      "d(output 0[0, 0])/d(input 0[1, 0])");
  bugs.push_back(
      {"transposed",
       [](In in) {
         return planted_square(in, [](auto& g, auto& x) { return transpose(g * x) * 2.0; });
       },
       {square_matrix()},
       "d(output 0[0, 1])/d(input 0[0, 1]): the graph gives 0, finite differences give -4"});

  const auto product = [&](const char* name, auto rule, const char* says) {
    bugs.push_back(
        {name, [=](In in) { return planted_product(in, rule); }, {vector(), vector() + 1.0}, says});
  };
  product(
      "the second input forgotten",
      [](auto& g, auto&, auto& y) -> Gradients {
        return {g * y, Tensor()};
      },
      "d(output 0[0])/d(input 1[0]): the graph gives 0, finite differences give 3");
  product(
      "the first input forgotten",
      [](auto& g, auto& x, auto&) -> Gradients {
        return {Tensor(), g * x};
      },
      "d(output 0[0])/d(input 0[0]): the graph gives 0, finite differences give 4");
  product(
      "inputs exchanged",
      [](auto& g, auto& x, auto& y) -> Gradients {
        return {g * x, g * y};
      },
      "d(input 0[0]): the graph gives 3, finite differences give 4");
  bugs.push_back({"a term forgotten",  // d(x exp(x)) = exp(x) + x exp(x)
                  [](In in) {
                    return planted(
                        in, in[0] * exp(in[0]),
                        [x = in[0]](const Backward& b) -> Gradients { return {b.grad * exp(x)}; });
                  },
                  {vector()},
                  "d(output 0[0])/d(input 0[0])"});
  bugs.push_back({"a use of x cut off",
                  [](In in) { return in[0] * in[0].detach(); },
                  {vector()},
                  "d(input 0[0]): the graph gives 3, finite differences give 6"});
  bugs.push_back({"a broadcast sum that averages",
                  [](In in) {
                    return planted(in, in[0] * in[1],
                                   [x = in[0], y = in[1]](const Backward& b) -> Gradients {
                                     return {b.grad * y, mean(b.grad * x, {0})};
                                   });
                  },
                  {matrix(), vector()},
                  "d(input 1[0])"});
  bugs.push_back({"a broadcast that takes the first row",
                  [](In in) {
                    return planted(in, in[0] * in[1],
                                   [x = in[0], y = in[1]](const Backward& b) -> Gradients {
                                     return {b.grad * y, select(b.grad * x, 0, 0)};
                                   });
                  },
                  {matrix(), vector()},
                  "d(output 0[1, 0])/d(input 1[0])"});
  bugs.push_back({"a matrix product without its transposes",
                  [](In in) {
                    return planted(in, matmul(in[0], in[1]),
                                   [a = in[0], b = in[1]](const Backward& y) -> Gradients {
                                     return {matmul(y.grad, b), matmul(a, y.grad)};
                                   });
                  },
                  {square_matrix(), square_matrix() + 1.0},
                  "d(input 0[0, 1])"});
  bugs.push_back(
      {"repeated indices overwrite instead of adding up",
       [](In in) {
         const Tensor index = from_values<int64_t>({1, 0, 1});
         return planted(in, index_select(in[0], 0, index), [](const Backward& b) -> Gradients {
           return {stack({select(b.grad, 0, 1), select(b.grad, 0, 2), select(b.grad, 0, 1) * 0.0})};
         });
       },
       {vector()},
       "d(output 0[0])/d(input 0[1]): the graph gives 0, finite differences give 1"});
  bugs.push_back(
      {"the gradient of a maximum goes to all",
       [](In in) {
         return planted(in, max(in[0], {-1}, {.keepdim = true}),
                        [](const Backward& b) -> Gradients {
                          return {expand(b.grad, {2, 3})};
                        });
       },
       {matrix()},
       "d(output 0[0, 0])/d(input 0[0, 1]): the graph gives 1, finite differences give 0"});
  bugs.push_back({"the second output forgotten",
                  [](In in) -> Tensors {
                    const Tensors parts = split(in[0], {1, 2});
                    return {parts[0], parts[1].detach()};
                  },
                  {vector()},
                  "d(output 1[0])/d(input 0[1]): the graph gives 0, finite differences give 1"});

  // The gradient of the sum of a softmax is 0, and so is that of the first two of these: a check
  // with a sum as loss would let them pass.
  const auto soft = [&](const char* name, auto rule, const char* says) {
    bugs.push_back(
        {name, [=](In in) { return planted_softmax(in[0], rule); }, {square_matrix()}, says});
  };
  soft(
      "softmax along the wrong axis",
      [](auto& g, auto& y) { return y * (g - sum(g * y, {0}, {.keepdim = true})); },
      "d(input 0[1, 0])");
  soft(
      "softmax with gradient zero", [](auto&, auto& y) { return y * 0.0; }, "d(input 0[0, 0])");
  soft(
      "softmax without its sum", [](auto& g, auto& y) { return y * g; }, "d(input 0[0, 0])");
  soft(
      "softmax as a sigmoid", [](auto& g, auto& y) { return g * y * (1.0 - y); },
      "d(output 0[0, 0])/d(input 0[0, 1])");
  bugs.push_back({"layer norm with a constant mean",
                  [](In in) {
                    const Tensor& x = in[0];
                    const Tensor centred = x - mean(x, {-1}, {.keepdim = true}).detach();
                    return centred * rsqrt(mean(centred * centred, {-1}, {.keepdim = true}) + 1e-5);
                  },
                  {matrix()},
                  "d(input 0[0, 0])"});
  bugs.push_back({"layer norm with a constant variance",
                  [](In in) {
                    const Tensor centred = in[0] - mean(in[0], {-1}, {.keepdim = true});
                    const Tensor variance = mean(centred * centred, {-1}, {.keepdim = true});
                    return centred * rsqrt(variance + 1e-5).detach();
                  },
                  {matrix()},
                  "d(input 0[0, 0])"});
  return bugs;
}

std::vector<Bug> wrong_only_sometimes() {
  std::vector<Bug> bugs;
  const auto square = [&](const char* name, auto derivative, const char* says) {
    bugs.push_back({name, [=](In in) { return planted_square(in, derivative); }, {matrix()}, says});
  };
  // Reads memory as if it were dense.
  square(
      "right only for contiguous inputs",
      [](auto& g, auto& x) {
        const double* first = x.template data<double>();
        return g * from_values(std::vector<double>(first, first + 6), {2, 3}) * 2.0;
      },
      "order 1, non-contiguous inputs: ");
  square(
      "wrong at second order: the input cut off",
      [](auto& g, auto& x) { return g * x.detach() * 2.0; },
      "order 2: d(output 0[0, 0])/d(input 0[0, 0])");
  square(
      "wrong at second order: the cotangent cut off",
      [](auto& g, auto& x) { return g.detach() * x * 2.0; },
      "order 2: d(output 0[0, 0])/d(input 1[0, 0])");
  square(
      "wrong at second order: computed without a graph",
      [](auto& g, auto& x) {
        const NoGrad no_grad;
        return g * x * 2.0;
      },
      "order 2: d(output 0[0, 0])/d(input 0[0, 0])");
  square(
      "wrong at second order: a constant in place of what it equals",
      [](auto& g, auto& x) { return g * x + g * x.detach(); },
      "order 2: d(output 0[0, 0])/d(input 0[0, 0])");
  bugs.push_back({"wrong at second order: another rule for create_graph",
                  [](In in) {
                    return planted(in, in[0] * in[0], [x = in[0]](const Backward& b) -> Gradients {
                      return {b.grad * x * (b.create_graph ? 2.1 : 2.0)};
                    });
                  },
                  {vector()},
                  "with create_graph"});
  bugs.push_back({"wrong at second order: a rule of a rule has the wrong sign",
                  [](In in) {
                    return planted(in, pow(in[0], 3), [x = in[0]](const Backward& b) -> Gradients {
                      const auto wrong = [](auto& g, auto& u) { return g * u * -2.0; };
                      return {b.grad * planted_square({x}, wrong) * 3.0};
                    });
                  },
                  {vector()},
                  "order 2: d(output 0[0])/d(input 0[0])"});
  square(
      "other bits each time",
      [calls = std::make_shared<int>(0)](auto& g, auto& x) {
        return g * x * (2.0 + 1e-14 * ++*calls);
      },
      "the gradient of input 0 has other bits when computed again");
  bugs.push_back(
      {"a value of other bits each time",
       [calls = std::make_shared<int>(0)](In in) { return in[0] * (2.0 + 1e-14 * ++*calls); },
       {vector()},
       "output 0 has other bits when f is called again"});
  return bugs;
}

// The report with its numbers cut to six digits: finite differences give 3.9999999999994484 for 4.
std::string rounded(const std::string& report) {
  static const std::regex number("[0-9]+\\.[0-9]+(e[-+][0-9]+)?");
  std::string out;
  std::string::const_iterator at = report.begin();
  for (std::sregex_iterator m(report.begin(), report.end(), number), end; m != end; ++m) {
    char shown[32];
    std::snprintf(shown, sizeof shown, "%.6g", std::stod(m->str()));
    out.append(at, (*m)[0].first);
    out += shown;
    at = (*m)[0].second;
  }
  return out.append(at, report.end());
}

void expect_caught(const Bug& bug) {
  SCOPED_TRACE(bug.name);
  const auto f = [&](const Tensors& x) { return bug.f(x); };
  const GradientReport report = check_gradients(f, bug.inputs);
  EXPECT_FALSE(report.ok);
  EXPECT_NE(rounded(report.text).find(bug.says), std::string::npos)
      << "wanted in the report: " << bug.says << "\ngot: " << report.text;
}

TEST(PlantedBugs, AWrongGradientIsCaught) {
  for (const Bug& bug : wrong_values()) expect_caught(bug);
}

TEST(PlantedBugs, AGradientThatIsWrongOnlySometimesIsCaught) {
  for (const Bug& bug : wrong_only_sometimes()) expect_caught(bug);
}

// The same functions with their right rules pass, so it is the bugs that were caught above.
TEST(PlantedBugs, TheRightRulesPass) {
  const auto passes = [](const TensorFunction& function, const Tensors& inputs) {
    const auto f = [&](const Tensors& x) { return function(x); };
    const GradientReport report = check_gradients(f, inputs);
    EXPECT_TRUE(report.ok) << report.text;
  };
  passes([](In in) { return planted_square(in, [](auto& g, auto& x) { return g * x * 2.0; }); },
         {matrix()});
  passes(
      [](In in) {
        return planted_product(in, [](auto& g, auto& x, auto& y) -> Gradients {
          return {g * y, g * x};
        });
      },
      {vector(), vector() + 1.0});
  passes(
      [](In in) {
        return planted(in, in[0] * in[1], [x = in[0], y = in[1]](const Backward& b) -> Gradients {
          return {b.grad * y, sum(b.grad * x, {0})};
        });
      },
      {matrix(), vector()});
  passes(
      [](In in) {
        return planted_softmax(
            in[0], [](auto& g, auto& y) { return y * (g - sum(g * y, {-1}, {.keepdim = true})); });
      },
      {square_matrix()});
  passes(
      [](In in) {
        return planted(in, pow(in[0], 3), [x = in[0]](const Backward& b) -> Gradients {
          const auto right = [](auto& g, auto& u) { return g * u * 2.0; };
          return {b.grad * planted_square({x}, right) * 3.0};
        });
      },
      {vector()});
}

// What a rule hands back is held against its inputs when the graph is walked.

template <class F>
std::string error_of_rule(F rule) {
  const Tensor x = matrix().set_requires_grad();
  const Tensor w = vector().set_requires_grad();
  const Tensor y = planted({x, w}, x * w, [=](const Backward& b) { return rule(b.grad, x, w); });
  return tests::error_of([&] { sum(y).backward(); });
}

TEST(PlantedBugs, TheEngineRefusesAGradientThatWasNotSummedBack) {
  EXPECT_EQ(error_of_rule([](auto& g, auto& x, auto& w) -> Gradients {
              return {g * w, g * x};
            }),
            "planted: wanted a gradient f64[3] for input 1; its rule gave f64[2, 3]");
}

TEST(PlantedBugs, TheEngineRefusesAGradientOfAnotherShape) {
  EXPECT_EQ(error_of_rule([](auto& g, auto& x, auto& w) -> Gradients {
              return {transpose(g * w), sum(g * x, {0})};
            }),
            "planted: wanted a gradient f64[2, 3] for input 0; its rule gave f64[3, 2]");
}

TEST(PlantedBugs, TheEngineRefusesAGradientOfAnotherDtype) {
  EXPECT_EQ(error_of_rule([](auto& g, auto& x, auto& w) -> Gradients {
              return {(g * w).to(Dtype::f32), sum(g * x, {0})};
            }),
            "planted: wanted a gradient f64[2, 3] for input 0; its rule gave f32[2, 3]");
}

TEST(PlantedBugs, TheEngineCountsTheGradients) {
  EXPECT_EQ(error_of_rule([](auto& g, auto&, auto& w) -> Gradients { return {g * w}; }),
            "planted: wanted 2 gradients from its rule; got 1");
}

}  // namespace
}  // namespace rapt
