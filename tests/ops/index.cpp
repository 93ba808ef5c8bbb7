#include "inputs.h"

namespace rapt::tests {
namespace {

/// An index for gather and scatter_add: no longer than x off the axis.
Tensor drawn_index(Draw& d, const Tensor& x, int64_t at) {
  Shape shape = x.shape();
  for (int64_t axis = 0; axis < shape.rank(); ++axis) {
    if (axis != at && d.chance(3)) shape[axis] = d.in(0, shape[axis]);
  }
  shape[at] = x.size(at) == 0 ? 0 : d.in(0, 6);
  return d.indices(shape, x.size(at));
}

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
  const auto scatter = [](int64_t axis) {
    return [axis](In x) { return scatter_add(x[0], axis, x[1], x[2]); };
  };
  OpRecord& scattering = ops("scatter_add(Tensor, Int, Tensor, Tensor)");
  scattering.sample("", scatter(1), {normal({3, 3}), index, normal({2, 4}, 2)})
      .sample("first axis", scatter(0), {normal({3, 4}), index, normal({2, 4}, 2)})
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const int64_t at = d.in(0, x.rank() - 1);
        const Tensor places = drawn_index(d, x, at);
        return {scatter_add(x, at, places, d.floats(d.chance(24) ? d.shape() : places.shape()))};
      });
  for (const int64_t axis : {0, 1}) {
    gathering.replay(text("gather/", axis), take(axis));
    scattering.replay(text("scatter_add/", axis), scatter(axis));
  }
}

}  // namespace

void add_indexing(Ops& ops) {
  add_slices(ops);
  add_elements(ops);
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
