#include <algorithm>

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
    if (!d.chance(8)) return;
    mask = mask & Mask::of([](const AttentionBlock& b) { return not_equal(b.keys, b.rows); });
  }

  void draw_score(Draw& d) {
    ScaledDotOptions dot;
    if (d.chance(4)) dot.scale = 0.5;
    if (d.chance(4)) dot.soft_cap = 3;
    options.score = Score::scaled_dot(dot);
    if (!d.chance(8)) return;
    options.score = options.score.then([](const Tensor& s, const AttentionBlock& b) {
      return s + (b.keys - b.rows).to(s.dtype()) * 0.1;
    });
  }
};

struct Samples {
  OpRecord &attention, &weights;

  void add(const std::string& what, const Tensors& inputs, const AttentionOptions& o) {
    attention.sample(
        what, [o](In x) { return scaled_dot_product_attention(x[0], x[1], x[2], o); }, inputs);
    weights.sample(what, [o](In x) { return attention_weights(x[0], x[1], o); },
                   {inputs[0], inputs[1]});
  }
};

void add_samples(OpRecord& attention, OpRecord& weights) {
  Samples samples{attention, weights};
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
  samples.add("one by one", {normal({1, 2}), normal({1, 2}, 2), normal({1, 2}, 3)}, {});
  samples.add("no queries", {normal({0, 2}), normal({2, 2}, 2), normal({2, 2}, 3)}, {});
  samples.add("no keys", {normal({2, 2}), normal({0, 2}), normal({0, 2})}, {});

  const auto with_bias = [](In x) {
    return scaled_dot_product_attention(x[0], x[1], x[2], {.mask = x[3]});
  };
  const auto weights_with_bias = [](In x) { return attention_weights(x[0], x[1], {.mask = x[2]}); };
  const auto dropping = [](In x) {
    Rng rng(5);
    return scaled_dot_product_attention(x[0], x[1], x[2], {.dropout = 0.3, .rng = &rng});
  };
  const auto with_itself = [](In x) { return scaled_dot_product_attention(x[0], x[0], x[0]); };
  attention.sample("added mask", with_bias, {qkv[0], qkv[1], qkv[2], normal({2, 3}, 4)})
      .sample("dropout", dropping, qkv)
      .sample("of itself", with_itself, {normal({3, 2})});
  weights.sample("added mask", weights_with_bias, {qkv[0], qkv[1], normal({2, 3}, 4)});
}

void add_replays(OpRecord& attention, OpRecord& weights) {
  const auto attend = [](const AttentionOptions& options) {
    return [options](In x) {
      AttentionOptions o = options;
      if (x.size() > 3) o.mask = o.mask & x[3];
      return scaled_dot_product_attention(x[0], x[1], x[2], o);
    };
  };
  for (const char* how :
       {"plain", "mask", "padding", "added mask", "broadcast heads", "one by one"}) {
    attention.replay(text("attention/", how), attend({}));
  }
  for (const char* how : {"causal", "causal and padding"}) {
    attention.replay(text("attention/", how), attend({.mask = Mask::causal()}));
  }
  attention.replay("attention/scale", attend({.score = Score::scaled_dot({.scale = 0.3})}));
  weights.replay("attention_weights/plain", [](In x) { return attention_weights(x[0], x[1]); });
  weights.replay("attention_weights/causal and mask", [](In x) {
    return attention_weights(x[0], x[1], {.mask = Mask::causal() & x[2]});
  });
}

}  // namespace

void add_attention(Ops& ops) {
  OpRecord& attention =
      ops("scaled_dot_product_attention(Tensor, Tensor, Tensor, AttentionOptions)");
  OpRecord& weights = ops("attention_weights(Tensor, Tensor, AttentionOptions)");
  add_samples(attention, weights);
  add_replays(attention, weights);
  attention.draw([](Draw& d) -> Tensors {
    const Attending a(d);
    return {scaled_dot_product_attention(a.q, a.k, a.v, a.options)};
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
        return {rotary(x, {.offset = d.in(0, 300), .base = d.chance(2) ? 10000.0 : 100.0})};
      });
}

}  // namespace rapt::tests
