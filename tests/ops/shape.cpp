#include "inputs.h"

namespace rapt::tests {
namespace {

/// A call with some tensor and one of its axes.
template <class F>
std::function<Tensors(Draw&)> drawn_with_axis(int64_t least_rank, F f) {
  return [f, least_rank](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape(least_rank));
    return {f(d, x, d.axis(x.rank()))};
  };
}

/// A shape of as many elements, mostly.
Shape regrouped(Draw& d, const Shape& shape) {
  Shape out = shape;
  for (int64_t i = d.in(0, 3); i > 0; --i) {
    if (out.rank() > 1 && d.chance(2)) {
      const int64_t at = d.in(0, out.rank() - 2);
      out[at] *= out[at + 1];
      out.erase(at + 1);
    } else if (out.rank() < 6) {
      const int64_t at = d.in(0, out.rank());
      const bool halves = at < out.rank() && out[at] % 2 == 0;
      if (halves) out[at] /= 2;
      out.insert(at, halves ? 2 : 1);
    }
  }
  if (out.rank() > 0 && d.chance(3)) out[d.in(0, out.rank() - 1)] = -1;
  if (d.chance(32)) out.push_back(d.in(-2, 3));
  return out;
}

void add_regroupings(Ops& ops) {
  ops("reshape(Tensor, Shape)")
      .sample("",
              [](In x) {
                return reshape(x[0], {3, -1});
              },
              {normal({2, 3, 2})})
      .sample("of a view", [](In x) { return reshape(transpose(x[0]), {6}); }, {normal({2, 3})})
      .sample("to a scalar", [](In x) { return reshape(x[0], {}); }, {normal({1, 1})})
      .sample("empty",
              [](In x) {
                return reshape(x[0], {3, 0});
              },
              {normal({0, 2})})
      .replay("reshape",
              [](In x) {
                return reshape(x[0], {4, -1});
              })
      .replay("reshape/of a permuted one",
              [](In x) {
                return reshape(permute(x[0], {2, 0, 1}), {8, 3});
              })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape());
        return {reshape(x, regrouped(d, x.shape()))};
      });
  ops("permute(Tensor, Axes)")
      .sample("",
              [](In x) {
                return permute(x[0], {2, 0, 1});
              },
              {normal({2, 1, 3})})
      .sample("empty",
              [](In x) {
                return permute(x[0], {1, 0});
              },
              {normal({0, 2})})
      .replay("permute",
              [](In x) {
                return permute(x[0], {2, 0, 1});
              })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape());
        Axes order;
        for (int64_t axis = 0; axis < x.rank(); ++axis) {
          order.insert(d.in(0, axis), d.chance(32) ? d.in(-9, 9) : axis);
        }
        return {permute(x, order)};
      });
  ops("transpose(Tensor, Int, Int)")
      .sample("last two", [](In x) { return transpose(x[0]); }, {normal({2, 2, 3})})
      .sample("first and last", [](In x) { return transpose(x[0], 0, -1); }, {normal({2, 2, 3})})
      .replay("transpose", [](In x) { return transpose(x[0]); })
      .replay("transpose/0, 2", [](In x) { return transpose(x[0], 0, 2); })
      .draw(drawn_with_axis(1, [](Draw& d, const Tensor& x, int64_t a) {
        return transpose(x, a, d.axis(x.rank()));
      }));
  ops("expand(Tensor, Shape)")
      .sample("",
              [](In x) {
                return expand(x[0], {2, -1, 3});
              },
              {normal({2, 1})})
      .sample("scalar",
              [](In x) {
                return expand(x[0], {2, 2});
              },
              {normal({})})
      .sample("to nothing",
              [](In x) {
                return expand(x[0], {0, 2});
              },
              {normal({1, 2})})
      .replay("expand",
              [](In x) {
                return expand(x[0], {2, 3, -1, 4});
              })
      .draw([](Draw& d) -> Tensors {
        const Shape to = d.shape();
        Shape from = to;
        for (int64_t axis = 0; axis < from.rank(); ++axis) {
          if (d.chance(2)) from[axis] = 1;
        }
        while (from.rank() > 0 && d.chance(4)) from.erase(0);
        const Tensor x = d.anything(from);
        Shape wanted = d.chance(24) ? d.shape() : to;
        if (wanted.rank() > 0 && d.chance(4)) wanted.back() = -1;
        return {expand(x, wanted)};
      });
  ops("squeeze(Tensor, Int)")
      .sample("", [](In x) { return squeeze(x[0], 1); }, {normal({2, 1, 3})})
      .replay("squeeze", [](In x) { return squeeze(x[0], 1); })
      .draw([](Draw& d) -> Tensors {
        Shape shape = d.shape(1);
        const int64_t at = d.in(0, shape.rank() - 1);
        if (!d.chance(16)) shape[at] = 1;
        return {squeeze(d.anything(shape), d.chance(2) ? at : at - shape.rank())};
      });
  ops("unsqueeze(Tensor, Int)")
      .sample("behind", [](In x) { return unsqueeze(x[0], -1); }, {normal({2, 3})})
      .sample("scalar", [](In x) { return unsqueeze(x[0], 0); }, {normal({})})
      .replay("unsqueeze", [](In x) { return unsqueeze(x[0], -1); })
      .draw(drawn_with_axis(0, [](Draw&, const Tensor& x, int64_t a) { return unsqueeze(x, a); }));
}

