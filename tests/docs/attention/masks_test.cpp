// The lines of docs/attention.md about masks, each against who may attend to whom, pair by pair.

#include "lines.h"

namespace rapt::tests {
namespace {

class MaskLines : public AttentionLines {
 protected:
  /// The mask allows what rule(b, i, j) says, and attention goes by it.
  template <class Rule>
  void expect_rule(const Mask& mask, Rule rule) const {
    std::vector<bool> allowed;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < length; ++i) {
        for (int64_t j = 0; j < length; ++j) allowed.push_back(rule(b, i, j));
      }
    }
    const Tensor may = from_values(allowed, {batch, 1, length, length});
    EXPECT_TRUE(same_bits(mask.allowed({batch, 1}, length, length), may));
    const Tensor y = attention(q, k, v, {.mask = mask});
    expect_same(y, weighed(plain_softmax(plain_scores(q, k), may)), {x});
  }
};

TEST_F(MaskLines, Causal) {
  // [causal]
  const Mask mask = Mask::causal();
  // [end]
  expect_rule(mask, [](int64_t, int64_t i, int64_t j) { return j <= i; });
}

TEST_F(MaskLines, Window) {
  // [window]
  const Mask mask = Mask::window(2, 1);
  const nn::MultiHeadAttentionOptions options{.width = 16, .heads = 4, .window = 2};
  // [end]
  expect_rule(mask, [](int64_t, int64_t i, int64_t j) { return i - 2 <= j && j <= i + 1; });
  const nn::MultiHeadAttention made = layer_of(options);
  const Tensor far = abs(plain_distances(length, length));
  expect_same(made(x), plain_layer(made, x, x, far <= 2), {x});
}

TEST_F(MaskLines, WindowOfEachLayer) {
  // [window-of-each-layer]
  const nn::TransformerStackOptions options{.width = 16,
                                            .layers = 4,
                                            .block = {.attention = {.heads = 4}},
                                            .windows = {1, 1, std::nullopt}};
  // [end]
  const nn::TransformerStack stack = drawn(nn::TransformerStack(options, rng));
  const Tensor far = abs(plain_distances(length, length));
  Tensor y = x;
  for (size_t i = 0; i < 4; ++i) {
    const nn::TransformerBlock& block = stack.blocks[i];
    const Tensor in = plain_norm(block.norm1, y);
    y = y + plain_layer(block.attention, in, in, far <= (i == 2 ? length : 1));
    y = y + plain_feed_forward(block.feed_forward, plain_norm(block.norm2, y));
  }
  expect_same(stack(x), plain_norm(*stack.norm, y), {x});
}

TEST_F(MaskLines, Lengths) {
  const Tensor lengths = from_values<int64_t>({7, 4});
  // [lengths]
  const Mask mask = Mask::lengths(lengths);
  // [end]
  expect_rule(mask, [](int64_t b, int64_t, int64_t j) { return j < (b == 0 ? 7 : 4); });
}

TEST_F(MaskLines, Prefix) {
  const Tensor lengths = from_values<int64_t>({3, 5});
  // [prefix]
  const Mask mask = Mask::prefix(3);
  const Mask of_each = Mask::prefix(lengths);
  // [end]
  expect_rule(mask, [](int64_t, int64_t i, int64_t j) { return j <= i || j < 3; });
  expect_rule(of_each,
              [](int64_t b, int64_t i, int64_t j) { return j <= i || j < (b == 0 ? 3 : 5); });
}

TEST_F(MaskLines, Documents) {
  const Tensor documents = from_values<int64_t>({0, 0, 0, 1, 1, 2, 2, 5, 5, 5, 5, 5, 6, 6}, {2, 7});
  // [documents]
  const Mask mask = Mask::causal() & Mask::documents(documents);
  // [end]
  const std::vector<int64_t> of = documents.values<int64_t>();
  expect_rule(mask, [&](int64_t b, int64_t i, int64_t j) {
    return j <= i && of[static_cast<size_t>(b * 7 + i)] == of[static_cast<size_t>(b * 7 + j)];
  });
}

TEST_F(MaskLines, KeysThatAreThere) {
  const Tensor there = from_values<bool>({1, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1}, {2, 7});
  // [keys-that-are-there]
  const Mask mask = Mask::keys(there);
  // [end]
  expect_rule(mask, [&](int64_t b, int64_t, int64_t j) { return there[b][j].item() == 1; });
}

