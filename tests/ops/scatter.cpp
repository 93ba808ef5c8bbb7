#include "inputs.h"

namespace rapt::tests {
namespace {

/// A call with x, an axis, an index and a source of its shape, mostly.
template <class F>
std::function<Tensors(Draw&)> drawn_scatter(F f, Tensor (Draw::*draw)(const Shape&)) {
  return [f, draw](Draw& d) -> Tensors {
    const Tensor x = (d.*draw)(d.shape(1));
    const int64_t at = d.in(0, x.rank() - 1);
    const Tensor places = drawn_index(d, x, at);
    return {
        f(d, x, at, places, (d.*draw)(d.chance(24) ? d.shape() : places.shape()).to(x.dtype()))};
  };
}

void add_slices(Ops& ops) {
  const Tensor repeated = ids({2, 0, 2}, {3}), none = ids({}, {0});
  const auto add = [](In x) { return index_add(x[0], -1, x[1], x[2]); };
  ops("index_add(Tensor, Int, Tensor, Tensor)")
      .sample("", add, {normal({2, 3}), repeated, normal({2, 3}, 2)})
      .sample("of nothing", add, {normal({2, 3}), none, normal({2, 0})})
      .replay("index_add", [](In x) { return index_add(x[0], 1, x[1], x[2]); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const int64_t at = d.in(0, x.rank() - 1), count = x.size(at) == 0 ? 0 : d.in(0, 9);
        const Tensor index = d.indices({count}, x.size(at));
        Shape shape = x.shape();
        shape[at] = count;
        return {index_add(x, at, index, d.floats(d.chance(24) ? d.shape() : shape))};
      });
}

void add_sums(Ops& ops) {
  const Tensor index = ids({2, 0, 2, 1, 1, 1, 1, 0}, {2, 4});
  const auto add = [](int64_t axis) {
    return [axis](In x) { return scatter_add(x[0], axis, x[1], x[2]); };
  };
  OpRecord& scattering = ops("scatter_add(Tensor, Int, Tensor, Tensor)");
  scattering.sample("", add(1), {normal({3, 3}), index, normal({2, 4}, 2)})
      .sample("first axis", add(0), {normal({3, 4}), index, normal({2, 4}, 2)})
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const int64_t at = d.in(0, x.rank() - 1);
        const Tensor places = drawn_index(d, x, at);
        return {scatter_add(x, at, places, d.floats(d.chance(24) ? d.shape() : places.shape()))};
      });
  for (const int64_t axis : {0, 1}) scattering.replay(text("scatter_add/", axis), add(axis));
}

void add_replacing(Ops& ops) {
  const Tensor index = ids({2, 0, 2, 1, 1, 1, 1, 0}, {2, 4});
  const auto put = [](int64_t axis) {
    return [axis](In x) { return scatter(x[0], axis, x[1], x[2]); };
  };
  OpRecord& record = ops("scatter(Tensor, Int, Tensor, TensorOrNumber)");
  record.sample("places twice", put(1), {normal({3, 3}), index, normal({2, 4}, 2)})
      .sample("first axis", put(0), {normal({3, 4}), index, normal({2, 4}, 2)})
      .sample("a number", [](In x) { return scatter(x[0], 1, x[1], 0.7); }, {normal({3, 3}), index})
      .sample("of nothing", put(1), {normal({2, 3}), ids({}, {2, 0}), normal({2, 0})})
      .replay("scatter/number", [](In x) { return scatter(x[0], 1, x[1], -1.5); })
      .draw(drawn_scatter(
          [](Draw& d, const Tensor& x, int64_t at, const Tensor& places, const Tensor& source) {
            return d.chance(4) ? scatter(x, at, places, 1) : scatter(x, at, places, source);
          },
          &Draw::anything));
  for (const int64_t axis : {0, 1}) record.replay(text("scatter/", axis), put(axis));
}

void add_reducing(Ops& ops) {
  const Tensor index = ids({2, 0, 2, 1, 1, 1, 1, 0}, {2, 4});
  const auto reduce = [](int64_t axis, Reduce how) {
    return [=](In x) { return scatter_reduce(x[0], axis, x[1], x[2], how); };
  };
  OpRecord& record = ops("scatter_reduce(Tensor, Int, Tensor, Tensor, Reduce)");
  const std::vector<std::pair<Reduce, const char*>> all = {
      {Reduce::sum, "sum"}, {Reduce::prod, "prod"}, {Reduce::max, "max"}, {Reduce::min, "min"}};
  for (const auto& [how, name] : all) {
    record.sample(name, reduce(1, how), {spread({3, 3}), index, spread({2, 4}, 2)})
        .sample(text(name, ", first axis"), reduce(0, how),
                {spread({3, 4}), index, spread({2, 4}, 2)})
        .sample(text(name, " of nothing"), reduce(1, how),
                {normal({2, 3}), ids({}, {2, 0}), normal({2, 0})});
    for (const int64_t axis : {0, 1}) {
      record.replay(text("scatter_reduce/", name, "/", axis), reduce(axis, how));
    }
  }
  const Tensor zeros_among = tensor({{0, 2, 0}, {1, 0, 3}}, f64);
  record.sample("prod of zeros", reduce(1, Reduce::prod),
                {zeros_among, ids({0, 0, 1, 2, 1, 1, 2, 2}, {2, 4}),
                 tensor({{2, 0, 3, 0}, {0, 2, 0, 1}}, f64)});
  record.draw(drawn_scatter(
      [all](Draw& d, const Tensor& x, int64_t at, const Tensor& places, const Tensor& source) {
        return scatter_reduce(x, at, places, source, d.one_of(all).first);
      },
      &Draw::floats));
}

void add_putting(Ops& ops) {
  const auto put = [](IndexPutOptions options) {
    return
        [options](In x) { return index_put(x[0], Tensors(x.begin() + 2, x.end()), x[1], options); };
  };
  const Tensor rows = ids({2, 0, 2}, {3}), columns = ids({1, 1, 1, 0, 1, 0}, {2, 3});
  ops("index_put(Tensor, TensorList, TensorOrNumber, IndexPutOptions)")
      .sample("places twice", put({}), {normal({3, 2, 2}), normal({2, 3, 2}, 2), rows, columns})
      .sample("values stretched", put({}), {normal({3, 2}), normal({2}, 2), rows})
      .sample("added", put({.accumulate = true}),
              {normal({3, 2, 2}), normal({3, 2}, 2), rows, columns})
      .sample("a number", [=](In x) { return index_put(x[0], {rows}, 0.7); }, {normal({3, 2})})
      .sample("of nothing", put({}), {normal({3, 2}), normal({0, 2}), ids({}, {0})})
      .replay("index_put", put({}))
      .replay("index_put/added", put({.accumulate = true}))
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const Tensors at = drawn_indices(d, x);
        const bool add = d.chance(2);
        if (d.chance(4)) return {index_put(x, at, 1, {.accumulate = add})};
        const Shape whole = index_get(x.detach(), at).shape();
        return {index_put(x, at, d.floats(d.beside(whole)), {.accumulate = add})};
      });
}

}  // namespace

void add_scatters(Ops& ops) {
  add_slices(ops);
  add_sums(ops);
  add_replacing(ops);
  add_reducing(ops);
  add_putting(ops);
}

}  // namespace rapt::tests
