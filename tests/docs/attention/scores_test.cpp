// The lines of docs/attention.md about scores and memory, each against its definition in plain ops.

#include <limits>

#include "lines.h"

namespace rapt::tests {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

class ScoreLines : public AttentionLines {
 protected:
  Tensor unit(const Tensor& t) const { return t / sqrt(sum(t * t, -1, {.keepdim = true})); }
  Tensor products() const { return matmul(q, transpose(k)); }
  /// softmax(scores) v, causal.
  Tensor by(const Tensor& scores) const { return weighed(plain_softmax(scores, causal)); }
  /// A layer with that kind of score; the scores it should have from q, k of its maps and its
  /// weight.
  template <class F>
  void expect_kind(const nn::MultiHeadAttentionOptions& options, F scores) const {
    const nn::MultiHeadAttention made = layer_of(options);
    const Tensor mq = plain_split(plain_linear(made.query, x), heads);
    const Tensor mk = plain_split(plain_linear(made.key, x), heads);
    const Tensor mv = plain_split(plain_linear(made.value, x), heads);
    const Tensor y = matmul(plain_softmax(scores(mq, mk, made.score_weight), causal), mv);
    expect_same(made(x, {.mask = mask}), plain_linear(made.output, plain_merge(y)), {x});
  }
};

TEST_F(ScoreLines, ScaledDot) {
  // [scaled-dot]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score::scaled_dot({.scale = 0.3})});
  // [end]
  expect_same(y, by(products() * 0.3), {x});
}

TEST_F(ScoreLines, Dot) {
  // [dot]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score::dot()});
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .score = nn::ScoreKind::dot};
  // [end]
  expect_same(y, by(products()), {x});
  expect_kind(options, [](const Tensor& mq, const Tensor& mk, const Tensor&) {
    return matmul(mq, transpose(mk));
  });
}

TEST_F(ScoreLines, Bilinear) {
  const Tensor weight = normal({heads, head_width, head_width}, 11).set_requires_grad();
  // [bilinear]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score::bilinear(weight)});
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .score = nn::ScoreKind::bilinear};
  // [end]
  const auto plain = [](const Tensor& mq, const Tensor& mk, const Tensor& w) {
    return matmul(matmul(mq, w), transpose(mk));
  };
  expect_same(y, by(plain(q, k, weight)), {x, weight});
  expect_kind(options, plain);
}

TEST_F(ScoreLines, Additive) {
  const Tensor weight = normal({heads, head_width}, 11).set_requires_grad();
  // [additive]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score::additive(weight)});
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .score = nn::ScoreKind::additive};
  // [end]
  const auto plain = [](const Tensor& mq, const Tensor& mk, const Tensor& w) {
    const Tensor each = reshape(w, {1, heads, 1, 1, head_width});
    return sum(tanh(unsqueeze(mq, 3) + unsqueeze(mk, 2)) * each, -1);
  };
  expect_same(y, by(plain(q, k, weight)), {x, weight});
  expect_kind(options, plain);
}

TEST_F(ScoreLines, Cosine) {
  const Tensor scale = normal({heads, 1, 1}, 11).set_requires_grad();
  // [cosine]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score::cosine(scale)});
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .score = nn::ScoreKind::cosine};
  // [end]
  const auto plain = [this](const Tensor& mq, const Tensor& mk, const Tensor& s) {
    return matmul(unit(mq), transpose(unit(mk))) * s;
  };
  expect_same(y, by(plain(q, k, scale)), {x, scale});
  expect_kind(options, plain);
}

TEST_F(ScoreLines, CosineOfAFixedScale) {
  // [cosine-of-a-fixed-scale]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score::cosine(10)});
  // [end]
  expect_same(y, by(matmul(unit(q), transpose(unit(k))) * 10), {x});
}

TEST_F(ScoreLines, SoftCap) {
  // [soft-cap]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .soft_cap = 2.0};
  // [end]
  expect_kind(options, [](const Tensor& mq, const Tensor& mk, const Tensor&) {
    return 2 * tanh(plain_scores(mq, mk) / 2);
  });
}

