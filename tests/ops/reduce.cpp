#include <limits>

#include "inputs.h"

namespace rapt::tests {
namespace {

struct Over {
  const char* how;
  Axes axes;
  bool keepdim;
};
const std::vector<Over> replayed = {{"0", {0}, false},
                                    {"1 kept", {1}, true},
                                    {"0 and -1", {0, -1}, false},
                                    {"all kept", {0, 1, 2}, true}};

/// A reduction over all axes and over some; `of_nothing`: over none elements too.
void reduction(Ops& ops, const std::string& name, Tensor (*all)(const Tensor&),
               Tensor (*some)(const Tensor&, const Axes&, ReduceOptions), bool of_nothing) {
  OpRecord& over_all = ops(name + "(Tensor)");
  sample_unary(
      over_all, [all](In x) { return all(x[0]); }, spread);
  if (!of_nothing) over_all.samples.pop_back();
  over_all.replay(name + "/all", [all](In x) { return all(x[0]); });
  over_all.draw([all](Draw& d) -> Tensors { return {all(d.numbers(d.shape()))}; });

  OpRecord& over_some = ops(name + "(Tensor, Axes, ReduceOptions)");
  const auto over = [some](const Axes& axes, bool keepdim) {
    return [=](In x) { return some(x[0], axes, {.keepdim = keepdim}); };
  };
  over_some.sample("first axis", over({0}, false), {spread({2, 3})});
  over_some.sample("last axis, kept", over({-1}, true), {spread({2, 3})});
  over_some.sample("outer axes", over({0, 2}, false), {spread({2, 3, 2})});
  over_some.sample("inner axis", over({1}, false), {spread({2, 3, 2})});
  over_some.sample("axis of length 1", over({1}, false), {spread({2, 1})});
  over_some.sample("no axis", over({}, false), {spread({2, 2})});
  over_some.sample("beside an empty axis", over({1}, false), {spread({0, 2})});
  if (of_nothing) over_some.sample("empty axis", over({1}, false), {spread({2, 0})});
  for (const Over& o : replayed) {
    over_some.replay(text(name, "/", o.how), over(o.axes, o.keepdim));
  }
  over_some.draw([some](Draw& d) -> Tensors {
    const Tensor x = d.numbers(d.shape());
    const Axes axes = d.axes(x.rank());
    return {some(x, axes, {.keepdim = d.chance(2)})};
  });
}

/// var or stddev.
void add_moment(Ops& ops, const std::string& name, Tensor (*all)(const Tensor&),
                Tensor (*some)(const Tensor&, const Axes&, VarOptions)) {
  ops(name + "(Tensor)")
      .sample("", [all](In x) { return all(x[0]); }, {normal({2, 3})})
      .replay(name + "/all", [all](In x) { return all(x[0]); })
      .draw([all](Draw& d) -> Tensors { return {all(d.floats(d.shape()))}; });
  OpRecord& record = ops(name + "(Tensor, Axes, VarOptions)");
  const auto over = [some](const Axes& axes, double correction, bool keepdim) {
    return [=](In x) { return some(x[0], axes, {.correction = correction, .keepdim = keepdim}); };
  };
  record.sample("first axis", over({0}, 1, false), {normal({3, 2})})
      .sample("last axis, kept", over({-1}, 0, true), {normal({2, 3})})
      .sample("outer axes", over({0, 2}, 1, false), {normal({2, 3, 2})})
      .sample("beside an empty axis", over({1}, 0, false), {normal({0, 2})});
  for (const Over& o : replayed) {
    for (const int c : {0, 1}) {
      record.replay(text(name, "/", o.how, ", correction ", c), over(o.axes, c, o.keepdim));
    }
  }
  record.draw([some](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const Axes axes = d.axes(x.rank());
    const double correction = static_cast<double>(d.in(0, 2));
    return {some(x, axes, {.correction = correction, .keepdim = d.chance(2)})};
  });
}

void add_norm(Ops& ops) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  ops("norm(Tensor)")
      .sample("", [](In x) { return norm(x[0]); }, {normal({2, 3})})
      .replay("norm/all", [](In x) { return norm(x[0]); })
      .draw([](Draw& d) -> Tensors { return {norm(d.floats(d.shape()))}; });
  OpRecord& record = ops("norm(Tensor, Axes, NormOptions)");
  for (const double p : {2.0, 1.0, 3.0, 0.5, -1.5, 0.0, inf, -inf}) {
    const auto over = [p](const Axes& axes, bool keepdim) {
      return [=](In x) { return norm(x[0], axes, {.p = p, .keepdim = keepdim}); };
    };
    record.sample(text("p ", p, ", first axis"), over({0}, false), {spread({3, 2})})
        .sample(text("p ", p, ", outer axes"), over({0, -1}, true), {spread({2, 3, 2})})
        .sample(text("p ", p, ", beside an empty axis"), over({1}, false), {normal({0, 2})});
    record.replay(text("norm/", p), over({0, -1}, true));
  }
  record.draw([](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const Axes axes = d.axes(x.rank());
    const double p = d.chance(2) ? static_cast<double>(d.in(0, 3)) : d.number();
    if (p != 1 && p != 2) d.set_wild();  // a share near 0 has slopes near the largest number
    return {norm(x, axes, {.p = p, .keepdim = d.chance(2)})};
  });
}

using OverAll = Tensor (*)(const Tensor&);
using OverSome = Tensor (*)(const Tensor&, const Axes&, ReduceOptions);

/// any, all and count_nonzero.
void add_count(Ops& ops, const std::string& name, OverAll all, OverSome some, bool numbers) {
  const auto values = [numbers](Draw& d) {
    return numbers && d.chance(2) ? d.numbers(d.shape()) : d.booleans(d.shape());
  };
  ops.constant(name + "(Tensor)")
      .sample("", [all](In x) { return all(x[0]); }, {mask({2, 3})})
      .replay(name + "/all", [all](In x) { return all(x[0]); })
      .draw([all, values](Draw& d) -> Tensors { return {all(values(d))}; });
  OpRecord& record = ops.constant(name + "(Tensor, Axes, ReduceOptions)");
  const auto over = [some](const Axes& axes, bool keepdim) {
    return [=](In x) { return some(x[0], axes, {.keepdim = keepdim}); };
  };
  record.sample("", over({1}, false), {mask({2, 3})});
  record.replay(name + "/0", over({0}, false)).replay(name + "/-1 kept", over({-1}, true));
  if (numbers) record.replay(name + "/f", over({-1}, false));
  record.draw([some, values](Draw& d) -> Tensors {
    const Tensor x = values(d);
    const Axes axes = d.axes(x.rank());
    return {some(x, axes, {.keepdim = d.chance(2)})};
  });
}

struct Extreme {
  std::string name;  // max or min
  Tensor (*of_all)(const Tensor&);
  Tensor (*along)(const Tensor&, Int, ReduceOptions);
  ValuesAndIndices (*both)(const Tensor&, Int, ReduceOptions);
};

/// argmax and max_with_indices, or those of min.
void add_indices(Ops& ops, const Extreme& e) {
  ops.constant("arg" + e.name + "(Tensor)")
      .sample("", [e](In x) { return e.of_all(x[0]); }, {normal({2, 3})})
      .replay("arg" + e.name + "/all", [e](In x) { return e.of_all(x[0]); })
      .draw([e](Draw& d) -> Tensors { return {e.of_all(d.numbers(d.shape()))}; });
  ops.constant("arg" + e.name + "(Tensor, Int, ReduceOptions)")
      .sample("", [e](In x) { return e.along(x[0], 1, {}); }, {normal({2, 3})})
      .replay("arg" + e.name + "/0", [e](In x) { return e.along(x[0], 0, {}); })
      .replay("arg" + e.name + "/-1 kept",
              [e](In x) { return e.along(x[0], -1, {.keepdim = true}); })
      .draw([e](Draw& d) -> Tensors {
        const Tensor x = d.numbers(d.shape(1));
        const int64_t axis = d.axis(x.rank());
        return {e.along(x, axis, {.keepdim = d.chance(2)})};
      });
  const auto values = [e](Int axis, bool keepdim) {
    return [=](In x) { return e.both(x[0], axis, {.keepdim = keepdim}).values; };
  };
  ops(e.name + "_with_indices(Tensor, Int, ReduceOptions)")
      .sample("", values(0, false), {spread({3, 2})})
      .sample("kept", values(-1, true), {spread({2, 3})})
      .replay(e.name + "_with_indices/0", values(0, false))
      .replay(e.name + "_with_indices/-1 kept", values(-1, true))
      .draw([e](Draw& d) -> Tensors {
        const Tensor x = d.numbers(d.shape(1));
        const int64_t axis = d.axis(x.rank());
        const ValuesAndIndices found = e.both(x, axis, {.keepdim = d.chance(2)});
        return {found.values, found.indices};
      });
}

void add_prod(Ops& ops) {
  reduction(ops, "prod", prod, prod, true);
  const auto over_all = [](In x) { return prod(x[0]); };
  ops("prod(Tensor)")
      .sample("a zero", over_all, {tensor({2, 0, 3, -1}, f64)})
      .sample("zeros", over_all, {tensor({{0, 2}, {0, 3}}, f64)})
      .replay("prod/zeros", over_all);
}

}  // namespace

