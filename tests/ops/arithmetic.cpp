#include "inputs.h"

namespace rapt::tests {
namespace {

/// Divisors of i64 that are not 0, mostly.
Pair any_divisors(Draw& d) {
  if (!d.chance(4)) return floats_pair(d);
  const Shape shape = d.shape();
  Tensor a = d.integers(shape, -9, 9);
  return {std::move(a), d.integers(d.beside(shape), d.chance(4) ? -3 : 1, 5)};
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

void add_operations(Ops& ops) {
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
  binary(ops, {"remainder", remainder, normal, positive, any_divisors, {"same", "outer"}})
      .replay("remainder/i64", [](In x) { return remainder(x[0], x[1]); });
  binary(ops, {"fmod", fmod, normal, positive, any_divisors, {"same", "outer"}})
      .replay("fmod/i64", [](In x) { return fmod(x[0], x[1]); });
  OpRecord& negative = ops("neg(Tensor)");
  sample_unary(
      negative, [](In x) { return neg(x[0]); }, normal);
  negative.replay("neg", [](In x) { return neg(x[0]); });
  negative.draw([](Draw& d) -> Tensors { return {neg(d.floats(d.shape()))}; });
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

/// With both roundings.
void add_whole_quotients(Ops& ops) {
  OpRecord& record = ops("div(TensorOrNumber, TensorOrNumber, Rounding)");
  for (const Rounding rounding : {Rounding::floor, Rounding::trunc}) {
    const std::string name = rounding == Rounding::floor ? "floor" : "trunc";
    const auto call = [rounding](In x) { return div(x[0], x[1], rounding); };
    sample_binary(record, call, normal, positive);
    for (const char* how : {"same", "edges", "i64"}) {
      record.replay(text("div/", name, "/", how), call);
    }
  }
  record.draw([](Draw& d) -> Tensors {
    const Pair p = any_divisors(d);
    d.set_wild();  // rounding decides on which side of a jump a quotient lies
    return {div(p.a, p.b, d.chance(2) ? Rounding::floor : Rounding::trunc)};
  });
}

void add_powers(Ops& ops) {
  OpRecord& record = binary(ops, {"pow", pow, positive, normal, floats_pair, {"same", "outer"}});
  for (const double exponent : {0.0, 1.0, 2.0, 3.0}) {
    const auto power = [exponent](In x) { return pow(x[0], exponent); };
    record.sample(text("to ", exponent), power, {normal({4})});
    // The limit at 0 is smooth for whole exponents.
    record.sample(text("of zero to ", exponent), power, {zeros({2}, f64)});
  }
  for (const double exponent : {0.0, 1.0, 2.0, 3.0, 2.5, -1.5}) {
    record.replay(text("pow/", exponent), [exponent](In x) { return pow(x[0], exponent); });
  }
  record.replay("pow/edges", [](In x) { return pow(x[0], x[1]); });
  record.replay("pow/of a number", [](In x) { return pow(2.5, x[0]); });
  record.replay("pow/i64", [](In x) { return pow(x[0], x[1]); });
  record.draw([](Draw& d) -> Tensors {
    if (d.chance(8)) return {pow(d.integers(d.shape(), -3, 3), d.chance(2) ? 3 : 0)};
    if (d.chance(3)) {
      d.set_wild();  // a base near 0 has slopes near the largest number
      return drawn_pair(pow, floats_pair)(d);
    }
    const Tensor x = d.floats(d.shape());
    const double exponent = d.number();
    // Near the largest number, the order of a sum decides whether it overflows.
    if (exponent == 1000) d.set_wild();
    return {pow(x, exponent)};
  });
}

}  // namespace

void add_arithmetic(Ops& ops) {
  add_operations(ops);
  add_whole_quotients(ops);
  add_powers(ops);
}

}  // namespace rapt::tests
