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

void add_cross_entropy(Ops& ops) {
  OpRecord& record = ops("cross_entropy" + of_classes);
  const Tensor targets = ids({1, 0, 2, 1}, {2, 2}), some_ignored = ids({1, -100, 2, -100}, {2, 2});
  const Tensor class_weights = positive({3}, 5).detach();
  const auto add = [&](const char* what, const Tensor& y, const ClassificationOptions& o) {
    record.sample(what, [o, y](In x) { return cross_entropy(x[0], y, o); }, {normal({2, 2, 3})});
  };
  add("", targets, {});
  add("ignored", some_ignored, {});
  add("all ignored", ids({0, 0, 0, 0}, {2, 2}), {.ignore_index = 0});
  add("smoothing", some_ignored, {.label_smoothing = 0.1});
  add("weights", some_ignored, {.class_weights = class_weights});
  add("all options", some_ignored, {.label_smoothing = 0.1, .class_weights = class_weights});
  const auto of = [](const Tensor& y) { return [y](In x) { return cross_entropy(x[0], y); }; };
  record.sample("one row", of(ids({1}, {})), {normal({3})})
      .sample("one class", of(ids({0, 0}, {2})), {normal({2, 1})})
      .sample("empty", of(ids({}, {0})), {normal({0, 3})});
  const auto replayed = [](const ClassificationOptions& o) {
    return [o](In x) { return cross_entropy(x[0], x[1], with_weights(o, x)); };
  };
  for (const char* how : {"", "/one row", "/large", "/ignored", "/weights"}) {
    record.replay(text("cross_entropy", how), replayed({}));
  }
  record.replay("cross_entropy/ignore 0", replayed({.ignore_index = 0}))
      .replay("cross_entropy/smoothing", replayed({.label_smoothing = 0.1}))
      .replay("cross_entropy/shifted", replayed({.label_smoothing = 0.1}))
      .replay("cross_entropy/all", replayed({.label_smoothing = 0.2}))
      .draw([](Draw& d) -> Tensors {
        const Classified c(d);
        return {cross_entropy(c.logits, c.targets, c.options).sum};
      });
}

void add_nll(Ops& ops) {
  OpRecord& record = ops("nll_loss" + of_classes);
  const Tensor targets = ids({1, 0, 2, 1}, {2, 2}), some_ignored = ids({1, -100, 2, -100}, {2, 2});
  const Tensor class_weights = positive({3}, 5).detach();
  const auto weighted = [=](In x) {
    return nll_loss(log_softmax(x[0]), some_ignored, {.class_weights = class_weights});
  };
  record.sample("", [=](In x) { return nll_loss(x[0], targets); }, {normal({2, 2, 3})})
      .sample("ignored and weights", weighted, {normal({2, 2, 3})})
      .sample("empty", [](In x) { return nll_loss(x[0], ids({}, {0})); }, {normal({0, 3})});
  for (const char* how : {"", "/ignored and weights"}) {
    record.replay(text("nll_loss", how),
                  [](In x) { return nll_loss(x[0], x[1], with_weights({}, x)); });
  }
  record.replay("nll_loss/of log_softmax", [](In x) { return nll_loss(log_softmax(x[0]), x[1]); })
      .draw([](Draw& d) -> Tensors {
        Classified c(d);
        c.options.label_smoothing = 0;
        return {nll_loss(c.logits, c.targets, c.options).sum};
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
  add_cross_entropy(ops);
  add_nll(ops);
  add_means(ops);
  const auto mse = [](In x) { return mse_loss(x[0], x[1]); };
  ops("mse_loss(Tensor, Tensor)")
      .sample("", mse, {normal({2, 3}), normal({2, 3}, 2)})
      .sample("scalar", mse, {normal({}), normal({}, 2)})
      .sample("empty", mse, {normal({0}), normal({0})})
      .replay("mse_loss", mse)
      .draw([](Draw& d) -> Tensors {
        const Pair p = same_pair(d);
        return {mse_loss(p.a, p.b).sum};
      });
  const auto bce = [](In x) { return binary_cross_entropy_with_logits(x[0], x[1]); };
  const auto inside = [](const Shape& shape) { return Rng(2).uniform(shape, 0.1, 0.9, f64); };
  ops("binary_cross_entropy_with_logits(Tensor, Tensor)")
      .sample("", bce, {normal({2, 3}), inside({2, 3})})
      .sample("empty", bce, {normal({0}), inside({0})})
      .replay("binary_cross_entropy_with_logits", bce)
      .draw([](Draw& d) -> Tensors {
        const Pair p = same_pair(d);
        return {binary_cross_entropy_with_logits(p.a, sigmoid(p.b).detach()).sum};
      });
}

}  // namespace rapt::tests
