#include <cmath>

#include "inputs.h"

namespace rapt::tests {
namespace {

const Shape rows = {2, 2};

Tensor some_ignored() { return ids({1, -100, 2, 0}, rows); }

/// -log p of the target, by its definition.
Tensor surprise(const Tensor& logits, const Tensor& targets) {
  const Tensor p = exp(logits) / sum(exp(logits), -1, {.keepdim = true});
  return -log(squeeze(gather(p, -1, unsqueeze(targets, -1)), -1));
}

/// How a function gives its losses, of which a definition gives one by one.
using Way = TensorFunction (*)(Tensor (*each)(In));

TensorFunction as_each(Tensor (*each)(In)) { return each; }
TensorFunction as_sum(Tensor (*each)(In)) {
  return [each](In x) {
    const Tensor all = each(x);
    return Loss{sum(all), static_cast<double>(all.numel())};
  };
}

template <class F>
void add_focal(Ops& ops, const std::string& name, F f, Way way) {
  const auto of = [f](const Tensor& targets, const FocalLossOptions& o) {
    return [=](In x) { return f(x[0], targets, o); };
  };
  const Tensor weights = positive({3}, 5).detach(), targets = ids({1, 0, 2, 1}, rows);
  ops(name + "(Tensor, Tensor, FocalLossOptions)")
      .sample("", of(targets, {}), {normal({2, 2, 3})})
      .sample("cross entropy", of(some_ignored(), {.gamma = 0}), {normal({2, 2, 3})})
      .sample("weights", of(some_ignored(), {.gamma = 1.5, .classes = {.class_weights = weights}}),
              {normal({2, 2, 3})})
      .sample("empty", of(ids({}, {0}), {}), {normal({0, 3})})
      .means(way([](In x) {
        const Tensor s = surprise(x[0], ids({1, 0, 2, 1}, rows));
        return square(1 - exp(-s)) * s;
      }))
      .draw([f](Draw& d) -> Tensors {
        const Tensor logits = d.floats(d.shape(1, 3));
        const Shape shape(logits.shape().begin(), logits.shape().end() - 1);
        FocalLossOptions options{.gamma = static_cast<double>(d.in(0, 3))};
        const Tensor drawn = d.indices(shape, logits.size(-1));
        const TensorFunction call = [&](In) { return f(logits, drawn, options); };
        return {call({})[0]};
      });
}

template <class F>
void add_unlikelihood(Ops& ops, const std::string& name, F f, Way way) {
  const auto of = [f](const Tensor& candidates) {
    return [=](In x) { return f(x[0], candidates, {}); };
  };
  ops(name + "(Tensor, Tensor, UnlikelihoodOptions)")
      .sample("", of(ids({0, 2, 1, 1}, {2, 2})), {normal({2, 3})})
      .sample("some ignored", of(ids({0, -100, -100, 1}, {2, 2})), {normal({2, 3})})
      .sample("empty", of(ids({}, {0, 2})), {normal({0, 3})})
      .means(way([](In x) {
        const Tensor p = exp(x[0]) / sum(exp(x[0]), -1, {.keepdim = true});
        return -log(1 - gather(p, -1, ids({0, 2, 1, 1}, {2, 2})));
      }))
      .draw([f](Draw& d) -> Tensors {
        const Tensor logits = d.floats(d.shape(1, 3));
        Shape shape = logits.shape();
        shape.back() = 2;
        const Tensor candidates = d.indices(shape, logits.size(-1));
        const TensorFunction call = [&](In) { return f(logits, candidates, {}); };
        return {call({})[0]};
      });
}

template <class F>
void add_z(Ops& ops, const std::string& name, F f, Way way) {
  const auto z = [f](In x) { return f(x[0]); };
  ops(name + "(Tensor)")
      .sample("", z, {normal({2, 3})})
      .sample("one row", z, {normal({4})})
      .sample("empty", z, {normal({0, 3})})
      .means(way([](In x) { return square(log(sum(exp(x[0]), {-1}))); }))
      .draw([z](Draw& d) -> Tensors { return {TensorFunction(z)({d.floats(d.shape(1, 3))})[0]}; });
}

template <class F>
void add_kl(Ops& ops, const std::string& name, F f) {
  const auto kl = [f](In x) { return f(x[0], x[1]); };
  const Tensor with_zeros = from_values<double>({0, 0.25, 0.75, 1, 0, 0}, {2, 3});
  ops(name + "(Tensor, Tensor)")
      .sample("", kl, {normal({2, 3}), positive({2, 3}, 2)})
      .sample("zeros", [=](In x) { return f(x[0], with_zeros); }, {normal({2, 3})})
      .sample("empty", kl, {normal({0, 3}), positive({0, 3})})
      .draw([kl](Draw& d) -> Tensors {
        const Shape shape = d.shape(1, 3);
        const Tensor a = d.floats(shape);
        return {TensorFunction(kl)({a, abs(d.floats(shape))})[0]};
      })
      .replay(name, kl);
}

template <class F>
void add_cosine(Ops& ops, const std::string& name, F f) {
  const Tensor alike = from_values<bool>({true, false, false}, {3});
  const auto of = [f](const Tensor& same, double margin) {
    return [=](In x) { return f(x[0], x[1], same, {.margin = margin}); };
  };
  const Tensors pair = {normal({3, 4}), normal({3, 4}, 2)};
  const auto replayed = [f](double margin) {
    return [f, margin](In x) { return f(x[0], x[1], x[2] > 0, {.margin = margin}); };
  };
  ops(name + "(Tensor, Tensor, Tensor, CosineEmbeddingOptions)")
      .sample("", of(alike, -0.9), pair)
      .sample("margin", of(alike, 0.05), pair)
      .sample("empty", of(from_values<bool>({}, {0}), 0), {normal({0, 3}), normal({0, 3}, 2)})
      .replay(name, replayed(0))
      .replay(name + "/margin", replayed(-0.5))
      .draw([f](Draw& d) -> Tensors {
        const Shape shape = d.shape(1, 3);
        const Tensor a = d.floats(shape), b = d.floats(shape);
        const Tensor same = d.booleans(Shape(shape.begin(), shape.end() - 1));
        const TensorFunction call = [&](In) { return f(a, b, same, {}); };
        return {call({})[0]};
      });
}

Tensor at_length_1(const Tensor& x) { return x / sqrt(sum(x * x, -1, {.keepdim = true})); }

void add_info_nce(Ops& ops) {
  const auto of = [](const InfoNceOptions& o) {
    return [o](In x) { return info_nce_loss(x[0], x[1], o); };
  };
  const Tensors pair = {normal({3, 4}), normal({3, 4}, 2)};
  ops("info_nce_loss(Tensor, Tensor, InfoNceOptions)")
      .sample("", of({.temperature = 0.5}), pair)
      .sample("symmetric", of({.temperature = 0.5, .symmetric = true}), pair)
      .sample("empty", of({}), {normal({0, 3}), normal({0, 3}, 2)})
      .means([](In x) {
        const Tensor s = matmul(at_length_1(x[0]), transpose(at_length_1(x[1]))) / 0.5;
        return Loss{sum(surprise(s, ids({0, 1, 2}, {3}))), 3};
      })
      .draw([of](Draw& d) -> Tensors {
        const Shape shape = d.shape(2, 2);
        const Tensor a = d.floats(shape);
        return {of({.symmetric = d.chance(2)})({a, d.floats(shape)}).sum};
      });
}

void add_linear_cross_entropy(Ops& ops) {
  const auto of = [](const Tensor& targets, const ClassificationOptions& classes) {
    return [=](In x) {
      const Tensor bias = x.size() > 2 ? x[2] : Tensor();
      return linear_cross_entropy(x[0], x[1], targets, {.bias = bias, .classes = classes});
    };
  };
  const Tensor targets = ids({1, 0, 2, 1}, rows);
  const Tensors maps = {normal({2, 2, 3}), normal({4, 3}, 2), normal({4}, 3)};
  ops("linear_cross_entropy(Tensor, Tensor, Tensor, LinearCrossEntropyOptions)")
      .sample("", of(targets, {}), maps)
      .sample("no bias", of(targets, {}), {maps[0], maps[1]})
      .sample("smoothing", of(some_ignored(), {.label_smoothing = 0.1}), maps)
      .sample("empty", of(ids({}, {0}), {}), {normal({0, 3}), normal({4, 3}, 2)})
      .may_lack({2})
      .means([targets](In x) {
        return Loss{sum(surprise(linear(x[0], x[1], x[2]), targets)), 4};
      })
      .draw([of](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1, 3)), weight = d.floats({d.in(1, 4), x.size(-1)});
        const Shape shape(x.shape().begin(), x.shape().end() - 1);
        return {of(d.indices(shape, weight.size(0)), {})({x, weight}).sum};
      });
}

