#include "inputs.h"

namespace rapt::tests {
namespace {

/// Logits, targets and options of a loss.
struct Classified {
  explicit Classified(Draw& d) : logits(d.floats(d.shape(1, 3))) {
    const int64_t classes = logits.size(-1);
    const Shape rows(logits.shape().begin(), logits.shape().end() - 1);
    targets = d.indices(d.chance(24) ? d.shape() : rows, classes);
    if (d.chance(3)) options.ignore_index = 0;
    if (d.chance(3)) options.label_smoothing = 0.1;
    if (d.chance(3)) options.class_weights = abs(d.floats({classes})).detach();
  }
  Tensor logits, targets;
  ClassificationOptions options;
};

ClassificationOptions with_weights(ClassificationOptions options, In x) {
  if (x.size() > 2) options.class_weights = x[2];
  return options;
}

const std::string of_classes = "(Tensor, Tensor, ClassificationOptions)";

/// cross_entropy, or cross_entropy_each.
template <class F>
void add_cross_entropy(Ops& ops, const std::string& name, F f) {
  OpRecord& record = ops(name + of_classes);
  const Tensor targets = ids({1, 0, 2, 1}, {2, 2}), some_ignored = ids({1, -100, 2, -100}, {2, 2});
  const Tensor class_weights = positive({3}, 5).detach();
  const auto add = [&](const char* what, const Tensor& y, const ClassificationOptions& o) {
    record.sample(what, [=](In x) { return f(x[0], y, o); }, {normal({2, 2, 3})});
  };
  add("", targets, {});
  add("ignored", some_ignored, {});
  add("all ignored", ids({0, 0, 0, 0}, {2, 2}), {.ignore_index = 0});
  add("smoothing", some_ignored, {.label_smoothing = 0.1});
  add("weights", some_ignored, {.class_weights = class_weights});
  add("all options", some_ignored, {.label_smoothing = 0.1, .class_weights = class_weights});
  const auto of = [f](const Tensor& y) { return [f, y](In x) { return f(x[0], y, {}); }; };
  record.sample("one row", of(ids({1}, {})), {normal({3})})
      .sample("one class", of(ids({0, 0}, {2})), {normal({2, 1})})
      .sample("empty", of(ids({}, {0})), {normal({0, 3})});
  // Probabilities, which have a gradient too.
  const auto soft = [f](const ClassificationOptions& o) {
    return [=](In x) { return f(x[0], x[1], o); };
  };
  const Tensors pair = {normal({2, 2, 3}), positive({2, 2, 3}, 2)};
  record.sample("probabilities", soft({}), pair)
      .sample("probabilities, all options",
              soft({.label_smoothing = 0.1, .class_weights = class_weights}), pair)
      .sample("probabilities, empty", soft({}), {normal({0, 3}), normal({0, 3})});
  const auto replayed = [f](const ClassificationOptions& o) {
    return [=](In x) { return f(x[0], x[1], with_weights(o, x)); };
  };
  for (const char* how : {"", "/one row", "/large", "/ignored", "/weights", "/probabilities",
                          "/probabilities and weights"}) {
    record.replay(text(name, how), replayed({}));
  }
  record.replay(name + "/ignore 0", replayed({.ignore_index = 0}))
      .replay(name + "/smoothing", replayed({.label_smoothing = 0.1}))
      .replay(name + "/shifted", replayed({.label_smoothing = 0.1}))
      .replay(name + "/all", replayed({.label_smoothing = 0.2}))
      .replay(name + "/probabilities, smoothing", replayed({.label_smoothing = 0.1}))
      .draw([f](Draw& d) -> Tensors {
        Classified c(d);
        if (d.chance(3)) c.targets = abs(d.floats(d.chance(24) ? d.shape() : c.logits.shape()));
        const TensorFunction call = [&](In) { return f(c.logits, c.targets, c.options); };
        return {call({})[0]};
      });
}

/// nll_loss, or nll_loss_each.
template <class F>
void add_nll(Ops& ops, const std::string& name, F f) {
  OpRecord& record = ops(name + of_classes);
  const Tensor targets = ids({1, 0, 2, 1}, {2, 2}), some_ignored = ids({1, -100, 2, -100}, {2, 2});
  const Tensor class_weights = positive({3}, 5).detach();
  const auto weighted = [=](In x) {
    return f(log_softmax(x[0]), some_ignored, {.class_weights = class_weights});
  };
  record.sample("", [=](In x) { return f(x[0], targets, {}); }, {normal({2, 2, 3})})
      .sample("ignored and weights", weighted, {normal({2, 2, 3})})
      .sample("empty", [f](In x) { return f(x[0], ids({}, {0}), {}); }, {normal({0, 3})});
  for (const char* how : {"", "/ignored and weights"}) {
    record.replay(name + how, [f](In x) { return f(x[0], x[1], with_weights({}, x)); });
  }
  record.replay(name + "/of log_softmax", [f](In x) { return f(log_softmax(x[0]), x[1], {}); })
      .draw([f](Draw& d) -> Tensors {
        Classified c(d);
        c.options.label_smoothing = 0;
        const TensorFunction call = [&](In) { return f(c.logits, c.targets, c.options); };
        return {call({})[0]};
      });
}

/// mse_loss or l1_loss, or the same one by one.
template <class F>
void add_difference(Ops& ops, const std::string& name, F f) {
  const auto loss = [f](In x) { return f(x[0], x[1]); };
  ops(name + "(Tensor, Tensor)")
      .sample("", loss, {spread({2, 3}), spread({2, 3}, 2)})
      .sample("scalar", loss, {normal({}), normal({}, 2)})
      .sample("empty", loss, {normal({0}), normal({0})})
      .replay(name, loss)
      .draw([loss](Draw& d) -> Tensors {
        const Pair p = same_pair(d);
        return {TensorFunction(loss)({p.a, p.b})[0]};
      });
}

/// huber_loss, or the same one by one.
template <class F>
void add_huber(Ops& ops, const std::string& name, F f) {
  const auto of = [f](double delta) {
    return [=](In x) { return f(x[0], x[1], {.delta = delta}); };
  };
  ops(name + "(Tensor, Tensor, HuberOptions)")
      .sample("", of(1), {spread({2, 3}), spread({2, 3}, 2)})
      .sample("delta", of(0.25), {spread({2, 3}), spread({2, 3}, 2)})
      .sample("empty", of(1), {normal({0}), normal({0})})
      .replay(name, of(1))
      .replay(name + "/delta", of(0.5))
      .draw([of](Draw& d) -> Tensors {
        const Pair p = same_pair(d);
        return {TensorFunction(of(1))({p.a, p.b})[0]};
      });
}

template <class F>
void add_binary(Ops& ops, const std::string& name, F f) {
  const auto bce = [f](In x) {
    return f(x[0], x[1],
             x.size() > 2 ? BinaryCrossEntropyOptions{x[2]} : BinaryCrossEntropyOptions{});
  };
  const auto inside = [](const Shape& shape) { return Rng(2).uniform(shape, 0.1, 0.9, f64); };
  const Tensor weight = positive({3}, 5).detach();
  const auto weighted = [=](In x) { return f(x[0], x[1], {.pos_weight = weight}); };
  ops(name + "(Tensor, Tensor, BinaryCrossEntropyOptions)")
      .sample("", bce, {normal({2, 3}), inside({2, 3})})
      .sample("pos_weight", weighted, {normal({2, 3}), inside({2, 3})})
      .sample("empty", bce, {normal({0}), inside({0})})
      .replay(name, bce)
      .replay(name + "/pos_weight", bce)
      .draw([f](Draw& d) -> Tensors {
        const Pair p = same_pair(d);
        BinaryCrossEntropyOptions options;
        if (d.chance(3)) options.pos_weight = abs(d.floats(d.beside(p.a.shape()))).detach();
        const TensorFunction call = [&](In) { return f(p.a, sigmoid(p.b).detach(), options); };
        return {call({})[0]};
      });
}

void add_means(Ops& ops) {
  const auto counted = [](In x) {
    return tensor(count_targets(argmax(x[0], 1), {.class_weights = x[1]}));
  };
  ops.constant("count_targets(Tensor, ClassificationOptions)")
      .sample("", counted, {normal({2, 3}), positive({3})})
      .may_lack({1})
      .errors_of("argmax")
      .draw([](Draw& d) -> Tensors {
        const Classified c(d);
        return {full({}, count_targets(c.targets, c.options), f64)};
      });
  const Tensors pair = {normal({3}), normal({3}, 2)};
  ops("Loss::mean()")
      .sample(
          "", [](In x) { return mse_loss(x[0], x[1]).mean(); }, pair)
      .errors_of("mse_loss")
      .draw([](Draw& d) -> Tensors {
        const Classified c(d);
        return {cross_entropy(c.logits, c.targets, c.options).mean()};
      });
  ops("Loss::mean(double)")
      .sample(
          "", [](In x) { return mse_loss(x[0], x[1]).mean(7); }, pair)
      .errors_of("mse_loss")
      .draw([](Draw& d) -> Tensors {
        const Classified c(d);
        const double whole = static_cast<double>(d.in(1, 99));
        return {cross_entropy(c.logits, c.targets, c.options).mean(whole)};
      });
}

}  // namespace

void add_losses(Ops& ops) {
  add_cross_entropy(ops, "cross_entropy", cross_entropy);
  add_cross_entropy(ops, "cross_entropy_each", cross_entropy_each);
  add_nll(ops, "nll_loss", nll_loss);
  add_nll(ops, "nll_loss_each", nll_loss_each);
  add_means(ops);
  add_difference(ops, "mse_loss", mse_loss);
  add_difference(ops, "mse_loss_each", mse_loss_each);
  add_difference(ops, "l1_loss", l1_loss);
  add_difference(ops, "l1_loss_each", l1_loss_each);
  add_huber(ops, "huber_loss", huber_loss);
  add_huber(ops, "huber_loss_each", huber_loss_each);
  add_binary(ops, "binary_cross_entropy_with_logits", binary_cross_entropy_with_logits);
  add_binary(ops, "binary_cross_entropy_with_logits_each", binary_cross_entropy_with_logits_each);
}

}  // namespace rapt::tests