void add_parts(Ops& ops) {
  const auto overlapping = [](In x) { return slice(x[0], 0, 0, 3) * slice(x[0], 0, 1, 4); };
  ops("slice(Tensor, Int, Int, Int, Int)")
      .sample("", [](In x) { return slice(x[0], 1, 1, 3); }, {normal({2, 4})})
      .sample("step", [](In x) { return slice(x[0], 0, -5, 5, 2); }, {normal({5, 2})})
      .sample("step down", [](In x) { return slice(x[0], 1, -1, -9, -2); }, {normal({2, 4})})
      .sample("of nothing", [](In x) { return slice(x[0], 0, 2, 2); }, {normal({3})})
      .sample("of nothing, down", [](In x) { return slice(x[0], 0, 1, 1, -1); }, {normal({3})})
      .sample("overlapping", overlapping, {normal({4})})
      .replay("slice", [](In x) { return slice(x[0], 1, 1, 3); })
      .replay("slice/step", [](In x) { return slice(x[0], -1, -4, 5, 2); })
      .replay("slice/down", [](In x) { return slice(x[0], 1, 3, 0, -1); })
      .replay("slice/all down, by 2", [](In x) { return slice(x[0], 1, -1, -6, -2); })
      .draw(drawn_with_axis(1, [](Draw& d, const Tensor& x, int64_t a) {
        const int64_t begin = d.in(-8, 8), end = d.in(-8, 140);
        return slice(x, a, begin, end,
                     d.chance(16) ? d.in(-1000, 1000) : d.in(1, 4) * (d.chance(4) ? -1 : 1));
      }));
  ops("select(Tensor, Int, Int)")
      .sample("", [](In x) { return select(x[0], 1, -1); }, {normal({2, 3, 2})})
      .sample("of a vector", [](In x) { return select(x[0], 0, 1); }, {normal({3})})
      .replay("select", [](In x) { return select(x[0], 1, -1); })
      .draw(drawn_with_axis(
          1, [](Draw& d, const Tensor& x, int64_t a) { return select(x, a, d.in(-2, 2)); }));
  ops("split(Tensor, std::vector<int64_t>, Int)")
      .sample("",
              [](In x) {
                return split(x[0], {1, 0, 2}, -1);
              },
              {normal({2, 3})})
      .sample("one part unused",
              [](In x) {
                return split(x[0], {1, 2})[1];
              },
              {normal({3, 2})})
      .replay("split",
              [](In x) {
                return split(x[0], {1, 0, 2}, 1);
              })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t axis = d.in(0, x.rank() - 1);
        std::vector<int64_t> sizes;
        int64_t left = x.size(axis);
        while (left > 0 && sizes.size() < 5 && d.chance(2)) {
          sizes.push_back(d.in(0, left));
          left -= sizes.back();
        }
        if (sizes.empty() || !d.chance(24)) sizes.push_back(left);
        return split(x, sizes, axis);
      });
}

/// Tensors that fit beside one another along the axis, mostly.
std::pair<Tensors, int64_t> drawn_parts(Draw& d, bool lengths_differ) {
  Shape shape = d.shape(1, 3);
  const int64_t axis = d.axis(shape.rank()), at = axis < 0 ? axis + shape.rank() : axis;
  Tensors out;
  for (int64_t i = d.in(1, 4); i > 0; --i) {
    if (lengths_differ && at >= 0 && at < shape.rank()) shape[at] = d.in(0, 5);
    out.push_back(d.floats(shape));
  }
  return {out, axis};
}

void add_joined(Ops& ops) {
  ops("concat(TensorList, Int)")
      .sample("", [](In x) { return concat(x, 1); },
              {normal({2, 1}), normal({2, 3}, 2), normal({2, 0})})
      .sample("one part twice",
              [](In x) {
                return concat({x[0], x[0]});
              },
              {normal({2})})
      .replay("concat", [](In x) { return concat(x, 1); })
      .draw([](Draw& d) -> Tensors {
        const auto [all, axis] = drawn_parts(d, true);
        return {concat(all, axis)};
      });
  ops("stack(TensorList, Int)")
      .sample("", [](In x) { return stack(x, -1); }, {normal({2, 3}), normal({2, 3}, 2)})
      .sample("scalars", [](In x) { return stack(x); }, {normal({}), normal({}, 2)})
      .replay("stack", [](In x) { return stack(x, -1); })
      .draw([](Draw& d) -> Tensors {
        const auto [all, axis] = drawn_parts(d, false);
        return {stack(all, axis)};
      });
}

}  // namespace

void add_shapes(Ops& ops) {
  add_regroupings(ops);
  add_parts(ops);
  add_joined(ops);
}

}  // namespace rapt::tests