TEST_F(ScoreLines, NormOfQueriesAndKeys) {
  // [norm-of-queries-and-keys]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .query_key_norm = nn::NormKind::rms};
  // [end]
  const nn::MultiHeadAttention made = layer_of(options);
  const auto rms = [](const Tensor& t, const Tensor& weight) {
    return t / sqrt(mean(t * t, -1, {.keepdim = true}) + 1e-5) * weight;
  };
  expect_kind(options, [&](const Tensor& mq, const Tensor& mk, const Tensor&) {
    return plain_scores(rms(mq, made.query_norm->weight), rms(mk, made.key_norm->weight));
  });
}

TEST_F(ScoreLines, NormByGroups) {
  // [norm-by-groups]
  const auto unit = [](const Tensor& t) {  // 2 groups of each head's columns
    const Tensor groups = stack(chunk(t, 2, -1), -2);
    return reshape(groups / norm(groups, -1, {.keepdim = true}), t.shape());
  };
  const Tensor y = attention(unit(q), unit(k), v, {.mask = mask, .score = Score::dot()});
  // [end]
  const auto left = [](const Tensor& t) { return slice(t, -1, 0, 2); };
  const auto right = [](const Tensor& t) { return slice(t, -1, 2, 4); };
  const auto cosine = [this](const Tensor& a, const Tensor& b) {
    return matmul(ScoreLines::unit(a), transpose(ScoreLines::unit(b)));
  };
  expect_same(y, by(cosine(left(q), left(k)) + cosine(right(q), right(k))), {x});
}

TEST_F(ScoreLines, TopK) {
  // [top-k]
  const Score sparse = Score().then([](const Tensor& s, const AttentionBlock& b) {
    const Tensor seen = masked_fill(s, b.keys > b.rows, -infinity);
    const int64_t kept = std::min<int64_t>(3, s.size(-1));
    return masked_fill(s, seen < slice(topk(seen, kept).values, -1, -1, kept), -infinity);
  });
  // [end]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = sparse});
  const Tensor scores = plain_scores(q, k);
  std::vector<bool> kept;
  const std::vector<double> s = scores.values<double>();
  for (size_t at = 0; at < s.size(); at += length) {
    const size_t i = at / length % length;
    for (size_t j = 0; j < length; ++j) {
      size_t larger = 0;
      for (size_t other = 0; other <= i; ++other) larger += s[at + other] > s[at + j];
      kept.push_back(j <= i && larger < 3);
    }
  }
  expect_same(y, weighed(plain_softmax(scores, from_values(kept, scores.shape()))), {x});
}

TEST_F(ScoreLines, HardAttention) {
  // [hard-attention]
  const Tensor w = attention_weights(q, k, {.mask = mask});
  const Tensor hard = one_hot(argmax(w, -1), w.size(-1), w.dtype());
  const Tensor y = matmul(hard + w - w.detach(), v);  // with the gradient of w
  // [end]
  const Tensor plain = plain_softmax(plain_scores(q, k), causal);
  const Tensor most = (plain == max(plain, -1, {.keepdim = true})).to(Dtype::f64);
  EXPECT_TRUE(close(y, weighed(most), 1e-10));
  const Tensor g = normal(y.shape(), 5);
  const auto gradient = [&](const Tensor& of) {
    return grad({of}, {q}, {.retain_graph = true, .cotangents = {g}})[0];
  };
  EXPECT_TRUE(close(gradient(y), gradient(weighed(plain)), 1e-9));
}

TEST_F(ScoreLines, SigmoidAttention) {
  // [sigmoid-attention]
  const Tensor scores = matmul(q, transpose(k)) / std::sqrt(4.0) - std::log(7.0);  // d, T
  const Tensor may = mask.allowed({}, 7, 7).to(scores.dtype());
  const Tensor y = matmul(sigmoid(scores) * may, v);
  // [end]
  // sigmoid(s - log T) = 1 / (1 + T exp(-s))
  const Tensor w = 1 / (1 + 7 * exp(-plain_scores(q, k)));
  expect_same(y, weighed(where(causal, w, 0)), {x});
}

