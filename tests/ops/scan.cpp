#include "inputs.h"

namespace rapt::tests {
namespace {

void scan(Ops& ops, const std::string& name, Tensor (*f)(const Tensor&, Int), bool integers) {
  OpRecord& record = ops(name + "(Tensor, Int)");
  const auto along = [f](Int axis) { return [f, axis](In x) { return f(x[0], axis); }; };
  record.sample("first axis", along(0), {normal({3, 2})})
      .sample("last axis", along(-1), {normal({2, 4})})
      .sample("middle axis", along(1), {normal({2, 3, 2})})
      .sample("length 1", along(0), {normal({1})})
      .sample("empty axis", along(1), {normal({2, 0})})
      .sample("beside an empty axis", along(1), {normal({0, 2})});
  for (const char* how : {"0", "-1", "long"}) {
    record.replay(text(name, "/", how), along(how[0] == '0' ? 0 : -1));
  }
  if (integers) record.replay(name + "/i64", along(0));
  record.draw([f, integers](Draw& d) -> Tensors {
    const Shape shape = d.shape(1);
    const Tensor x = integers ? d.numbers(shape) : d.floats(shape);
    return {f(x, d.axis(x.rank()))};
  });
}

}  // namespace

void add_scans(Ops& ops) {
  scan(ops, "cumsum", cumsum, true);
  scan(ops, "cumprod", cumprod, true);
  scan(ops, "logcumsumexp", logcumsumexp, false);
  // Zeros are no exception, not even several.
  const auto product = [](In x) { return cumprod(x[0], 0); };
  ops("cumprod(Tensor, Int)")
      .sample("a zero", product, {tensor({2, 0, 3, -1}, f64)})
      .sample("zeros", product, {tensor({0, 2, 0, 3}, f64)})
      .replay("cumprod/zeros", [](In x) { return cumprod(x[0], -1); });
  ops("logcumsumexp(Tensor, Int)").replay("logcumsumexp/large", [](In x) {
    return logcumsumexp(x[0], -1);
  });
}

}  // namespace rapt::tests
