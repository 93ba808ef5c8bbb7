#include <algorithm>
#include <functional>

#include "inputs.h"

namespace rapt::tests {
namespace {

/// q, k and v of one attention, its leading axes broadcast; any mask and score.
struct Attending {
  explicit Attending(Draw& d) : rng(static_cast<uint64_t>(d.in(0, 255))) {
    const std::vector<int64_t> lengths = {1, 2, 3, 5, 8, 17, 0, 33, 129, 150};
    const int64_t queries = d.one_of(lengths), keys = d.one_of(lengths), width = d.in(0, 9);
    const Shape batch = d.shape(0, 1);
    const auto matrices = [&](int64_t rows, int64_t columns) {
      Shape shape;
      if (batch.rank() > 0 && !d.chance(4)) shape.push_back(std::min<int64_t>(batch[0], 5));
      shape.push_back(rows);
      shape.push_back(d.chance(32) ? 3 : columns);
      return d.floats(shape);
    };
    q = matrices(queries, width);
    k = matrices(keys, width);
    v = matrices(keys, d.in(0, 9));
    draw_mask(d, queries, keys);
    draw_score(d);
    if (d.chance(4)) {
      options.dropout = 0.3;
      options.rng = &rng;
    }
  }
  Rng rng;
  Tensor q, k, v;
  AttentionOptions options;

 private:
  void draw_mask(Draw& d, int64_t queries, int64_t keys) {
    Mask& mask = options.mask;
    const Shape shape = d.chance(3) ? Shape{1, keys} : Shape{queries, keys};
    const auto align = [&] { return d.chance(2) ? Mask::Align::last : Mask::Align::first; };
    const auto length = [&] { return from_values<int64_t>({d.in(0, keys)}, {}); };
    if (d.chance(3)) mask = mask & d.booleans(shape);
    if (d.chance(3)) mask = mask & d.floats(shape);
    if (d.chance(3)) mask = mask & Mask::causal(align());
    if (d.chance(6)) mask = mask & Mask::window(d.in(0, 70), d.in(0, 9), align());
    if (d.chance(6)) mask = mask & Mask::lengths(length());
    if (d.chance(6)) mask = mask & Mask::prefix(length(), align());
    if (d.chance(6)) mask = mask & Mask::documents(documents(d, keys), align());
    if (!d.chance(8)) return;
    mask = mask & Mask::of([](const AttentionBlock& b) { return not_equal(b.keys, b.rows); });
  }

  /// A number for each key: it rises where a document ends.
  static Tensor documents(Draw& d, int64_t keys) {
    std::vector<int64_t> numbers;
    for (int64_t i = 0, now = 0; i < keys; ++i) numbers.push_back(now += d.chance(4) ? 1 : 0);
    return from_values(numbers, {keys});
  }

  void draw_score(Draw& d) {
    ScoreOptions dot;
    if (d.chance(4)) dot.scale = 0.5;
    if (d.chance(4)) dot.soft_cap = 3;
    const int64_t width = q.size(-1);
    options.score = Score::scaled_dot(dot);
    if (d.chance(8)) options.score = Score::bilinear(d.floats({width, k.size(-1)}), dot);
    if (d.chance(8)) options.score = Score::cosine(d.chance(2) ? d.floats({1, 1}) : d.floats({1}));
    if (d.chance(8)) options.score = Score::additive(d.floats({width}));
    if (d.chance(6)) {
      const int64_t distances = std::max<int64_t>(q.size(-2) + k.size(-2) - 1, 0);
      options.score = options.score.with_relative_bias(d.floats({distances}));
    }
    if (d.chance(6)) options.sink = d.floats({});
    if (!d.chance(8)) return;
    options.score = options.score.then([](const Tensor& s, const AttentionBlock& b) {
      return s + (b.keys - b.rows).to(s.dtype()) * 0.1;
    });
  }
};

struct Samples {
  OpRecord &attend, &weights;

