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

void add_var(Ops& ops) {
  ops("var(Tensor)")
      .sample("", [](In x) { return var(x[0]); }, {normal({2, 3})})
      .replay("var/all", [](In x) { return var(x[0]); })
      .draw([](Draw& d) -> Tensors { return {var(d.floats(d.shape()))}; });
  OpRecord& record = ops("var(Tensor, Axes, VarOptions)");
  const auto over = [](const Axes& axes, double correction, bool keepdim) {
    return [=](In x) { return var(x[0], axes, {.correction = correction, .keepdim = keepdim}); };
  };
  record.sample("first axis", over({0}, 1, false), {normal({3, 2})})
      .sample("last axis, kept", over({-1}, 0, true), {normal({2, 3})})
      .sample("outer axes", over({0, 2}, 1, false), {normal({2, 3, 2})})
      .sample("axis of length 1", over({1}, 0, false), {normal({2, 1})})
      .sample("beside an empty axis", over({1}, 0, false), {normal({0, 2})});
  for (const Over& o : replayed) {
    for (const int c : {0, 1}) {
      record.replay(text("var/", o.how, ", correction ", c), over(o.axes, c, o.keepdim));
    }
  }
  record.draw([](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const Axes axes = d.axes(x.rank());
    const double correction = static_cast<double>(d.in(0, 2));
    return {var(x, axes, {.correction = correction, .keepdim = d.chance(2)})};
  });
}

void add_indices(Ops& ops) {
  ops.constant("argmax(Tensor, Int, ReduceOptions)")
      .sample("", [](In x) { return argmax(x[0], 1); }, {normal({2, 3})})
      .replay("argmax/0", [](In x) { return argmax(x[0], 0); })
      .replay("argmax/-1 kept", [](In x) { return argmax(x[0], -1, {.keepdim = true}); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.numbers(d.shape(1));
        const int64_t axis = d.axis(x.rank());
        return {argmax(x, axis, {.keepdim = d.chance(2)})};
      });
  const auto largest = [](Int axis, bool keepdim) {
    return [=](In x) { return max_with_indices(x[0], axis, {.keepdim = keepdim}).values; };
  };
  ops("max_with_indices(Tensor, Int, ReduceOptions)")
      .sample("", largest(0, false), {spread({3, 2})})
      .sample("kept", largest(-1, true), {spread({2, 3})})
      .replay("max_with_indices/0", largest(0, false))
      .replay("max_with_indices/-1 kept", largest(-1, true))
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.numbers(d.shape(1));
        const int64_t axis = d.axis(x.rank());
        const ValuesAndIndices found = max_with_indices(x, axis, {.keepdim = d.chance(2)});
        return {found.values, found.indices};
      });
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
  add_var(ops);
  add_indices(ops);
}

}  // namespace rapt::tests
