#include "inputs.h"

namespace rapt::tests {
namespace {

void add_slices(Ops& ops) {
  const Tensor repeated = ids({2, 0, 2}, {3}), none = ids({}, {0});
  const auto first = [](In x) { return index_select(x[0], 0, x[1]); };
  const auto last = [](In x) { return index_select(x[0], -1, x[1]); };
  ops("index_select(Tensor, Int, Tensor)")
      .sample("first axis", first, {normal({3, 2}), repeated})
      .sample("last axis", last, {normal({2, 2, 3}), repeated})
      .sample("of nothing", first, {normal({3, 2}), none})
      .replay("index_select/0", first)
      .replay("index_select/-1", last)
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t at = d.in(0, x.rank() - 1);
        return {index_select(x, at, d.indices({x.size(at) == 0 ? 0 : d.in(0, 9)}, x.size(at)))};
      });
}

void add_elements(Ops& ops) {
  const Tensor index = ids({2, 0, 2, 1, 1, 1, 1, 0}, {2, 4});
  const auto take = [](int64_t axis) { return [axis](In x) { return gather(x[0], axis, x[1]); }; };
  OpRecord& gathering = ops("gather(Tensor, Int, Tensor)");
  gathering.sample("", take(1), {normal({3, 3}), index})
      .sample("first axis", take(0), {normal({3, 4}), index})
      .sample("of nothing", take(1), {normal({2, 3}), ids({}, {2, 0})})
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t at = d.in(0, x.rank() - 1);
        return {gather(x, at, drawn_index(d, x, at))};
      });
  for (const int64_t axis : {0, 1}) gathering.replay(text("gather/", axis), take(axis));
  const auto along = [](int64_t axis) {
    return [axis](In x) { return take_along_dim(x[0], x[1], axis); };
  };
  ops("take_along_dim(Tensor, Tensor, Int)")
      .sample("", along(1), {normal({3, 3}), ids({2, 0, 2, 1}, {1, 4})})
      .sample("x stretched", along(-1), {normal({1, 3}), index})
      .sample("of nothing", along(0), {normal({2, 3}), ids({}, {0, 3})})
      .replay("take_along_dim", along(1))
      .replay("take_along_dim/x stretched", along(0))
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t at = d.in(0, x.rank() - 1);
        Shape shape = x.shape();
        for (int64_t axis = 0; axis < shape.rank(); ++axis) {
          if (d.chance(3)) shape[axis] = 1;
        }
        shape[at] = x.size(at) == 0 ? 0 : d.in(0, 6);
        return {take_along_dim(x, d.indices(shape, x.size(at)), at)};
      });
}

void add_chosen(Ops& ops) {
  const auto get = [](In x) { return index_get(x[0], Tensors(x.begin() + 1, x.end())); };
  const Tensor rows = ids({2, 0, 2}, {3}), columns = ids({1, 1, 0, 0, 1, 0}, {2, 3});
  ops("index_get(Tensor, TensorList)")
      .sample("", get, {normal({3, 2, 2}), rows, columns})
      .sample("one index", get, {normal({3, 2}), rows})
      .sample("of nothing", get, {normal({3, 2}), ids({}, {0})})
      .replay("index_get", get)
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        return {index_get(x, drawn_indices(d, x))};
      });
  ops.constant("nonzero(Tensor)")
      .sample("", [](In x) { return nonzero(x[0]); }, {normal({2, 3})})
      .replay("nonzero", [](In x) { return nonzero(x[0]); })
      .replay("nonzero/b8", [](In x) { return nonzero(x[0]); })
      .draw([](Draw& d) -> Tensors { return {nonzero(d.anything(d.shape()))}; });
  const auto chosen = [](In x) { return masked_select(x[0], x[1]); };
  ops("masked_select(Tensor, Tensor)")
      .sample("", chosen, {normal({2, 3}), mask({2, 3})})
      .sample("both stretched", chosen, {normal({2, 1, 2}), mask({3, 1})})
      .sample("of nothing", chosen, {normal({0, 3}), mask({3})})
      .replay("masked_select", chosen)
      .replay("masked_select/both stretched", chosen)
      .draw([](Draw& d) -> Tensors {
        const Shape shape = d.shape();
        const Tensor x = d.anything(shape);
        return {masked_select(x, d.booleans(d.beside(shape)))};
      });
}

}  // namespace

void add_indexing(Ops& ops) {
  add_slices(ops);
  add_elements(ops);
  add_chosen(ops);
  const auto look_up = [](In x) { return embedding(x[0], x[1]); };
  ops("embedding(Tensor, Tensor)")
      .sample("", look_up, {normal({4, 2}), ids({3, 0, 3, 1}, {2, 2})})
      .sample("one id", look_up, {normal({4, 2}), ids({2}, {})})
      .sample("matrices", look_up, {normal({2, 2, 2}), ids({0, 0, 0}, {3})})
      .sample("of nothing", look_up, {normal({4, 2}), ids({}, {2, 0})})
      .replay("embedding", look_up)
      .draw([](Draw& d) -> Tensors {
        const Tensor weight = d.floats(d.shape(1, 3));
        const Shape shape = weight.size(0) == 0 ? Shape{0} : d.shape(0, 2);
        return {embedding(weight, d.indices(shape, weight.size(0)))};
      });
  ops.constant("one_hot(Tensor, Int, Dtype)")
      .sample("", [](In x) { return one_hot(argmax(x[0], 1), 3, f64); }, {normal({2, 3})})
      .errors_of("argmax")
      .replay("one_hot", [](In x) { return one_hot(x[0], 4, Dtype::i64); })
      .draw([](Draw& d) -> Tensors {
        const int64_t classes = d.in(1, 9);
        const Tensor places = d.indices(d.shape(0, 3), classes);
        return {one_hot(places, classes,
                        d.one_of<Dtype>({Dtype::f32, Dtype::f64, Dtype::i64, Dtype::b8}))};
      });
}

}  // namespace rapt::tests
