// The lines of docs/attention.md about positions, each against its definition in plain ops.

#include "lines.h"

namespace rapt::tests {
namespace {

class PositionLines : public AttentionLines {
 protected:
  static nn::TransformerOptions small() {
    return {.vocabulary = 9, .context = 8, .width = 16, .layers = 1};
  }
  Tensor by(const Tensor& scores) const { return weighed(plain_softmax(scores, causal)); }
  /// softmax(scores(q, k)) v of that layer's heads, joined.
  template <class F>
  void expect_scores(const nn::MultiHeadAttentionOptions& options, F scores) const {
    const nn::MultiHeadAttention made = layer_of(options);
    const Tensor mq = plain_split(plain_linear(made.query, x), heads);
    const Tensor mk = plain_split(plain_linear(made.key, x), heads);
    const Tensor mv = plain_split(plain_linear(made.value, x), heads);
    const Tensor y = matmul(plain_softmax(scores(made, mq, mk), causal), mv);
    expect_same(made(x, {.mask = mask}), plain_linear(made.output, plain_merge(y)), {x});
  }

  /// RoPE by sines and cosines: the pairs (a, b) of `first` columns turned by angle(t, pair).
  template <class Angle>
  static Tensor turned(const Tensor& t, RotaryPairs pairs, int64_t first, Angle angle) {
    Tensors columns = unbind(t, -1);
    const int64_t half = first / 2;
    for (int64_t i = 0; i < half; ++i) {
      const bool beside = pairs == RotaryPairs::adjacent;
      const auto at = static_cast<size_t>(beside ? 2 * i : i);
      const size_t to = beside ? at + 1 : static_cast<size_t>(i + half);
      std::vector<double> angles;
      for (int64_t place = 0; place < t.size(-2); ++place) angles.push_back(angle(place, i));
      const Tensor c = cos(from_values(angles)), s = sin(from_values(angles));
      const Tensor a = columns[at], b = columns[to];
      columns[at] = a * c - b * s;
      columns[to] = a * s + b * c;
    }
    return stack(columns, -1);
  }
  /// The angle at a place, of the i-th of `width` / 2 pairs.
  static double angle(double place, int64_t i, double width, double base = 10000) {
    return place * std::pow(base, -2.0 * static_cast<double>(i) / width);
  }
  const Tensor ids = from_values<int64_t>({1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 1, 2}, {2, 6});
};

// ---- added to the embeddings -------------------------------------------------------------------

TEST_F(PositionLines, Learned) {
  nn::TransformerOptions options = small();
  // [learned]
  options.positions = nn::Positions::learned;
  // [end]
  const nn::Encoder model = drawn(nn::Encoder(options, rng));
  const Tensor rows = slice(model.embedding.positions->weight, 0, 0, 6);
  const Tensor in = embedding(model.embedding.tokens.weight, ids) + rows;
  expect_same(model(ids), model.stack(in));
}

TEST_F(PositionLines, Sinusoidal) {
  nn::TransformerOptions options = small();
  // [sinusoidal]
  options.positions = nn::Positions::sinusoidal;
  // [end]
  const nn::Encoder model = drawn(nn::Encoder(options, rng));
  std::vector<double> table;
  for (int64_t t = 0; t < 6; ++t) {
    for (int64_t c = 0; c < 16; ++c) {
      const double a = angle(static_cast<double>(t), c / 2, 16);
      table.push_back(c % 2 == 0 ? std::sin(a) : std::cos(a));
    }
  }
  const Tensor in = embedding(model.embedding.tokens.weight, ids) * 4.0;  // sqrt(width)
  expect_same(model(ids), model.stack(in + from_values(table, {6, 16})));
}

TEST_F(PositionLines, None) {
  nn::TransformerOptions options = small();
  // [none]
  options.positions = nn::Positions::none;
  // [end]
  const nn::Encoder model = drawn(nn::Encoder(options, rng));
  expect_same(model(ids), model.stack(embedding(model.embedding.tokens.weight, ids)));
}

// ---- known to attention ------------------------------------------------------------------------

TEST_F(PositionLines, Rotary) {
  // [rotary]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::rotary()};
  // [end]
  expect_scores(options, [](const auto&, const Tensor& mq, const Tensor& mk) {
    const auto turn = [](const Tensor& t) {
      return turned(t, RotaryPairs::adjacent, 4, [](int64_t place, int64_t i) {
        return angle(static_cast<double>(place), i, 4);
      });
    };
    return plain_scores(turn(mq), turn(mk));
  });
}

TEST_F(PositionLines, RotaryByHalves) {
  // [rotary-by-halves]
  const nn::MultiHeadAttentionOptions options{
      .width = 16,
      .heads = 4,
      .positions = nn::AttentionPositions::rotary({.pairs = RotaryPairs::halves})};
  // [end]
  expect_scores(options, [](const auto&, const Tensor& mq, const Tensor& mk) {
    const auto turn = [](const Tensor& t) {
      return turned(t, RotaryPairs::halves, 4, [](int64_t place, int64_t i) {
        return angle(static_cast<double>(place), i, 4);
      });
    };
    return plain_scores(turn(mq), turn(mk));
  });
}

TEST_F(PositionLines, RotaryOfSomeColumns) {
  // [rotary-of-some-columns]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::rotary({.width = 2})};
  // [end]
  expect_scores(options, [](const auto&, const Tensor& mq, const Tensor& mk) {
    const auto turn = [](const Tensor& t) {
      return turned(t, RotaryPairs::adjacent, 2,
                    [](int64_t place, int64_t) { return static_cast<double>(place); });
    };
    return plain_scores(turn(mq), turn(mk));
  });
}

TEST_F(PositionLines, LongerContext) {
  // [longer-context]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::rotary({.scale = 0.25})};
  const nn::MultiHeadAttentionOptions ntk{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::rotary({.ntk_factor = 4})};
  // [end]
  const auto expect = [&](const nn::MultiHeadAttentionOptions& o, double scale, double base) {
    expect_scores(o, [&](const auto&, const Tensor& mq, const Tensor& mk) {
      const auto turn = [&](const Tensor& t) {
        return turned(t, RotaryPairs::adjacent, 4, [&](int64_t place, int64_t i) {
          return angle(static_cast<double>(place) * scale, i, 4, base);
        });
      };
      return plain_scores(turn(mq), turn(mk));
    });
  };
  expect(options, 0.25, 10000);
  expect(ntk, 1, 10000 * std::pow(4.0, 4.0 / 2));  // factor^(d / (d - 2))
}

TEST_F(PositionLines, RotaryOfSomeHeads) {
  // [rotary-of-some-heads]
  const auto turn = [](const Tensor& t) {  // the first 2 heads of 4
    return concat({rotary(slice(t, 1, 0, 2)), slice(t, 1, 2, 4)}, 1);
  };
  const Tensor y = attention(turn(q), turn(k), v, {.mask = mask});
  // [end]
  const auto plain = [](const Tensor& t) {
    const Tensor all = turned(t, RotaryPairs::adjacent, 4, [](int64_t place, int64_t i) {
      return angle(static_cast<double>(place), i, 4);
    });
    return where(reshape(arange(4), {4, 1, 1}) < 2, all, t);
  };
  expect_same(y, by(plain_scores(plain(q), plain(k))), {x});
}

TEST_F(PositionLines, XPos) {
  // [xpos]
  const Tensor i = arange(4, q.dtype()), place = arange(7, q.dtype());  // of d = 4 columns
  const Tensor zeta = (i - remainder(i, 2) + 0.4 * 4) / (1.4 * 4);      // of each pair
  const Tensor decay = pow(zeta, unsqueeze(place - 3, 1) / 512);        // [T, d]
  const Tensor y = attention(rotary(q) * decay, rotary(k) / decay, v, {.mask = mask});
  // [end]
  // Turned by the distance, and smaller by zeta^(distance / 512), pair by pair.
  Tensor scores = zeros({}, Dtype::f64);
  for (int64_t pair = 0; pair < 2; ++pair) {
    const auto column = [&](const Tensor& t, int64_t which) {
      return select(t, -1, 2 * pair + which);
    };
    const Tensor distance = -plain_distances(length, length).to(Dtype::f64);  // i - j
    const Tensor turn = distance * std::pow(10000.0, -2.0 * static_cast<double>(pair) / 4);
    const double z = (2.0 * static_cast<double>(pair) / 4 + 0.4) / 1.4;
    const Tensor qa = unsqueeze(column(q, 0), -1), qb = unsqueeze(column(q, 1), -1);
    const Tensor ka = unsqueeze(column(k, 0), -2), kb = unsqueeze(column(k, 1), -2);
    const Tensor product = (qa * ka + qb * kb) * cos(turn) + (qa * kb - qb * ka) * sin(turn);
    scores = scores + product * pow(z, distance / 512);
  }
  expect_same(y, by(scores / 2), {x});
}

TEST_F(PositionLines, ALiBi) {
  // [alibi]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::alibi()};
  // [end]
  expect_scores(options, [](const auto&, const Tensor& mq, const Tensor& mk) {
    const Tensor slopes = tensor({1.0 / 4, 1.0 / 16, 1.0 / 64, 1.0 / 256}, Dtype::f64);
    const Tensor distance = abs(plain_distances(length, length)).to(Dtype::f64);
    return plain_scores(mq, mk) - reshape(slopes, {4, 1, 1}) * distance;
  });
}

TEST_F(PositionLines, ALiBiOfSomeHeads) {
  // [alibi-of-some-heads]
  const Tensor slopes = concat({nn::alibi_slopes(2, q.dtype()), zeros({2}, q.dtype())});
  const Score score = Score().with_relative_bias(nn::alibi(slopes, q.size(2), k.size(2)));
  // [end]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = score});
  const Tensor plain = reshape(tensor({1.0 / 16, 1.0 / 256, 0, 0}, Dtype::f64), {4, 1, 1});
  const Tensor distance = abs(plain_distances(length, length)).to(Dtype::f64);
  expect_same(y, by(plain_scores(q, k) - plain * distance), {x});
}

TEST_F(PositionLines, T5RelativeBias) {
  // [t5-relative-bias]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::relative_bias(8, 6)};
  // [end]
  // 8 buckets: 4 for the keys before and 4 for those behind; of these, 2 hold a distance each, and
  // 2 share those up to 6 on a logarithmic scale: 2 and 3, then all from 4 on.
  const auto bucket = [](int64_t distance) -> int64_t {
    const int64_t far = std::abs(distance), side = distance > 0 ? 4 : 0;
    return side + (far < 2 ? far : far < 4 ? 2 : 3);
  };
  expect_scores(options, [&](const auto& made, const Tensor& mq, const Tensor& mk) {
    Tensors rows;
    for (int64_t i = 0; i < length; ++i) {
      Tensors row;
      for (int64_t j = 0; j < length; ++j) {
        row.push_back(made.relative_bias->weight[bucket(j - i)]);
      }
      rows.push_back(stack(row, -1));
    }
    return plain_scores(mq, mk) + stack(rows, 1);
  });
}

TEST_F(PositionLines, RelativeKeys) {
  // [relative-keys]
  const nn::MultiHeadAttentionOptions options{
      .width = 16, .heads = 4, .positions = nn::AttentionPositions::relative_keys(3)};
  // [end]
  expect_scores(options, [](const auto& made, const Tensor& mq, const Tensor& mk) {
    const Tensor near = clamp(plain_distances(length, length), -3, 3) + 3;
    const Tensor added = embedding(made.relative_keys->weight, near);  // [T, T, d]
    return sum(unsqueeze(mq, 3) * (unsqueeze(mk, 2) + added), -1) / 2;
  });
}

TEST_F(PositionLines, DynamicPositionBias) {
  const nn::Linear in = drawn(nn::Linear(1, 8, rng)), out = drawn(nn::Linear(8, heads, rng));
  // [dynamic-position-bias]
  const Tensor distance = nn::relative_distances(q.size(2), k.size(2)).to(q.dtype());
  const Tensor bias = transpose(out(silu(in(unsqueeze(distance, 1)))));  // [H, Tq + Tk - 1]
  const Tensor y = attention(q, k, v, {.mask = mask, .score = Score().with_relative_bias(bias)});
  // [end]
  const Tensor pairs = unsqueeze(plain_distances(length, length).to(Dtype::f64), -1);
  const Tensor hidden_units = plain_linear(in, pairs);
  const Tensor each = plain_linear(out, hidden_units / (1 + exp(-hidden_units)));  // [T, T, H]
  expect_same(y, by(plain_scores(q, k) + permute(each, {2, 0, 1})), {x, in.weight});
}

TEST_F(PositionLines, ShiftedTokens) {
  // [shifted-tokens]
  const Tensors halves = chunk(x, 2, -1);
  const Tensor before = pad(slice(halves[1], 1, 0, -1), 1, 1, 0);  // of the token before
  const Tensor y = layer(concat({halves[0], before}, -1), {.mask = mask});
  // [end]
  Tensors tokens;
  for (int64_t t = 0; t < length; ++t) {
    const Tensor right =
        t > 0 ? slice(select(x, 1, t - 1), -1, 8, 16) : zeros({batch, 8}, Dtype::f64);
    tokens.push_back(concat({slice(select(x, 1, t), -1, 0, 8), right}, -1));
  }
  const Tensor shifted = stack(tokens, 1);
  expect_same(y, plain_layer(layer, shifted, shifted, causal), {x});
}

}  // namespace
}  // namespace rapt::tests