TEST_F(ScoreLines, ResidualAttention) {
  const nn::MultiHeadAttention second = layer_of({.width = width, .heads = heads});
  const auto q_by = [&](const auto& at) { return plain_split(plain_linear(at.query, x), heads); };
  const auto k_by = [&](const auto& at) { return plain_split(plain_linear(at.key, x), heads); };
  Tensors found;
  Tensor before;  // of the first layer, none
  for (const nn::MultiHeadAttention* at : {&layer, &second, &layer}) {
    const Tensor q = q_by(*at), k = k_by(*at);
    // [residual-attention]
    const Tensor scores = matmul(q, transpose(k)) / std::sqrt(4.0);      // d = 4
    const Tensor y = attention(q, k, v, {.mask = mask & Mask(before)});  // of the layers so far
    before = before.defined() ? before + scores : scores;
    // [end]
    found.push_back(y);
  }
  const Tensor one = plain_scores(q, k), two = plain_scores(q_by(second), k_by(second));
  expect_same(found[0], by(one), {x});
  expect_same(found[1], by(one + two), {x});
  expect_same(found[2], by(one + two + one), {x});
}

TEST_F(ScoreLines, ForgettingAttention) {
  const nn::Linear forget = drawn(nn::Linear(width, heads, rng));
  // [forgetting-attention]
  const Tensor f = cumsum(logsigmoid(transpose(forget(x))), -1);  // [B, H, T]
  const Score forgetting = Score().then([f](const Tensor& s, const AttentionBlock& b) {
    const auto at = [&](const Tensor& i) { return index_select(f, -1, reshape(i, {-1})); };
    return s + unsqueeze(at(b.rows), -1) - unsqueeze(at(b.keys), -2);
  });
  // [end]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = forgetting});
  // The score of i and j is multiplied, before exp, by the gates of j + 1 ... i.
  const Tensor gates = 1 / (1 + exp(-plain_linear(forget, x)));  // [B, T, H]
  Tensors rows;
  for (int64_t i = 0; i < length; ++i) {
    Tensors row;
    for (int64_t j = 0; j < length; ++j) {
      row.push_back(j >= i ? zeros({batch, heads}, Dtype::f64)
                           : log(prod(slice(gates, 1, j + 1, i + 1), 1)));
    }
    rows.push_back(stack(row, -1));
  }
  expect_same(y, by(plain_scores(q, k) + stack(rows, -2)), {x, forget.weight});
}

TEST_F(ScoreLines, L2Distance) {
  // [l2-distance]
  const Tensor away = -unsqueeze(sum(square(k), -1), -2);  // |q|^2 is the same for all keys
  const Score twice = Score::dot({.scale = 2});            // -|q - k|^2 = 2 q . k - |k|^2 - |q|^2
  const Tensor y = attention(q, k, v, {.mask = mask & Mask(away), .score = twice});
  // [end]
  const Tensor apart = unsqueeze(q, 3) - unsqueeze(k, 2);
  expect_same(y, by(-sum(apart * apart, -1)), {x});
}

TEST_F(ScoreLines, SignedAttention) {
  // [signed-attention]
  const Tensor scores = matmul(q, transpose(k)) / std::sqrt(4.0);  // d = 4
  const Score size = Score().then([](const Tensor& s, const AttentionBlock&) { return abs(s); });
  const Tensor w = sign(scores) * attention_weights(q, k, {.mask = mask, .score = size});
  const Tensor y = matmul(w, v);
  // [end]
  const Tensor plain = plain_scores(q, k),
               e = where(causal, exp(where(plain < 0, -plain, plain)), 0);
  const Tensor part = e / sum(e, -1, {.keepdim = true});
  expect_same(y, weighed(where(plain < 0, -part, part)), {x});
}

