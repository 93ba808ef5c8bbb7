#include "inputs.h"

namespace rapt::tests {
namespace {

template <class F>
void comparison(Ops& ops, const std::string& name, const std::string& sign,
                Tensor (*f)(TensorOrNumber, TensorOrNumber), F by_sign) {
  const Tensors inputs = {normal({2, 3}), normal({3}, 2)};
  const auto call = [f](In x) { return f(x[0], x[1]); };
  ops.constant(name + "(TensorOrNumber, TensorOrNumber)")
      .sample("", call, inputs)
      .replay(name, call)
      .draw(drawn_pair(f, any_pair));
  ops.constant("operator" + sign + "(A, B)")
      .errors_of(name)
      .sample(
          "", [by_sign](In x) { return by_sign(x[0], x[1]); }, inputs)
      .draw(drawn_pair(by_sign, any_pair));
}

Pair booleans_pair(Draw& d) {
  const Shape shape = d.shape();
  Tensor a = d.booleans(shape);
  return {std::move(a), d.booleans(d.beside(shape))};
}

void logic(Ops& ops, const std::string& name, Tensor (*f)(const Tensor&, const Tensor&)) {
  ops.constant(name + "(Tensor, Tensor)")
      .sample("", [f](In x) { return f(x[0] > 0, x[1] > 0); }, {normal({3}), normal({3}, 2)})
      .errors_of("greater")
      .replay(name, [f](In x) { return f(x[0], x[1]); })
      .draw([f](Draw& d) -> Tensors {
        const Pair p = booleans_pair(d);
        return {f(p.a, p.b)};
      });
}

void test(Ops& ops, const std::string& name, Tensor (*f)(const Tensor&)) {
  const auto call = [f](In x) { return f(x[0]); };
  ops.constant(name + "(Tensor)")
      .sample("", call, {normal({3})})
      .replay(name, call)
      .draw([f](Draw& d) -> Tensors { return {f(d.floats(d.shape()))}; });
}

}  // namespace

void add_comparisons(Ops& ops) {
  comparison(ops, "equal", "==", equal, [](const auto& a, const auto& b) { return a == b; });
  comparison(ops, "not_equal", "!=", not_equal,
             [](const auto& a, const auto& b) { return a != b; });
  comparison(ops, "less", "<", less, [](const auto& a, const auto& b) { return a < b; });
  comparison(ops, "less_equal", "<=", less_equal,
             [](const auto& a, const auto& b) { return a <= b; });
  comparison(ops, "greater", ">", greater, [](const auto& a, const auto& b) { return a > b; });
  comparison(ops, "greater_equal", ">=", greater_equal,
             [](const auto& a, const auto& b) { return a >= b; });
  logic(ops, "logical_and", logical_and);
  logic(ops, "logical_or", logical_or);
  ops.constant("logical_not(Tensor)")
      .sample("", [](In x) { return logical_not(x[0] > 0); }, {normal({3})})
      .errors_of("greater")
      .replay("logical_not", [](In x) { return logical_not(x[0]); })
      .draw([](Draw& d) -> Tensors { return {logical_not(d.booleans(d.shape()))}; });
  test(ops, "isfinite", isfinite);
  test(ops, "isinf", isinf);
  test(ops, "isnan", isnan);
}

}  // namespace rapt::tests
