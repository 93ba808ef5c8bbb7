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

/// A weight or bias for x, or none.
Tensor drawn_part(Draw& d, const Tensor& x) {
  if (d.chance(3)) return Tensor();
  return d.floats(d.chance(24) ? d.shape() : Shape{x.size(-1)});
}

// Less than that makes the rounding of constant rows as large as their gradient.
double drawn_eps(Draw& d) { return d.chance(2) ? 0.01 : 0.1; }

void add_norms(Ops& ops) {
  const Tensor weight = normal({3}, 2), bias = normal({3}, 3);
  const auto norm = [](In x) { return layer_norm(x[0], x[1], x[2]); };
  const auto with_weight = [](In x) { return layer_norm(x[0], x[1]); };
  const auto with_bias = [](In x) { return layer_norm(x[0], {}, x[1]); };
  ops("layer_norm(Tensor, Tensor, Tensor, double)")
      .sample("", norm, {normal({2, 2, 3}), weight, bias})
      .may_lack({1, 2})
      .sample("plain", [](In x) { return layer_norm(x[0], {}, {}, 0.1); }, {normal({2, 3})})
      .sample("weight", with_weight, {normal({2, 3}), weight})
      .sample("bias", with_bias, {normal({2, 3}), bias})
      .sample("vector", norm, {normal({3}), weight, bias})
      .sample("length 1", norm, {normal({2, 1}), normal({1}, 2), normal({1}, 3)})
      .sample("no rows", norm, {normal({0, 3}), weight, bias})
      .replay("layer_norm", norm)
      .replay("layer_norm/plain", [](In x) { return layer_norm(x[0]); })
      .replay("layer_norm/gain", with_weight)
      .replay("layer_norm/eps", [](In x) { return layer_norm(x[0], x[1], x[2], 0.1); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1)), w = drawn_part(d, x), b = drawn_part(d, x);
        return {layer_norm(x, w, b, drawn_eps(d))};
      });
  const auto rms = [](In x) { return rms_norm(x[0], x[1]); };
  ops("rms_norm(Tensor, Tensor, double)")
      .sample("", rms, {normal({2, 2, 3}), weight})
      .may_lack({1})
      .sample("plain", [](In x) { return rms_norm(x[0], {}, 0.1); }, {normal({2, 3})})
      .sample("length 1", rms, {normal({2, 1}), normal({1}, 2)})
      .sample("no rows", rms, {normal({0, 3}), weight})
      .replay("rms_norm", rms)
      .replay("rms_norm/plain", [](In x) { return rms_norm(x[0]); })
      .replay("rms_norm/eps", [](In x) { return rms_norm(x[0], x[1], 0.1); })
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1)), w = drawn_part(d, x);
        return {rms_norm(x, w, drawn_eps(d))};
      });
}

}  // namespace

void add_normalization(Ops& ops) {
  add_softmax(ops);
  add_norms(ops);
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
