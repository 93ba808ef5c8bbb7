#include <algorithm>

#include "inputs.h"

namespace rapt::tests {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(TensorOrNumber, TensorOrNumber);

/// name(x), which means what `definition` does.
OpRecord& unary(Ops& ops, const std::string& name, Unary f, MakeInput make,
                const TensorFunction& definition = {}) {
  OpRecord& record = ops(name + "(Tensor)").means(definition);
  sample_unary(
      record, [f](In x) { return f(x[0]); }, make);
  return record.draw([f](Draw& d) -> Tensors { return {f(d.floats(d.shape()))}; });
}

/// As PyTorch's function of that name.
void as_pytorch(Ops& ops, const std::string& name, Unary f, MakeInput make) {
  unary(ops, name, f, make).replay(name, [f](In x) { return f(x[0]); });
}

struct Arithmetic {
  std::string name;
  Binary f;
  MakeInput left, right;
  DrawPair pair;
  std::vector<std::string> replays;  // NAME/... of two tensors
};

/// name(a, b), of tensors and of a number on either side.
OpRecord& binary(Ops& ops, const Arithmetic& a) {
  OpRecord& record = ops(a.name + "(TensorOrNumber, TensorOrNumber)");
  const auto call = [f = a.f](In x) { return f(x[0], x[1]); };
  sample_binary(record, call, a.left, a.right);
  sample_unary(
      record, [f = a.f](In x) { return f(x[0], 2.35); }, a.left, "a number on the right");
  sample_unary(
      record, [f = a.f](In x) { return f(0.15, x[0]); }, a.right, "a number on the left");
  for (const std::string& how : a.replays) record.replay(text(a.name, "/", how), call);
  return record.draw(drawn_pair(a.f, a.pair));
}

template <class F>
void operator_(Ops& ops, const std::string& sign, const std::string& named, F f, MakeInput right,
               DrawPair pair) {
  OpRecord& record = ops("operator" + sign + "(A, B)").errors_of(named);
  sample_binary(
      record, [f](In x) { return f(x[0], x[1]); }, normal, right);
  sample_unary(
      record, [f](In x) { return f(x[0], 2.5); }, normal, "a number on the right");
  sample_unary(
      record, [f](In x) { return f(2.5, x[0]); }, right, "a number on the left");
  record.draw(drawn_pair(f, pair));
}

void add_arithmetic(Ops& ops) {
  const std::vector<std::string> pairs = {"same", "row", "outer", "scalar", "middle"};
  binary(ops, {"add", add, normal, normal, any_pair, pairs}).replay("add/number", [](In x) {
    return x[0] + 1.25;
  });
  binary(ops, {"sub", sub, normal, normal, any_pair, {"same", "outer"}})
      .replay("sub/number", [](In x) { return x[0] - 1.5; })
      .replay("sub/from a number", [](In x) { return 1.5 - x[0]; });
  binary(ops, {"mul", mul, normal, normal, any_pair, pairs}).replay("mul/number", [](In x) {
    return x[0] * -2.5;
  });
  binary(ops, {"div", div, normal, positive, floats_pair, pairs})
      .replay("div/number", [](In x) { return x[0] / 3.0; })
      .replay("div/of a number", [](In x) { return 3.0 / x[0]; });
  binary(ops, {"maximum", maximum, spread, spread, floats_pair, {"same", "outer", "ties"}});
  binary(ops, {"minimum", minimum, spread, spread, floats_pair, {"same", "outer", "ties"}});
  as_pytorch(ops, "neg", neg, normal);
  operator_(
      ops, "+", "add", [](const auto& a, const auto& b) { return a + b; }, normal, any_pair);
  operator_(
      ops, "-", "sub", [](const auto& a, const auto& b) { return a - b; }, normal, any_pair);
  operator_(
      ops, "*", "mul", [](const auto& a, const auto& b) { return a * b; }, normal, any_pair);
  operator_(
      ops, "/", "div", [](const auto& a, const auto& b) { return a / b; }, positive, floats_pair);
  OpRecord& minus = ops("operator-(Tensor)").errors_of("neg");
  sample_unary(
      minus, [](In x) { return -x[0]; }, normal);
  minus.draw([](Draw& d) -> Tensors { return {-d.floats(d.shape())}; });
}

void add_choices(Ops& ops) {
  OpRecord& held = ops("clamp(Tensor, double, double)");
  sample_unary(
      held, [](In x) { return clamp(x[0], -0.35, 0.55); }, spread);
  held.replay("clamp", [](In x) { return clamp(x[0], -0.5, 1.0); });
  held.draw([](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const double a = d.number(), b = d.number();
    return {clamp(x, std::min(a, b), std::max(a, b))};
  });

  const auto choose = [](In x) { return where(x[0], x[1], x[2]); };
  const auto of_numbers = [](In x) {
    return Tensors{where(x[0], x[1], 2), where(x[0], 0.5, x[1])};
  };
  ops("where(Tensor, TensorOrNumber, TensorOrNumber)")
      .sample("", choose, {mask({2, 3}), normal({2, 3}), normal({2, 3}, 2)})
      .sample("all stretched", choose, {mask({2, 1, 1}), normal({3, 1}), normal({2}, 2)})
      .sample("numbers", of_numbers, {mask({2, 3}), normal({2, 3})})
      .sample("empty", choose, {mask({0}), normal({0}), normal({})})
      .replay("where", choose)
      .replay("where/broadcast condition", choose)
      .draw([](Draw& d) -> Tensors {
        const Pair p = floats_pair(d);
        return {where(d.booleans(d.beside(p.a.shape())), p.a, p.b)};
      });

  const auto fill = [](In x) { return masked_fill(x[0], x[1], 4); };
  ops("masked_fill(Tensor, Tensor, double)")
      .sample("", fill, {normal({2, 3}), mask({2, 3})})
      .sample("mask stretched", fill, {normal({2, 3}), mask({3})})
      .sample("empty", fill, {normal({0, 3}), mask({3})})
      .replay("masked_fill", [](In x) { return masked_fill(x[0], x[1], -7.5); })
      .replay("masked_fill/broadcast", [](In x) { return masked_fill(x[0], x[1], 2); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape());
        const Tensor where_true = d.booleans(d.chance(4) ? d.beside(x.shape()) : x.shape());
        return {masked_fill(x, where_true, d.number())};
      });
}

