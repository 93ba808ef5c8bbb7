// The lines of docs/attention.md about what goes into a model, each against its definition in
// plain ops.

#include "block_lines.h"

namespace rapt::tests {
namespace {

TEST_F(BlockLines, ContinuousValues) {
  const Tensor values = normal({batch, length, 3}, 11).set_requires_grad();
  const nn::Linear in = drawn(nn::Linear(3, width, rng)), out = drawn(nn::Linear(width, 5, rng));
  const nn::TransformerStack stack = stack_of(1);
  // [continuous-values]
  const Tensor y = out(stack(in(values), {.mask = mask}));  // [B, T, 3] -> [B, T, 5]
  // [end]
  const Tensor hidden = plain_block(stack.blocks[0], plain_linear(in, values));
  expect_same(y, plain_linear(out, plain_norm(*stack.norm, hidden)), {values});
}

TEST_F(BlockLines, NumbersAmongTokens) {
  const nn::DecoderOnly model = model_of();
  const Tensor numbers = normal({2, 6}, 11).set_requires_grad(), is_number = ids == 1;
  // [numbers-among-tokens]
  const Tensor scale = unsqueeze(where(is_number, numbers, 1), -1);  // [B, T, 1]
  const Tensor y = model.stack(model.embedding(ids) * scale, {.mask = mask});
  // [end]
  const Tensor by = is_number.to(Dtype::f64) * numbers + (ids != 1).to(Dtype::f64);
  const Tensor in = einsum("btc,bt->btc", {model.embedding(ids), by});
  expect_same(y, model.stack(in, {.mask = mask}), {numbers});
}

TEST_F(BlockLines, EmbeddingsInFront) {
  const nn::DecoderOnly model = model_of();
  const Tensor image = normal({2, 3, width}, 11).set_requires_grad();
  // [embeddings-in-front]
  const Tensor all = concat({image, model.embedding(ids)}, 1);  // image [B, n, width]
  const Tensor y = model.stack(all, {.mask = Mask::prefix(image.size(1))});
  // [end]
  const nn::TransformerStack& stack = model.stack;
  const Tensor distance = plain_distances(9, 9);
  const Tensor may = logical_or(distance <= 0, arange(9) < 3);
  Tensor plain = all;
  for (const nn::TransformerBlock& b : stack.blocks) {
    const Tensor in = norm1(b, plain);
    plain = plain + plain_layer(b.attention, in, in, may);
    plain = plain + fed(b, norm2(b, plain));
  }
  expect_same(y, plain_norm(*stack.norm, plain), {image});
}

TEST_F(BlockLines, PatchesOfAnImage) {
  const Tensor image = normal({2, 3, 4, 6}, 11);
  const nn::Linear in = drawn(nn::Linear(3 * 2 * 2, width, rng));
  // [patches-of-an-image]
  const Tensor cut = reshape(image, {2, 3, 4 / 2, 2, 6 / 2, 2});  // [B, C, H, W] in 2 x 2
  const Tensor patches = reshape(permute(cut, {0, 2, 4, 1, 3, 5}), {2, 6, 12});
  const Tensor x = in(patches);  // [B, patches, width]: give it to a TransformerStack
  // [end]
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t column = 0; column < 3; ++column) {
      const Tensor patch =
          slice(slice(image, 2, 2 * row, 2 * row + 2), 3, 2 * column, 2 * column + 2);
      EXPECT_TRUE(
          close(select(x, 1, 3 * row + column), plain_linear(in, reshape(patch, {2, 12})), 1e-12));
    }
  }
}

TEST_F(BlockLines, KeysAndValuesKept) {
  const nn::DecoderOnly model = model_of();
  const Tensor before = slice(ids, 1, 0, 4), next = slice(ids, 1, 4, 6);
  const NoGrad no_grad;
  // [keys-and-values-kept]
  nn::KeyValueCache cache;
  model(before, {.cache = &cache});
  const Tensor logits = model(next, {.cache = &cache});  // behind what was there before
  // [end]
  EXPECT_TRUE(close(logits, slice(model(ids), 1, 4, 6), 1e-10));
}

}  // namespace
}  // namespace rapt::tests
