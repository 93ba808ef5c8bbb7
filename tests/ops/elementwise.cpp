#include "inputs.h"

namespace rapt::tests {
namespace {

Tensor inside_one(const Shape& shape, uint64_t seed) { return tanh(normal(shape, seed)); }

/// Functions with a parameter; `drawn` is one that is now and then refused.
template <class F>
void with_parameter(Ops& ops, const std::string& name, F f, MakeInput make,
                    std::initializer_list<double> values) {
  OpRecord& record = ops(name + "(Tensor, double)");
  for (const double value : values) {
    const auto call = [f, value](In x) { return f(x[0], value); };
    sample_unary(record, call, make, text(value));
    record.replay(text(name, "/", value), call);
  }
  record.draw([f](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    return {f(x, d.chance(2) ? 0.5 : d.number())};
  });
}

void add_roundings(Ops& ops) {
  as_pytorch(ops, "sign", sign, spread).draw([](Draw& d) -> Tensors {
    return {sign(d.numbers(d.shape()))};
  });
  as_pytorch(ops, "floor", floor, normal);
  as_pytorch(ops, "ceil", ceil, normal);
  as_pytorch(ops, "round", round, normal);
  as_pytorch(ops, "trunc", trunc, normal);
}

}  // namespace

void add_elementwise(Ops& ops) {
  as_pytorch(ops, "exp", exp, normal);
  as_pytorch(ops, "expm1", expm1, normal);
  as_pytorch(ops, "log", log, positive);
  as_pytorch(ops, "log1p", log1p, positive);
  unary(ops, "square", square, normal, [](In x) { return x[0] * x[0]; });
  as_pytorch(ops, "sqrt", sqrt, positive);
  as_pytorch(ops, "rsqrt", rsqrt, positive);
  as_pytorch(ops, "abs", abs, spread);
  add_roundings(ops);
  as_pytorch(ops, "sin", sin, normal);
  as_pytorch(ops, "cos", cos, normal);
  as_pytorch(ops, "tan", tan, inside_one);
  as_pytorch(ops, "asin", asin, inside_one);
  as_pytorch(ops, "acos", acos, inside_one);
  as_pytorch(ops, "atan", atan, normal);
  as_pytorch(ops, "sinh", sinh, normal);
  as_pytorch(ops, "cosh", cosh, normal);
  as_pytorch(ops, "tanh", tanh, normal);
  as_pytorch(ops, "sigmoid", sigmoid, normal);
  as_pytorch(ops, "erf", erf, normal);
}

void add_activations(Ops& ops) {
  as_pytorch(ops, "relu", relu, spread);
  with_parameter(ops, "leaky_relu", leaky_relu, spread, {0.01, 0.3});
  with_parameter(ops, "elu", elu, spread, {1, 0.7});
  as_pytorch(ops, "selu", selu, spread);
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
  as_pytorch(ops, "silu", silu, normal);
  as_pytorch(ops, "hardswish", hardswish, normal);
  as_pytorch(ops, "mish", mish, normal);
  with_parameter(ops, "softplus", softplus, normal, {1, 2.5});
  as_pytorch(ops, "logsigmoid", logsigmoid, normal);
  as_pytorch(ops, "softsign", softsign, normal);
}

}  // namespace rapt::tests
