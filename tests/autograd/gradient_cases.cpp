#include "gradient_cases.h"

#include <utility>

#include "gradient_case_inputs.h"

namespace rapt::tests {
namespace {

void add_unary(Cases& out, const std::string& function, const TensorFunction& f,
               Tensor (*make)(const Shape&, uint64_t)) {
  out.push_back({function, "", f, {make({2, 3}, 1)}});
  out.push_back({function, "scalar", f, {make({}, 2)}});
  out.push_back({function, "length 1", f, {make({1}, 1)}});
  out.push_back({function, "empty", f, {make({0, 2}, 1)}});
}

void add_binary(Cases& out, const std::string& function, const TensorFunction& f,
                Tensor (*left)(const Shape&, uint64_t), Tensor (*right)(const Shape&, uint64_t)) {
  const auto add = [&](const char* what, const Shape& a, const Shape& b) {
    out.push_back({function, what, f, {left(a, 1), right(b, 2)}});
  };
  add("same shapes", {2, 3}, {2, 3});
  add("row", {2, 3}, {3});
  add("row on the left", {3}, {2, 3});
  add("both stretched", {2, 1}, {1, 3});
  add("scalar", {}, {2, 2});
  add("more axes", {2, 1, 2}, {3, 1});
  add("scalars", {}, {});
  add("empty", {0, 2}, {2});
  const auto twice = [f](In x) { return f({x[0], x[0]}); };
  if (left == right && left != spread)
    out.push_back({function, "with itself", twice, {left({3}, 1)}});
}

// A reduction over all axes and over some.
void add_reduction(Cases& out, const std::string& name, Tensor (*all)(const Tensor&),
                   Tensor (*some)(const Tensor&, const Axes&, ReduceOptions), bool empty_axes) {
  const std::string over_all = name + "(Tensor)";
  const std::string over_some = name + "(Tensor, Axes, ReduceOptions)";
  add_unary(
      out, over_all, [all](In x) { return all(x[0]); }, spread);
  if (!empty_axes) out.pop_back();
  const auto add = [&](const char* what, const Shape& shape, const Axes& axes, bool keepdim) {
    out.push_back({over_some,
                   what,
                   [=](In x) { return some(x[0], axes, {.keepdim = keepdim}); },
                   {spread(shape)}});
  };
  add("first axis", {2, 3}, {0}, false);
  add("last axis, kept", {2, 3}, {-1}, true);
  add("outer axes", {2, 3, 2}, {0, 2}, false);
  add("inner axis", {2, 3, 2}, {1}, false);
  add("axis of length 1", {2, 1}, {1}, false);
  add("no axis", {2, 2}, {}, false);
  add("beside an empty axis", {0, 2}, {1}, false);
  if (empty_axes) add("empty axis", {2, 0}, {1}, false);
}

}  // namespace

std::vector<GradientCase> elementwise_cases() {
  Cases c;
  add_binary(
      c, "add(TensorOrNumber, TensorOrNumber)", [](In x) { return add(x[0], x[1]); }, normal,
      normal);
  add_binary(
      c, "sub(TensorOrNumber, TensorOrNumber)", [](In x) { return sub(x[0], x[1]); }, normal,
      normal);
  add_binary(
      c, "mul(TensorOrNumber, TensorOrNumber)", [](In x) { return mul(x[0], x[1]); }, normal,
      normal);
  add_binary(
      c, "div(TensorOrNumber, TensorOrNumber)", [](In x) { return div(x[0], x[1]); }, normal,
      positive);
  add_unary(
      c, "neg(Tensor)", [](In x) { return neg(x[0]); }, normal);
  add_unary(
      c, "add(TensorOrNumber, TensorOrNumber)", [](In x) { return add(x[0], 2.5); }, normal);
  add_unary(
      c, "mul(TensorOrNumber, TensorOrNumber)", [](In x) { return mul(x[0], -2.5); }, normal);
  add_unary(
      c, "div(TensorOrNumber, TensorOrNumber)", [](In x) { return div(x[0], 3.0); }, normal);
  add_unary(
      c, "div(TensorOrNumber, TensorOrNumber)", [](In x) { return div(3.0, x[0]); }, positive);
  add_binary(
      c, "maximum(TensorOrNumber, TensorOrNumber)", [](In x) { return maximum(x[0], x[1]); },
      spread, spread);
  add_binary(
      c, "minimum(TensorOrNumber, TensorOrNumber)", [](In x) { return minimum(x[0], x[1]); },
      spread, spread);
  const std::string two = "(TensorOrNumber, TensorOrNumber)";
  add_unary(
      c, "sub" + two, [](In x) { return sub(x[0], 2.5); }, normal);
  add_unary(
      c, "sub" + two, [](In x) { return sub(2.5, x[0]); }, normal);
  add_unary(
      c, "maximum" + two, [](In x) { return maximum(x[0], 0.15); }, spread);
  add_unary(
      c, "minimum" + two, [](In x) { return minimum(0.15, x[0]); }, spread);
  add_unary(
      c, "clamp(Tensor, double, double)", [](In x) { return clamp(x[0], -0.35, 0.55); }, spread);
  const auto choose = [](In x) { return where(x[0], x[1], x[2]); };
  const std::string where_name = "where(Tensor, TensorOrNumber, TensorOrNumber)";
  c.push_back({where_name, "", choose, {mask({2, 3}), normal({2, 3}), normal({2, 3}, 2)}});
  c.push_back(
      {where_name, "all stretched", choose, {mask({2, 1, 1}), normal({3, 1}), normal({2}, 2)}});
  c.push_back({where_name,
               "numbers",
               [](In x) {
                 return Tensors{where(x[0], x[1], 2), where(x[0], 0.5, x[1])};
               },
               {mask({2, 3}), normal({2, 3})}});
  c.push_back({where_name, "empty", choose, {mask({0}), normal({0}), normal({})}});
  const auto fill = [](In x) { return masked_fill(x[0], x[1], 4); };
  const std::string fill_name = "masked_fill(Tensor, Tensor, double)";
  c.push_back({fill_name, "", fill, {normal({2, 3}), mask({2, 3})}});
  c.push_back({fill_name, "mask stretched", fill, {normal({2, 3}), mask({3})}});
  c.push_back({fill_name, "empty", fill, {normal({0, 3}), mask({3})}});

  add_unary(
      c, "exp(Tensor)", [](In x) { return exp(x[0]); }, normal);
  add_unary(
      c, "log(Tensor)", [](In x) { return log(x[0]); }, positive);
  add_unary(
      c, "sqrt(Tensor)", [](In x) { return sqrt(x[0]); }, positive);
  add_unary(
      c, "rsqrt(Tensor)", [](In x) { return rsqrt(x[0]); }, positive);
  add_unary(
      c, "pow(Tensor, double)", [](In x) { return pow(x[0], -1.5); }, positive);
  for (const double exponent : {0.0, 1.0, 2.0, 3.0}) {
    c.push_back({"pow(Tensor, double)",
                 text("to ", exponent),
                 [exponent](In x) { return pow(x[0], exponent); },
                 {normal({4})}});
    // The limit at 0 is smooth for whole exponents.
    c.push_back({"pow(Tensor, double)",
                 text("of zero to ", exponent),
                 [exponent](In x) { return pow(x[0], exponent); },
                 {zeros({2}, f64)}});
  }
  add_unary(
      c, "abs(Tensor)", [](In x) { return abs(x[0]); }, spread);
  add_unary(
      c, "sin(Tensor)", [](In x) { return sin(x[0]); }, normal);
  add_unary(
      c, "cos(Tensor)", [](In x) { return cos(x[0]); }, normal);
  add_unary(
      c, "erf(Tensor)", [](In x) { return erf(x[0]); }, normal);
  add_unary(
      c, "tanh(Tensor)", [](In x) { return tanh(x[0]); }, normal);
  add_unary(
      c, "sigmoid(Tensor)", [](In x) { return sigmoid(x[0]); }, normal);
  add_unary(
      c, "relu(Tensor)", [](In x) { return relu(x[0]); }, spread);
  add_unary(
      c, "gelu(Tensor, Gelu)", [](In x) { return gelu(x[0]); }, normal);
  add_unary(
      c, "gelu(Tensor, Gelu)", [](In x) { return gelu(x[0], Gelu::tanh); }, normal);
  add_unary(
      c, "silu(Tensor)", [](In x) { return silu(x[0]); }, normal);
  return c;
}

std::vector<GradientCase> reduction_cases() {
  Cases c;
  add_reduction(c, "sum", sum, sum, true);
  add_reduction(c, "mean", mean, mean, false);
  add_reduction(c, "max", max, max, false);
  add_reduction(c, "min", min, min, false);
  add_reduction(c, "logsumexp", logsumexp, logsumexp, false);
  for (const bool keepdim : {false, true}) {
    c.push_back({"max_with_indices(Tensor, Int, ReduceOptions)",
                 keepdim ? "kept" : "",
                 [=](In x) { return max_with_indices(x[0], 0, {.keepdim = keepdim}).values; },
                 {normal({3, 2})}});
  }
  c.push_back({"var(Tensor)", "", [](In x) { return var(x[0]); }, {normal({2, 3})}});
  const auto add_var = [&](const char* what, const Shape& shape, const Axes& axes,
                           double correction, bool keepdim) {
    c.push_back(
        {"var(Tensor, Axes, VarOptions)",
         what,
         [=](In x) { return var(x[0], axes, {.correction = correction, .keepdim = keepdim}); },
         {normal(shape)}});
  };
  add_var("first axis", {3, 2}, {0}, 1, false);
  add_var("last axis, kept", {2, 3}, {-1}, 0, true);
  add_var("outer axes", {2, 3, 2}, {0, 2}, 1, false);
  add_var("axis of length 1", {2, 1}, {1}, 0, false);
  add_var("beside an empty axis", {0, 2}, {1}, 0, false);
  return c;
}

std::vector<GradientCase> shape_cases() {
  Cases c;
  const auto add = [&](const char* function, const char* what, const TensorFunction& f,
                       const Shape& shape) {
    c.push_back({function, what, f, {normal(shape)}});
  };
  const char* name = "reshape(Tensor, Shape)";
  add(name, "", [](In x) { return reshape(x[0], {3, -1}); }, {2, 3, 2});
  add(name, "of a view", [](In x) { return reshape(transpose(x[0]), {6}); }, {2, 3});
  add(name, "to a scalar", [](In x) { return reshape(x[0], {}); }, {1, 1});
  add(name, "empty", [](In x) { return reshape(x[0], {3, 0}); }, {0, 2});
  name = "permute(Tensor, Axes)";
  add(name, "", [](In x) { return permute(x[0], {2, 0, 1}); }, {2, 1, 3});
  add(name, "empty", [](In x) { return permute(x[0], {1, 0}); }, {0, 2});
  name = "transpose(Tensor, Int, Int)";
  add(name, "last two", [](In x) { return transpose(x[0]); }, {2, 2, 3});
  add(name, "first and last", [](In x) { return transpose(x[0], 0, -1); }, {2, 2, 3});
  name = "expand(Tensor, Shape)";
  add(name, "", [](In x) { return expand(x[0], {2, -1, 3}); }, {2, 1});
  add(name, "scalar", [](In x) { return expand(x[0], {2, 2}); }, {});
  add(name, "to nothing", [](In x) { return expand(x[0], {0, 2}); }, {1, 2});
  name = "squeeze(Tensor, Int)";
  add(name, "", [](In x) { return squeeze(x[0], 1); }, {2, 1, 3});
  name = "unsqueeze(Tensor, Int)";
  add(name, "behind", [](In x) { return unsqueeze(x[0], -1); }, {2, 3});
  add(name, "scalar", [](In x) { return unsqueeze(x[0], 0); }, {});
  name = "slice(Tensor, Int, Int, Int, Int)";
  add(name, "", [](In x) { return slice(x[0], 1, 1, 3); }, {2, 4});
  add(name, "step", [](In x) { return slice(x[0], 0, -5, 5, 2); }, {5, 2});
  add(name, "of nothing", [](In x) { return slice(x[0], 0, 2, 2); }, {3});
  add(name, "overlapping", [](In x) { return slice(x[0], 0, 0, 3) * slice(x[0], 0, 1, 4); }, {4});
  name = "select(Tensor, Int, Int)";
  add(name, "", [](In x) { return select(x[0], 1, -1); }, {2, 3, 2});
  add(name, "of a vector", [](In x) { return select(x[0], 0, 1); }, {3});
  name = "split(Tensor, std::vector<int64_t>, Int)";
  add(name, "", [](In x) { return split(x[0], {1, 0, 2}, -1); }, {2, 3});
  add(name, "one part unused", [](In x) { return split(x[0], {1, 2})[1]; }, {3, 2});
  name = "diagonal(Tensor, Int, Int)";
  add(name, "", [](In x) { return diagonal(x[0]); }, {2, 3, 3});
  add(name, "outer axes", [](In x) { return diagonal(x[0], 0, 2); }, {3, 2, 2});
  add(name, "empty", [](In x) { return diagonal(x[0]); }, {0, 2});
  const auto joined = [](In x) { return concat(x, 1); };
  name = "concat(TensorList, Int)";
  c.push_back({name, "", joined, {normal({2, 1}), normal({2, 3}, 2), normal({2, 0})}});
  c.push_back({name, "one part twice", [](In x) { return concat({x[0], x[0]}); }, {normal({2})}});
  const auto stacked = [](In x) { return stack(x, -1); };
  name = "stack(TensorList, Int)";
  c.push_back({name, "", stacked, {normal({2, 3}), normal({2, 3}, 2)}});
  c.push_back({name, "scalars", [](In x) { return stack(x); }, {normal({}), normal({}, 2)}});
  for (const int64_t d : {-1, 0, 1}) {
    c.push_back({"tril(Tensor, Int)",
                 text("from ", d),
                 [d](In x) { return tril(x[0], d); },
                 {normal({2, 2, 3})}});
    c.push_back({"triu(Tensor, Int)",
                 text("from ", d),
                 [d](In x) { return triu(x[0], d); },
                 {normal({2, 3, 2})}});
  }
  c.push_back({"tril(Tensor, Int)", "empty", [](In x) { return tril(x[0]); }, {normal({0, 2})}});
  c.push_back({"triu(Tensor, Int)", "empty", [](In x) { return triu(x[0]); }, {normal({2, 0})}});
  return c;
}

std::vector<GradientCase> operator_cases() {
  Cases c;
  add_binary(
      c, "operator+(A, B)", [](In x) { return x[0] + x[1]; }, normal, normal);
  add_binary(
      c, "operator-(A, B)", [](In x) { return x[0] - x[1]; }, normal, normal);
  add_binary(
      c, "operator*(A, B)", [](In x) { return x[0] * x[1]; }, normal, normal);
  add_binary(
      c, "operator/(A, B)", [](In x) { return x[0] / x[1]; }, normal, positive);
  add_unary(
      c, "operator-(Tensor)", [](In x) { return -x[0]; }, normal);
  add_unary(
      c, "operator+(A, B)", [](In x) { return x[0] + 2.5; }, normal);
  add_unary(
      c, "operator+(A, B)", [](In x) { return 2.5 + x[0]; }, normal);
  add_unary(
      c, "operator-(A, B)", [](In x) { return x[0] - 2.5; }, normal);
  add_unary(
      c, "operator-(A, B)", [](In x) { return 2.5 - x[0]; }, normal);
  add_unary(
      c, "operator*(A, B)", [](In x) { return x[0] * 2.5; }, normal);
  add_unary(
      c, "operator*(A, B)", [](In x) { return 2.5 * x[0]; }, normal);
  add_unary(
      c, "operator/(A, B)", [](In x) { return x[0] / 2.5; }, normal);
  add_unary(
      c, "operator/(A, B)", [](In x) { return 2.5 / x[0]; }, positive);
  return c;
}

std::vector<GradientCase> cases_without_gradient() {
  Cases c;
  const auto compare = [&](const char* name, Tensor (*f)(TensorOrNumber, TensorOrNumber)) {
    c.push_back({text(name, "(TensorOrNumber, TensorOrNumber)"),
                 "",
                 [f](In x) { return f(x[0], x[1]); },
                 {normal({2, 3}), normal({3}, 2)}});
  };
  compare("equal", equal);
  compare("not_equal", not_equal);
  compare("less", less);
  compare("less_equal", less_equal);
  compare("greater", greater);
  compare("greater_equal", greater_equal);
  const auto compare_by = [&](const char* name, const TensorFunction& f) {
    c.push_back({text("operator", name, "(A, B)"), "", f, {normal({2, 3}), normal({3}, 2)}});
  };
  compare_by("==", [](In x) { return x[0] == x[1]; });
  compare_by("!=", [](In x) { return x[0] != x[1]; });
  compare_by("<", [](In x) { return x[0] < x[1]; });
  compare_by("<=", [](In x) { return x[0] <= x[1]; });
  compare_by(">", [](In x) { return x[0] > x[1]; });
  compare_by(">=", [](In x) { return x[0] >= x[1]; });
  const auto sign = [](const Tensor& x) { return greater(x, zeros({}, f64)); };
  c.push_back({"logical_and(Tensor, Tensor)",
               "",
               [=](In x) { return logical_and(sign(x[0]), sign(x[1])); },
               {normal({3}), normal({3}, 2)}});
  c.push_back({"logical_or(Tensor, Tensor)",
               "",
               [=](In x) { return logical_or(sign(x[0]), sign(x[1])); },
               {normal({3}), normal({3}, 2)}});
  c.push_back(
      {"logical_not(Tensor)", "", [=](In x) { return logical_not(sign(x[0])); }, {normal({3})}});
  c.push_back({"is_finite(Tensor)", "", [](In x) { return is_finite(x[0]); }, {normal({3})}});
  c.push_back({"argmax(Tensor, Int, ReduceOptions)",
               "",
               [](In x) { return argmax(x[0], 1); },
               {normal({2, 3})}});
  c.push_back({"one_hot(Tensor, Int, Dtype)",
               "",
               [](In x) { return one_hot(argmax(x[0], 1), 3, f64); },
               {normal({2, 3})}});
  c.push_back({"count_targets(Tensor, ClassificationOptions)",
               "",
               [](In x) { return tensor(count_targets(argmax(x[0], 1), {.class_weights = x[1]})); },
               {normal({2, 3}), normal({3})}});
  return c;
}

std::vector<GradientCase> gradient_cases() {
  Cases all;
  for (const auto family :
       {elementwise_cases, reduction_cases, shape_cases, indexing_cases, product_cases,
        normalization_cases, attention_cases, loss_cases, operator_cases}) {
    for (GradientCase& c : family()) all.push_back(std::move(c));
  }
  return all;
}

}  // namespace rapt::tests