  void add(const std::string& what, const Tensors& inputs, const AttentionOptions& o) {
    attend.sample(
        what, [o](In x) { return attention(x[0], x[1], x[2], o); }, inputs);
    weights.sample(what, [o](In x) { return attention_weights(x[0], x[1], o); },
                   {inputs[0], inputs[1]});
  }
};

void add_samples(OpRecord& attend, OpRecord& weights) {
  Samples samples{attend, weights};
  const Tensors qkv = {normal({2, 2, 2}), normal({2, 3, 2}, 2), normal({2, 3, 2}, 3)};
  const Tensor may = from_values<bool>({true, false, true, false, true, true}, {2, 3});
  const Tensor a_row = from_values<bool>({false, false, false, true, true, false}, {2, 3});
  const Tensor padding = from_values<bool>({true, true, false, true, true, true}, {2, 1, 3});
  samples.add("plain", qkv, {});
  samples.add("causal", qkv, {.mask = Mask::causal()});
  samples.add("scale", qkv, {.score = Score::scaled_dot({.scale = 0.7})});
  samples.add("soft cap", qkv, {.score = Score::scaled_dot({.soft_cap = 0.9})});
  samples.add("mask", qkv, {.mask = may});
  samples.add("a row masked", qkv, {.mask = a_row});
  samples.add("causal with more queries than keys",
              {normal({3, 2}), normal({2, 2}, 2), normal({2, 1}, 3)}, {.mask = Mask::causal()});
  samples.add("causal and padding", qkv, {.mask = Mask::causal() & padding});
  samples.add("window", qkv, {.mask = Mask::window(1, 0)});
  samples.add("lengths", qkv, {.mask = Mask::lengths(ids({2, 0}, {2}))});
  samples.add("broadcast heads", {normal({2, 2, 2, 1}), normal({2, 1, 2, 1}, 2), normal({2, 2}, 3)},
              {});
  samples.add("grouped", {normal({2, 4, 2, 2}), normal({2, 2, 3, 2}, 2), normal({2, 2, 3, 1}, 3)},
              {.mask = Mask::lengths(ids({3, 1}, {2})), .grouped = true});
  samples.add("grouped, in ops", {normal({4, 2, 2}), normal({2, 3, 2}, 2), normal({2, 3, 1}, 3)},
              {.score = Score::additive(tensor({1, 2}, Dtype::f64)), .grouped = true});
  samples.add("one by one", {normal({1, 2}), normal({1, 2}, 2), normal({1, 2}, 3)}, {});
  samples.add("no queries", {normal({0, 2}), normal({2, 2}, 2), normal({2, 2}, 3)}, {});
  samples.add("no keys", {normal({2, 2}), normal({0, 2}), normal({0, 2})}, {});

  samples.add("dot", qkv, {.score = Score::dot()});
  samples.add("documents", qkv, {.mask = Mask::documents(ids({1, 2, 2}, {3}))});
  samples.add("documents and causal",
              {normal({2, 3, 2}), normal({2, 3, 2}, 2), normal({2, 3, 2}, 3)},
              {.mask = Mask::documents(ids({1, 1, 2, 1, 2, 2}, {2, 3})) & Mask::causal()});

  // What an option holds is an input like any other: x[3].
  struct WithOption {
    const char* what;
    std::function<AttentionOptions(const Tensor&)> options;
    Tensor option;
  };
  const WithOption with_options[] = {
      {"added mask", [](const Tensor& o) { return AttentionOptions{.mask = o}; },
       normal({2, 3}, 4)},
      {"bilinear", [](const Tensor& o) { return AttentionOptions{.score = Score::bilinear(o)}; },
       normal({2, 2}, 4)},
      {"bilinear by head",
       [](const Tensor& o) {
         return AttentionOptions{.score = Score::bilinear(o, {.soft_cap = 2})};
       },
       normal({2, 2, 2}, 4)},
      {"cosine", [](const Tensor& o) { return AttentionOptions{.score = Score::cosine(o)}; },
       normal({2, 1, 1}, 4)},
      {"additive", [](const Tensor& o) { return AttentionOptions{.score = Score::additive(o)}; },
       normal({2}, 4)},
      {"additive by head, causal",
       [](const Tensor& o) {
         return AttentionOptions{.mask = Mask::causal(), .score = Score::additive(o)};
       },
       normal({2, 2}, 4)},
      {"relative bias",
       [](const Tensor& o) { return AttentionOptions{.score = Score().with_relative_bias(o)}; },
       normal({4}, 4)},
      {"relative bias by head, causal",
       [](const Tensor& o) {
         return AttentionOptions{.mask = Mask::causal(),
                                 .score = Score::scaled_dot({.soft_cap = 2}).with_relative_bias(o)};
       },
       normal({2, 4}, 4)},
      {"sink", [](const Tensor& o) { return AttentionOptions{.sink = o}; }, normal({}, 4)},
      {"sink by head, lengths",
       [lengths = ids({2, 0}, {2})](const Tensor& o) {
         return AttentionOptions{.mask = Mask::lengths(lengths), .sink = o};
       },
       normal({2}, 4)},
  };
  for (const WithOption& one : with_options) {
    const auto options = one.options;
    attend.sample(one.what, [options](In x) { return attention(x[0], x[1], x[2], options(x[3])); },
                  {qkv[0], qkv[1], qkv[2], one.option});
    weights.sample(one.what,
                   [options](In x) { return attention_weights(x[0], x[1], options(x[2])); },
                   {qkv[0], qkv[1], one.option});
  }

  const auto dropping = [](In x) {
    Rng rng(5);
    return attention(x[0], x[1], x[2], {.dropout = 0.3, .rng = &rng});
  };
  const auto with_itself = [](In x) { return attention(x[0], x[0], x[0]); };
  attend.sample("dropout", dropping, qkv).sample("of itself", with_itself, {normal({3, 2})});
}

void add_replays(OpRecord& attend, OpRecord& weights) {
  const auto with = [](const AttentionOptions& options) {
    return [options](In x) {
      AttentionOptions o = options;
      if (x.size() > 3) o.mask = o.mask & x[3];
      return attention(x[0], x[1], x[2], o);
    };
  };
  for (const char* how :
       {"plain", "mask", "padding", "added mask", "broadcast heads", "one by one"}) {
    attend.replay(text("attention/", how), with({}));
  }
  for (const char* how : {"causal", "causal and padding"}) {
    attend.replay(text("attention/", how), with({.mask = Mask::causal()}));
  }
  attend.replay("attention/scale", with({.score = Score::scaled_dot({.scale = 0.3})}));
  weights.replay("attention_weights/plain", [](In x) { return attention_weights(x[0], x[1]); });
  weights.replay("attention_weights/causal and mask", [](In x) {
    return attention_weights(x[0], x[1], {.mask = Mask::causal() & x[2]});
  });
}

}  // namespace

void add_attention(Ops& ops) {
  OpRecord& attend = ops("attention(Tensor, Tensor, Tensor, AttentionOptions)");
  OpRecord& weights = ops("attention_weights(Tensor, Tensor, AttentionOptions)");
  add_samples(attend, weights);
  add_replays(attend, weights);
  attend.draw([](Draw& d) -> Tensors {
    const Attending a(d);
    return {attention(a.q, a.k, a.v, a.options)};
  });
  weights.draw([](Draw& d) -> Tensors {
    const Attending a(d);
    return {attention_weights(a.q, a.k, a.options)};
  });
  ops("rotary(Tensor, RotaryOptions)")
      .sample("", [](In x) { return rotary(x[0]); }, {normal({2, 3, 4})})
      .sample("options", [](In x) { return rotary(x[0], {.offset = 5, .base = 7}); },
              {normal({3, 2})})
      .sample("no rows", [](In x) { return rotary(x[0]); }, {normal({2, 0, 4})})
      .draw([](Draw& d) -> Tensors {
        Shape shape = d.shape(2);
        if (!d.chance(24)) shape.back() = shape.back() / 2 * 2;
        const Tensor x = d.floats(shape);
        RotaryOptions o{.base = d.chance(2) ? 10000.0 : 100.0, .width = d.chance(3) ? 2 : 0};
        if (d.chance(2)) o.pairs = RotaryPairs::halves;
        if (d.chance(3)) {
          o.positions = from_values<int64_t>({d.in(-9, 300)});
        } else {
          o.offset = d.in(0, 300);
        }
        return {rotary(x, o)};
      });
}

}  // namespace rapt::tests
