#include "inputs.h"

namespace rapt::tests {
namespace {

/// Numbers of which some are equal, i64 now and then.
Tensor drawn_numbers(Draw& d, const Shape& shape) {
  return d.chance(3) ? d.integers(shape, -2, 2) : d.numbers(shape);
}

Tensors both(const ValuesAndIndices& found) { return {found.values, found.indices}; }

void add_sort(Ops& ops) {
  OpRecord& sorted = ops("sort(Tensor, Int, SortOptions)");
  OpRecord& places = ops.constant("argsort(Tensor, Int, SortOptions)");
  places.sample("", [](In x) { return argsort(x[0]); }, {spread({2, 3})});
  for (const bool descending : {false, true}) {
    const std::string how = descending ? ", descending" : "";
    for (const int64_t axis : {0, -1}) {
      const auto values = [=](In x) { return sort(x[0], axis, {.descending = descending}).values; };
      sorted.sample(text("axis ", axis, how), values, {spread({3, 2})});
      sorted.replay(text("sort/", axis, how),
                    [=](In x) { return both(sort(x[0], axis, {.descending = descending})); });
      places.replay(text("argsort/", axis, how),
                    [=](In x) { return argsort(x[0], axis, {.descending = descending}); });
    }
    sorted.replay("sort/long" + how,
                  [=](In x) { return both(sort(x[0], -1, {.descending = descending})); });
    sorted.replay("sort/ties" + how,
                  [=](In x) { return both(sort(x[0], -1, {.descending = descending})); });
  }
  sorted.sample("empty", [](In x) { return sort(x[0]).values; }, {spread({2, 0})});
  sorted.draw([](Draw& d) -> Tensors {
    const Tensor x = drawn_numbers(d, d.shape(1));
    const int64_t axis = d.axis(x.rank());
    return both(sort(x, axis, {.descending = d.chance(2)}));
  });
  places.draw([](Draw& d) -> Tensors {
    const Tensor x = drawn_numbers(d, d.shape(1));
    const int64_t axis = d.axis(x.rank());
    return {argsort(x, axis, {.descending = d.chance(2)})};
  });
}

void add_topk(Ops& ops) {
  OpRecord& record = ops("topk(Tensor, Int, Int, TopkOptions)");
  for (const bool largest : {true, false}) {
    const std::string how = largest ? "" : ", smallest";
    const auto of = [largest](int64_t k, Int axis) {
      return [=](In x) { return topk(x[0], k, axis, {.largest = largest}); };
    };
    record.sample("two of three" + how, [=](In x) { return of(2, 0)(x).values; }, {spread({3, 2})});
    record.sample("one of ten" + how, [=](In x) { return of(1, -1)(x).values; }, {spread({2, 10})});
    record.sample("none" + how, [=](In x) { return of(0, -1)(x).values; }, {spread({2, 3})});
    record.replay("topk/2, 0" + how, [=](In x) { return both(of(2, 0)(x)); });
    record.replay("topk/3 of 70" + how, [=](In x) { return both(of(3, -1)(x)); });
  }
  record.draw([](Draw& d) -> Tensors {
    const Tensor x = drawn_numbers(d, d.shape(1));
    const int64_t axis = d.axis(x.rank());
    const int64_t k = d.in(0, d.chance(8) ? 9 : 2);
    return both(topk(x, k, axis, {.largest = d.chance(2)}));
  });
}

void add_median(Ops& ops) {
  ops("median(Tensor)")
      .sample("", [](In x) { return median(x[0]); }, {spread({2, 3})})
      .replay("median/all", [](In x) { return median(x[0]); })
      .draw([](Draw& d) -> Tensors { return {median(drawn_numbers(d, d.shape()))}; });
  const auto along = [](Int axis, bool keepdim) {
    return [=](In x) { return median(x[0], axis, {.keepdim = keepdim}); };
  };
  ops("median(Tensor, Int, ReduceOptions)")
      .sample("", [=](In x) { return along(0, false)(x).values; }, {spread({4, 2})})
      .sample("kept", [=](In x) { return along(-1, true)(x).values; }, {spread({2, 3})})
      .replay("median/0", [=](In x) { return both(along(0, false)(x)); })
      .replay("median/-1 kept", [=](In x) { return both(along(-1, true)(x)); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = drawn_numbers(d, d.shape(1));
        const int64_t axis = d.axis(x.rank());
        return both(median(x, axis, {.keepdim = d.chance(2)}));
      });
}

}  // namespace

void add_sorting(Ops& ops) {
  add_sort(ops);
  add_topk(ops);
  add_median(ops);
  const auto all = [](In x) {
    const Unique found = unique(x[0]);
    return Tensors{found.values, found.inverse, found.counts};
  };
  ops.constant("unique(Tensor)")
      .sample("", all, {spread({2, 3})})
      .replay("unique/i64", all)
      .replay("unique/f", all)
      .draw([all](Draw& d) -> Tensors { return all({drawn_numbers(d, d.shape())}); });
}

}  // namespace rapt::tests