template <class F>
void add_ctc(Ops& ops, const std::string& name, F f) {
  // [2, 5, 4]; the second sequence and its target are shorter, and "1 1" needs a blank between.
  const Tensor targets = ids({1, 1, 3, 2, 3, 0}, {2, 3}), lengths = ids({5, 3}, {2});
  const auto of = [f](const Tensor& y, const Tensor& n, const Tensor& m, const CtcOptions& o) {
    return [=](In x) { return f(log_softmax(x[0]), y, n, m, o); };
  };
  const Tensor target_lengths = ids({3, 2}, {2});
  const auto raw = [=](In x) { return f(x[0], targets, lengths, target_lengths, {}); };
  const auto replayed = [f](In x) { return f(log_softmax(x[0]), x[1], x[2], x[3], {.blank = 0}); };
  const Tensor x = normal({2, 5, 4});
  ops(name + "(Tensor, Tensor, Tensor, Tensor, CtcOptions)")
      .sample("", raw, {x})
      .sample("of log_softmax", of(targets, lengths, target_lengths, {}), {x})
      .sample("no target", of(targets, lengths, ids({0, 1}, {2}), {}), {x})
      .sample("another blank", of(ids({1, 0}, {2, 1}), lengths, ids({1, 1}, {2}), {.blank = 3}),
              {x})
      .sample("too long", of(targets, ids({3, 3}, {2}), target_lengths, {.zero_infinity = true}),
              {x})
      .sample("empty", of(ids({}, {0, 3}), ids({}, {0}), ids({}, {0}), {}), {normal({0, 5, 4})})
      .replay(name, replayed)
      .replay(name + "/long", replayed)
      .draw([f](Draw& d) -> Tensors {
        Tensor p = log_softmax(d.floats({d.in(1, 3), d.in(1, 4), 3}));
        // Of inf and NaN, two ways that add up other terms owe one another no kind of NaN.
        if (d.numbers_drawn() != Draw::Numbers::tame) p = p.detach();
        const int64_t batch = p.size(0);
        const Tensor y = d.integers({batch, 2}, 1, 2), n = d.integers({batch}, 0, p.size(1));
        const Tensor m = d.integers({batch}, 0, 2);
        const TensorFunction call = [&](In) { return f(p, y, n, m, {.zero_infinity = true}); };
        return {call({})[0]};
      });
}

}  // namespace

void add_row_losses(Ops& ops) {
  add_focal(ops, "focal_loss", focal_loss, as_sum);
  add_focal(ops, "focal_loss_each", focal_loss_each, as_each);
  add_unlikelihood(ops, "unlikelihood_loss", unlikelihood_loss, as_sum);
  add_unlikelihood(ops, "unlikelihood_loss_each", unlikelihood_loss_each, as_each);
  add_z(ops, "z_loss", z_loss, as_sum);
  add_z(ops, "z_loss_each", z_loss_each, as_each);
  add_kl(ops, "kl_div_loss", kl_div_loss);
  add_kl(ops, "kl_div_loss_each", kl_div_loss_each);
  add_cosine(ops, "cosine_embedding_loss", cosine_embedding_loss);
  add_cosine(ops, "cosine_embedding_loss_each", cosine_embedding_loss_each);
  add_ctc(ops, "ctc_loss", ctc_loss);
  add_ctc(ops, "ctc_loss_each", ctc_loss_each);
  add_info_nce(ops);
  add_linear_cross_entropy(ops);
}

}  // namespace rapt::tests
