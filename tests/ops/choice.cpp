#include <algorithm>
#include <limits>

#include "inputs.h"

namespace rapt::tests {

void add_choices(Ops& ops) {
  binary(ops, {"maximum", maximum, spread, spread, floats_pair, {"same", "outer", "ties"}});
  binary(ops, {"minimum", minimum, spread, spread, floats_pair, {"same", "outer", "ties"}});

  OpRecord& held = ops("clamp(Tensor, double, double)");
  sample_unary(
      held, [](In x) { return clamp(x[0], -0.35, 0.55); }, spread);
  held.replay("clamp", [](In x) { return clamp(x[0], -0.5, 1.0); });
  held.replay("clamp/i64",
              [](In x) { return clamp(x[0], -2, std::numeric_limits<double>::infinity()); });
  held.draw([](Draw& d) -> Tensors {
    const Tensor x = d.numbers(d.shape());
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

}  // namespace rapt::tests
