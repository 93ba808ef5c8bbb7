#include "inputs.h"

namespace rapt::tests {

void add_arrangements(Ops& ops) {
  const auto flipped = [](const Axes& axes) { return [axes](In x) { return flip(x[0], axes); }; };
  ops("flip(Tensor, Axes)")
      .sample("", flipped({-1}), {normal({2, 3})})
      .sample("two axes", flipped({0, 2}), {normal({2, 2, 3})})
      .sample("no axis", flipped({}), {normal({2})})
      .sample("empty", flipped({0}), {normal({0, 2})})
      .replay("flip/0", flipped({0}))
      .replay("flip/0 and -1", flipped({0, -1}))
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape());
        return {flip(x, d.axes(x.rank()))};
      });

  const auto rolled = [](int64_t by, Int axis) {
    return [=](In x) { return roll(x[0], by, axis); };
  };
  ops("roll(Tensor, Int, Int)")
      .sample("", rolled(1, -1), {normal({2, 3})})
      .sample("back", rolled(-4, 0), {normal({3, 2})})
      .sample("empty", rolled(1, 0), {normal({0, 2})})
      .replay("roll/1, 0", rolled(1, 0))
      .replay("roll/-5, -1", rolled(-5, -1))
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t axis = d.axis(x.rank());
        return {roll(x, d.in(-9, 9), axis)};
      });

  const auto repeated = [](const Shape& times) {
    return [times](In x) { return repeat(x[0], times); };
  };
  ops("repeat(Tensor, Shape)")
      .sample("", repeated({2, 3}), {normal({2, 2})})
      .sample("more axes", repeated({2, 1, 2}), {normal({3})})
      .sample("fewer", repeated({2}), {normal({2, 2})})
      .sample("once", repeated({1}), {normal({2})})
      .sample("never", repeated({0}), {normal({2})})
      .replay("repeat/2, 3", repeated({2, 3}))
      .replay("repeat/more axes", repeated({2, 1, 3}))
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape());
        Shape times;
        for (int64_t i = d.in(0, 4); i > 0; --i) times.push_back(d.in(0, 3));
        return {repeat(x, times)};
      });

  const auto padded = [](In x) { return pad(x[0], 1, 1, 2, -1.5); };
  ops("pad(Tensor, Int, Int, Int, double)")
      .sample("", padded, {normal({2, 3})})
      .sample("empty", padded, {normal({2, 0})})
      .replay("pad", padded)
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t axis = d.axis(x.rank()), before = d.in(0, 3);
        return {pad(x, axis, before, d.chance(16) ? -1 : d.in(0, 3), d.chance(2) ? 1 : d.number())};
      });

  const auto pieces = [](In x) { return chunk(x[0], 3, -1); };
  ops("chunk(Tensor, Int, Int)")
      .sample("", pieces, {normal({2, 7})})
      .sample("fewer", pieces, {normal({2, 4})})
      .replay("chunk/3 of 7", pieces)
      .replay("chunk/3 of 4", pieces)
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t axis = d.axis(x.rank());
        return chunk(x, d.in(d.chance(16) ? 0 : 1, 5), axis);
      });

  const auto bound = [](In x) { return unbind(x[0], 1); };
  ops("unbind(Tensor, Int)")
      .sample("", bound, {normal({2, 3})})
      .replay("unbind", bound)
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        return unbind(x, d.axis(x.rank()));
      });

  const auto moved = [](In x) { return movedim(x[0], 0, -1); };
  ops("movedim(Tensor, Int, Int)")
      .sample("", moved, {normal({2, 3, 2})})
      .replay("movedim/0, -1", moved)
      .replay("movedim/2, 0", [](In x) { return movedim(x[0], 2, 0); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.anything(d.shape(1));
        const int64_t from = d.axis(x.rank());
        return {movedim(x, from, d.axis(x.rank()))};
      });
}

}  // namespace rapt::tests