TEST_F(MaskLines, ATensor) {
  const Tensor allowed = plain_distances(7, 7) != 1;
  // [a-tensor]
  const Mask mask = Mask::pairs(allowed);
  // [end]
  expect_rule(mask, [](int64_t, int64_t i, int64_t j) { return j - i != 1; });
  const Tensor both = stack({allowed, plain_distances(7, 7) != 0}, 0);
  expect_rule(Mask::pairs(both), [](int64_t b, int64_t i, int64_t j) { return j - i != 1 - b; });
}

TEST_F(MaskLines, ATensorOfEachHead) {
  const Tensor of_each_head = stack({plain_distances(7, 7) != 1, plain_distances(7, 7) != 0,
                                     plain_distances(7, 7) != 2, plain_distances(7, 7) > -9},
                                    0);
  // [a-tensor-of-each-head]
  const Mask mask = Mask(of_each_head);
  // [end]
  const Tensor y = attention(q, k, v, {.mask = mask});
  expect_same(y, weighed(plain_softmax(plain_scores(q, k), of_each_head)), {x});
}

TEST_F(MaskLines, ABiasOfPairs) {
  const Tensor bias = normal({heads, length, length}, 11).set_requires_grad();
  // [a-bias-of-pairs]
  const Tensor y = attention(q, k, v, {.mask = Mask::causal() & Mask(bias)});
  // [end]
  expect_same(y, weighed(plain_softmax(plain_scores(q, k) + bias, causal)), {x, bias});
}

TEST_F(MaskLines, AFunction) {
  // [a-function]
  const Mask mask = Mask::of([](const AttentionBlock& b) {  // every third key, and its own
    return logical_or(remainder(b.keys, 3) == 0, b.keys == b.rows);
  });
  // [end]
  expect_rule(mask, [](int64_t, int64_t i, int64_t j) { return j % 3 == 0 || i == j; });
}

TEST_F(MaskLines, BothOfTwo) {
  const Tensor lengths = from_values<int64_t>({7, 4});
  // [both-of-two]
  const Mask mask = Mask::causal() & Mask::window(2, 0) & Mask::lengths(lengths);
  // [end]
  expect_rule(mask, [](int64_t b, int64_t i, int64_t j) {
    return i - 2 <= j && j <= i && j < (b == 0 ? 7 : 4);
  });
}

TEST_F(MaskLines, QueriesThatStandElsewhere) {
  const Tensor starts = from_values<int64_t>({3, 5}), last = slice(q, -2, 0, 2);
  // [queries-that-stand-elsewhere]
  const Mask mask = Mask::causal().at(starts);
  // [end]
  const Tensor y = attention(last, k, v, {.mask = mask});
  const Tensor place = reshape(starts, {2, 1, 1, 1}) + reshape(arange(2), {1, 1, 2, 1});
  const Tensor may = arange(7) <= place;
  expect_same(y, weighed(plain_softmax(plain_scores(last, k), may)), {x});
}

TEST_F(MaskLines, QueriesFromTheFirstKeyOn) {
  const Tensor first = slice(q, -2, 0, 3);
  // [queries-from-the-first-key-on]
  const Mask mask = Mask::causal(Mask::Align::first);
  // [end]
  const Tensor y = attention(first, k, v, {.mask = mask});
  const Tensor may = plain_distances(3, length) <= 0;
  expect_same(y, weighed(plain_softmax(plain_scores(first, k), may)), {x});
}

TEST_F(MaskLines, ForgetfulCausalMask) {
  Rng again(9);
  rng = Rng(9);
  // [forgetful-causal-mask]
  const Mask forgetful = Mask::causal() & Mask(rng.bernoulli(0.85, {2, 1, 1, 7}));  // [B, 1, 1, T]
  // [end]
  const std::vector<bool> kept = again.bernoulli(0.85, {2, 1, 1, 7}).values<bool>();
  expect_rule(forgetful, [&](int64_t b, int64_t i, int64_t j) {
    return j <= i && kept[static_cast<size_t>(b * 7 + j)];
  });
}

}  // namespace
}  // namespace rapt::tests