TEST_F(ScoreLines, GumbelSoftmax) {
  rng = Rng(9);
  // [gumbel-softmax]
  const Tensor noise = rng.gumbel({2, 4, 7, 7}, q.dtype());  // [B, H, T, T]
  const Tensor y = attention(q, k, v, {.mask = mask & Mask(noise)});
  // [end]
  Rng again(9);
  expect_same(y, by(plain_scores(q, k) + again.gumbel({2, 4, 7, 7}, Dtype::f64)), {x});
}

TEST_F(ScoreLines, SelectiveAttention) {
  // [selective-attention]
  const Tensor first = matmul(select(q, 1, 0), transpose(select(k, 1, 0))) / std::sqrt(4.0);
  const Tensor away = pad(tril(slice(relu(first), -1, 1, 7), -2), -1, 1, 0);  // not token 0, nor i
  const Tensor so_far = pad(slice(cumsum(away, -2), -2, 0, -1), -2, 1, 0);    // by tokens before i
  const Tensor y = attention(q, k, v, {.mask = mask & Mask(-unsqueeze(so_far, 1))});
  // [end]
  const Tensor head = plain_scores(select(q, 1, 0), select(k, 1, 0));  // [B, T, T]
  Tensors rows;
  for (int64_t i = 0; i < length; ++i) {
    Tensors row;
    for (int64_t j = 0; j < length; ++j) {
      Tensor said = zeros({batch}, Dtype::f64);
      for (int64_t n = j + 1; j > 0 && n < i; ++n) {
        said = said + maximum(select(select(head, 1, n), 1, j), 0.0);
      }
      row.push_back(said);
    }
    rows.push_back(stack(row, -1));
  }
  expect_same(y, by(plain_scores(q, k) - unsqueeze(stack(rows, -2), 1)), {x});
}

// ---- what weights need not look at, and what they see beside the sequence -----------------------

TEST_F(ScoreLines, Sink) {
  // [sink]
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .sink = true};
  // [end]
  const nn::MultiHeadAttention made = layer_of(options);
  const Tensor e = exp(plain_scores(plain_split(plain_linear(made.query, x), heads),
                                    plain_split(plain_linear(made.key, x), heads)));
  const Tensor total = sum(e, -1, {.keepdim = true}) + exp(reshape(made.sink, {heads, 1, 1}));
  const Tensor y = matmul(e / total, plain_split(plain_linear(made.value, x), heads));
  expect_same(made(x), plain_linear(made.output, plain_merge(y)), {x, made.sink});
}

TEST_F(ScoreLines, SoftmaxPlusOne) {
  // [softmax-plus-one]
  const Tensor y = attention(q, k, v, {.mask = mask, .sink = zeros({4}, q.dtype())});
  // [end]
  const Tensor e = where(causal, exp(plain_scores(q, k)), 0);
  expect_same(y, weighed(e / (1 + sum(e, -1, {.keepdim = true}))), {x});
}

TEST_F(ScoreLines, PersistentMemory) {
  const Tensor memory_k = normal({heads, 3, head_width}, 11).set_requires_grad();
  const Tensor memory_v = normal({heads, 3, head_width}, 12).set_requires_grad();
  // [persistent-memory]
  const auto with = [](const Tensor& memory, const Tensor& t) {  // memory [H, n, d]
    return concat({expand(memory, {t.size(0), -1, -1, -1}), t}, -2);
  };
  const Tensor y = attention(q, with(memory_k, k), with(memory_v, v), {.mask = mask});
  // [end]
  const Tensor here = where(causal, exp(plain_scores(q, k)), 0);
  const Tensor there = exp(plain_scores(q, memory_k));
  const Tensor total = sum(here, -1, {.keepdim = true}) + sum(there, -1, {.keepdim = true});
  expect_same(y, (matmul(here, v) + matmul(there, memory_v)) / total, {x, memory_k, memory_v});
}