void add_powers(Ops& ops) {
  OpRecord& record = ops("pow(Tensor, double)");
  sample_unary(
      record, [](In x) { return pow(x[0], -1.5); }, positive);
  for (const double exponent : {0.0, 1.0, 2.0, 3.0}) {
    const auto power = [exponent](In x) { return pow(x[0], exponent); };
    record.sample(text("to ", exponent), power, {normal({4})});
    // The limit at 0 is smooth for whole exponents.
    record.sample(text("of zero to ", exponent), power, {zeros({2}, f64)});
  }
  for (const double exponent : {0.0, 1.0, 2.0, 3.0, 2.5, -1.5}) {
    record.replay(text("pow/", exponent), [exponent](In x) { return pow(x[0], exponent); });
  }
  record.draw([](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const double exponent = d.number();
    // Near the largest number, the order of a sum decides whether it overflows.
    if (exponent == 1000) d.set_wild();
    return {pow(x, exponent)};
  });
}

}  // namespace

void add_elementwise(Ops& ops) {
  add_arithmetic(ops);
  add_choices(ops);
  add_powers(ops);
  as_pytorch(ops, "exp", exp, normal);
  as_pytorch(ops, "log", log, positive);
  unary(ops, "square", square, normal, [](In x) { return x[0] * x[0]; });
  as_pytorch(ops, "sqrt", sqrt, positive);
  as_pytorch(ops, "rsqrt", rsqrt, positive);
  as_pytorch(ops, "abs", abs, spread);
  as_pytorch(ops, "sin", sin, normal);
  as_pytorch(ops, "cos", cos, normal);
  as_pytorch(ops, "erf", erf, normal);
  as_pytorch(ops, "tanh", tanh, normal);
  as_pytorch(ops, "sigmoid", sigmoid, normal);
  as_pytorch(ops, "relu", relu, spread);
  as_pytorch(ops, "silu", silu, normal);
  OpRecord& both = ops("gelu(Tensor, Gelu)");
  for (const Gelu form : {Gelu::erf, Gelu::tanh}) {
    const char* name = form == Gelu::erf ? "erf" : "tanh";
    const auto call = [form](In x) { return gelu(x[0], form); };
    sample_unary(both, call, normal, name);
    both.replay(text("gelu/", name), call);
  }
  both.draw([](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    return {gelu(x, d.chance(2) ? Gelu::erf : Gelu::tanh)};
  });
}

}  // namespace rapt::tests
