#include "inputs.h"

namespace rapt::tests {
namespace {

void add_triangle(Ops& ops, const std::string& name, Tensor (*f)(const Tensor&, Int),
                  const Shape& shape) {
  OpRecord& record = ops(name + "(Tensor, Int)");
  for (const int64_t diagonal : {-1, 0, 1}) {
    record.sample(text("from ", diagonal), [=](In x) { return f(x[0], diagonal); },
                  {normal(shape)});
  }
  record.sample("empty", [f](In x) { return f(x[0], 0); }, {normal({0, 2})});
  for (const int64_t diagonal : {0, -1, 2}) {
    record.replay(text(name, "/", diagonal), [=](In x) { return f(x[0], diagonal); });
  }
  record.draw([f](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape(2));
    return {f(x, d.in(-6, 6))};
  });
}

}  // namespace

void add_diagonals(Ops& ops) {
  ops("diagonal(Tensor, Int, Int)")
      .sample("", [](In x) { return diagonal(x[0]); }, {normal({2, 3, 3})})
      .sample("outer axes", [](In x) { return diagonal(x[0], 0, 2); }, {normal({3, 2, 2})})
      .sample("empty", [](In x) { return diagonal(x[0]); }, {normal({0, 2})})
      .replay("diagonal", [](In x) { return diagonal(x[0], 0, 2); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(2));
        const int64_t a = d.in(0, x.rank() - 1), b = (a + d.in(1, x.rank() - 1)) % x.rank();
        return {diagonal(x, d.chance(3) ? a - x.rank() : a, d.chance(32) ? d.in(-9, 9) : b)};
      });
  ops("diag_embed(Tensor, Int, Int)")
      .sample("", [](In x) { return diag_embed(x[0]); }, {normal({2, 3})})
      .sample("outer axes", [](In x) { return diag_embed(x[0], 0, 2); }, {normal({2, 3})})
      .sample("length 1", [](In x) { return diag_embed(x[0]); }, {normal({1})})
      .sample("empty", [](In x) { return diag_embed(x[0]); }, {normal({2, 0})})
      .replay("diag_embed", [](In x) { return diag_embed(x[0]); })
      .replay("diag_embed/0, 2", [](In x) { return diag_embed(x[0], 0, 2); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1, 3));
        return {diag_embed(x, d.axis(x.rank() + 1), d.axis(x.rank() + 1))};
      });
  const auto traced = [](In x) { return trace(x[0]); };
  ops("trace(Tensor)")
      .sample("", traced, {normal({3, 3})})
      .sample("batch, not square", traced, {normal({2, 3, 2})})
      .sample("empty", traced, {normal({0, 2})})
      .replay("trace", traced)
      .draw([](Draw& d) -> Tensors { return {trace(d.numbers(d.shape(2)))}; });
  add_triangle(ops, "tril", tril, {2, 2, 3});
  add_triangle(ops, "triu", triu, {2, 3, 2});
}

}  // namespace rapt::tests
