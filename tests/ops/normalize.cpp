#include <limits>

#include "inputs.h"

namespace rapt::tests {
namespace {

OpRecord& along_an_axis(Ops& ops, const std::string& name, Tensor (*f)(const Tensor&, Int)) {
  OpRecord& record = ops(name + "(Tensor, Int)");
  for (const int64_t axis : {0, 1, -1}) {
    const auto call = [=](In x) { return f(x[0], axis); };
    record.sample(text("axis ", axis), call, {normal({2, 3, 2})});
    record.replay(text(name, "/", axis), call);
  }
  for (const Shape& shape : {Shape{2, 1}, Shape{0, 3}, Shape{2, 0}}) {
    record.sample(shape.str(), [f](In x) { return f(x[0], -1); }, {normal(shape)});
  }
  return record.draw([f](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    return {f(x, d.axis(x.rank()))};
  });
}

void add_softmax(Ops& ops) {
  const Tensor rows_masked = from_values<bool>({true, true, true, false, true, false}, {2, 3});
  const auto masked = [=](In x) {
    return softmax(masked_fill(x[0], rows_masked, -std::numeric_limits<double>::infinity()));
  };
  along_an_axis(ops, "softmax", softmax)
      .sample("a row masked, one in part", masked, {normal({2, 3})})
      .replay("softmax/extreme", [](In x) { return softmax(x[0]); });
  along_an_axis(ops, "log_softmax", log_softmax).replay("log_softmax/large", [](In x) {
    return log_softmax(x[0]);
  });
}

/// A weight or bias of that shape, mostly, or none.
Tensor drawn_part(Draw& d, const Shape& shape) {
  if (d.chance(3)) return Tensor();
  return d.floats(d.chance(24) ? d.shape() : shape);
}

/// The lengths of the last axes of x, so many of them.
Shape last_axes(const Tensor& x, int64_t axes) {
  return Shape(x.shape().end() - std::clamp<int64_t>(axes, 0, x.rank()), x.shape().end());
}

// Less than that makes the rounding of constant rows as large as their gradient.
double drawn_eps(Draw& d) { return d.chance(2) ? 0.01 : 0.1; }

void add_norms(Ops& ops) {
  const Tensor weight = normal({3}, 2), bias = normal({3}, 3);
  const auto norm = [](In x) { return layer_norm(x[0], x[1], x[2]); };
  const auto with_weight = [](In x) { return layer_norm(x[0], x[1]); };
  const auto with_bias = [](In x) { return layer_norm(x[0], {}, x[1]); };
  ops("layer_norm(Tensor, Tensor, Tensor, LayerNormOptions)")
      .sample("", norm, {normal({2, 2, 3}), weight, bias})
      .may_lack({1, 2})
      .sample("plain", [](In x) { return layer_norm(x[0], {}, {}, {.eps = 0.1}); },
              {normal({2, 3})})
      .sample("weight", with_weight, {normal({2, 3}), weight})
      .sample("bias", with_bias, {normal({2, 3}), bias})
      .sample("vector", norm, {normal({3}), weight, bias})
      .sample("length 1", norm, {normal({2, 1}), normal({1}, 2), normal({1}, 3)})
      .sample("no rows", norm, {normal({0, 3}), weight, bias})
      .sample("two axes", [](In x) { return layer_norm(x[0], x[1], x[2], {.axes = 2}); },
              {normal({2, 3, 2}), normal({3, 2}, 2), normal({3, 2}, 3)})
      .replay("layer_norm", norm)
      .replay("layer_norm/two axes", [](In x) { return layer_norm(x[0], x[1], x[2], {.axes = 2}); })
      .replay("layer_norm/plain", [](In x) { return layer_norm(x[0]); })
      .replay("layer_norm/gain", with_weight)
      .replay("layer_norm/eps", [](In x) { return layer_norm(x[0], x[1], x[2], {.eps = 0.1}); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const LayerNormOptions options{drawn_eps(d), d.chance(3) ? d.in(0, x.rank() + 1) : 1};
        const Shape last = last_axes(x, options.axes);
        const Tensor w = drawn_part(d, last), b = drawn_part(d, last);
        return {layer_norm(x, w, b, options)};
      });
  const auto rms = [](In x) { return rms_norm(x[0], x[1]); };
  ops("rms_norm(Tensor, Tensor, LayerNormOptions)")
      .sample("", rms, {normal({2, 2, 3}), weight})
      .may_lack({1})
      .sample("plain", [](In x) { return rms_norm(x[0], {}, {.eps = 0.1}); }, {normal({2, 3})})
      .sample("length 1", rms, {normal({2, 1}), normal({1}, 2)})
      .sample("no rows", rms, {normal({0, 3}), weight})
      .sample("two axes", [](In x) { return rms_norm(x[0], x[1], {.axes = 2}); },
              {normal({2, 3, 2}), normal({3, 2}, 2)})
      .replay("rms_norm", rms)
      .replay("rms_norm/two axes", [](In x) { return rms_norm(x[0], x[1], {.axes = 2}); })
      .replay("rms_norm/plain", [](In x) { return rms_norm(x[0]); })
      .replay("rms_norm/eps", [](In x) { return rms_norm(x[0], x[1], {.eps = 0.1}); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const LayerNormOptions options{drawn_eps(d), d.chance(3) ? d.in(0, x.rank() + 1) : 1};
        return {rms_norm(x, drawn_part(d, last_axes(x, options.axes)), options)};
      });
}

void add_group_norm(Ops& ops) {
  const auto norm = [](In x) { return group_norm(x[0], 2, x[1], x[2]); };
  const Tensor weight = normal({4}, 2), bias = normal({4}, 3);
  ops("group_norm(Tensor, Int, Tensor, Tensor, GroupNormOptions)")
      .sample("", norm, {normal({2, 4, 3}), weight, bias})
      .may_lack({1, 2})
      .sample("plain", [](In x) { return group_norm(x[0], 1, {}, {}, {.eps = 0.1}); },
              {normal({2, 4})})
      .sample("a group each", [](In x) { return group_norm(x[0], 4, x[1]); },
              {normal({1, 4, 2, 2}), weight})
      .sample("empty", norm, {normal({0, 4, 3}), weight, bias})
      .replay("group_norm", norm)
      .replay("group_norm/plain", [](In x) { return group_norm(x[0], 1); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(2));
        const Shape channels = {x.size(1)};
        const int64_t groups = d.chance(4) ? d.in(-1, 4) : d.chance(2) ? x.size(1) : 1;
        const Tensor w = drawn_part(d, channels), b = drawn_part(d, channels);
        return {group_norm(x, groups, w, b, {.eps = drawn_eps(d)})};
      });
}

}  // namespace

void add_normalization(Ops& ops) {
  add_softmax(ops);
  add_norms(ops);
  add_group_norm(ops);
  // The generator is made anew in each call, so each call drops the same elements.
  const auto dropping = [](double p) {
    return [p](In x) {
      Rng rng(3);
      return dropout(x[0], p, rng);
    };
  };
  ops("dropout(Tensor, double, Rng)")
      .sample("p 0.4", dropping(0.4), {normal({3, 3})})
      .sample("p 0", dropping(0), {normal({3, 3})})
      .sample("empty", dropping(0.4), {normal({0, 3})})
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape());
        Rng rng(static_cast<uint64_t>(d.in(0, 255)));
        return {dropout(x, d.chance(16) ? d.number() : 0.1 * static_cast<double>(d.in(0, 9)), rng)};
      });
}

}  // namespace rapt::tests