void add_reductions(Ops& ops) {
  reduction(ops, "sum", sum, sum, true);
  reduction(ops, "mean", mean, mean, false);
  reduction(ops, "max", max, max, false);
  reduction(ops, "min", min, min, false);
  reduction(ops, "logsumexp", logsumexp, logsumexp, false);
  ops("max(Tensor)").replay("max/ties, all", [](In x) { return max(x[0]); });
  const std::string over_some = "(Tensor, Axes, ReduceOptions)";
  ops("max" + over_some).replay("max/ties, -1", [](In x) { return max(x[0], -1); });
  ops("min" + over_some).replay("min/ties, 0", [](In x) { return min(x[0], 0); });
  for (const char* how : {"large", "-inf"}) {
    ops("logsumexp" + over_some).replay(text("logsumexp/", how), [](In x) {
      return logsumexp(x[0], -1);
    });
  }
  add_prod(ops);
  add_moment(ops, "var", var, var);
  ops("var(Tensor, Axes, VarOptions)")
      .sample("axis of length 1", [](In x) { return var(x[0], {1}, {.correction = 0}); },
              {normal({2, 1})});
  add_moment(ops, "stddev", stddev, stddev);
  add_norm(ops);
  add_indices(ops, {"max", argmax, argmax, max_with_indices});
  add_indices(ops, {"min", argmin, argmin, min_with_indices});
  add_count(ops, "any", any, any, false);
  add_count(ops, "all", all, all, false);
  add_count(ops, "count_nonzero", count_nonzero, count_nonzero, true);
}

}  // namespace rapt::tests