TEST_F(ScoreLines, MemoryTokens) {
  const nn::TransformerStack stack = drawn(nn::TransformerStack(
      {.width = width, .layers = 1, .block = {.attention = {.heads = heads}}}, rng));
  const Tensor memory = normal({3, width}, 11).set_requires_grad();
  // [memory-tokens]
  const Tensor all = concat({expand(memory, {x.size(0), -1, -1}), x}, 1);  // memory [n, width]
  const Tensor y = slice(stack(all), 1, memory.size(0), all.size(1));
  // [end]
  const nn::TransformerBlock& block = stack.blocks[0];
  const Tensor tokens = plain_norm(block.norm1, x);
  const Tensor beside = plain_norm(block.norm1, memory);
  const Tensor seen = concat({repeat(unsqueeze(beside, 0), {batch, 1, 1}), tokens}, 1);
  const Tensor here = x + plain_layer(block.attention, tokens, seen);
  const Tensor there = here + plain_feed_forward(block.feed_forward, plain_norm(block.norm2, here));
  expect_same(y, plain_norm(*stack.norm, there), {x, memory});
}

TEST_F(ScoreLines, TransformerXL) {
  const Tensor memory = normal({batch, 5, width}, 11);
  nn::RelativeBias bias = drawn(nn::RelativeBias({.heads = heads, .causal = true}, rng));
  // [transformer-xl]
  const Tensor all = concat({memory.detach(), x}, 1);  // what this layer was given before, and now
  const Tensor k = nn::split_heads(layer.key(all), heads);
  const Tensor v = nn::split_heads(layer.value(all), heads);
  const Score score = Score().with_relative_bias(bias(q.size(2), k.size(2)));
  const Tensor y = attention(q, k, v, {.mask = Mask::causal(), .score = score});
  // [end]
  const Tensor past = plain_scores(q, k_of(memory)), now = plain_scores(q, this->k);
  const Tensor distance = plain_distances(length, 5 + length) - 5;  // the memory lies before
  Tensors rows;  // the bias of each pair, asked for alone
  for (int64_t i = 0; i < length; ++i) {
    rows.push_back(slice(bias(1, 5 + i + 1), -1, 0, 5 + i + 1));
    rows.back() = pad(rows.back(), -1, 0, length - 1 - i);
  }
  const Tensor scores = concat({past, now}, -1) + stack(rows, 1);
  const Tensor w = plain_softmax(scores, distance <= 0);
  expect_same(y, matmul(w, concat({v_of(memory), this->v}, -2)), {x, bias.weight});
}

TEST_F(ScoreLines, EnhancedRecurrence) {
  const nn::TransformerStack stack = drawn(nn::TransformerStack(
      {.width = width, .layers = 2, .block = {.attention = {.heads = heads}}}, rng));
  const auto segment = [&](const Tensors& memory, Tensor x, Tensors& outputs) {
    for (size_t i = 0; i < stack.blocks.size(); ++i) {
      const nn::TransformerBlock& block = stack.blocks[i];
      // [enhanced-recurrence]
      const Tensor all = concat({memory[i], x}, 1);  // memory[i]: what layer i gave before
      x = x + block.attention(block.norm1(x), block.norm1(all), {.mask = Mask::causal()});
      x = x + block.feed_forward(block.norm2(x));
      outputs.push_back(x.detach());  // of this segment, for the next
      // [end]
    }
    return x;
  };
  const Tensor none = zeros({batch, 0, width}, Dtype::f64), next = normal(x.shape(), 12);
  Tensors first, second;
  segment({none, none}, x, first);
  const Tensor y = segment(first, next, second);
  Tensor plain = next;
  for (size_t i = 0; i < 2; ++i) {
    const nn::TransformerBlock& block = stack.blocks[i];
    const Tensor all = plain_norm(block.norm1, concat({first[i], plain}, 1));
    const Tensor may = plain_distances(length, 2 * length) <= length;
    plain = plain + plain_layer(block.attention, plain_norm(block.norm1, plain), all, may);
    plain = plain + plain_feed_forward(block.feed_forward, plain_norm(block.norm2, plain));
  }
  EXPECT_TRUE(close(y, plain, 1e-10));
  const Tensor after_first = stack.blocks[0](x, {.mask = Mask::causal()});
  EXPECT_TRUE(close(first[0], after_first.detach(), 1e-10));  // what layer 0 gave, not was given
}

}  // namespace
}  // namespace rapt::tests
