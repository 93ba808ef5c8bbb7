#include "rapt/nn/fine_tuning/lora.h"

#include <gtest/gtest.h>

#include "../../data/files.h"
#include "../../support/tensors.h"
#include "rapt/autograd/ops.h"
#include "rapt/data/safetensors.h"
#include "rapt/nn/decoding/generate.h"
#include "rapt/nn/fine_tuning/freeze.h"
#include "rapt/nn/models/decoder_only.h"
#include "rapt/optim/adam.h"

namespace rapt::nn {
namespace {

using data::TemporaryFolder;

DecoderOnly small_model(uint64_t seed = 1) {
  Rng rng(seed);
  return DecoderOnly(TransformerOptions{.vocabulary = 6,
                                        .context = 8,
                                        .width = 8,
                                        .layers = 2,
                                        .block = {.attention = {.heads = 2}},
                                        .stddev = 0.3},
                     rng);
}

const Tensor ids = tensor({{1, 2, 3, 4}, {0, 5, 5, 1}}, Dtype::i64);
const Tensor targets = tensor({{4, 4, 0, 0}, {4, 4, 0, 0}}, Dtype::i64);

Tensor adapted_logits(const DecoderOnly& model, const LoRA& lora) {
  const ForwardHook hook = lora.adapt(model);
  return model(ids);
}

double train(const DecoderOnly& model, const LoRA& lora, int steps) {
  optim::AdamW optimizer(lora.parameters(), {.lr = 0.02});
  const ForwardHook hook = lora.adapt(model);
  double loss = 0;
  for (int i = 0; i < steps; ++i) {
    optimizer.zero_grad();
    const Tensor of_step = cross_entropy(model(ids), targets).mean();
    of_step.backward();
    optimizer.step();
    loss = of_step.item();
  }
  return loss;
}

TEST(LoRA, BeginsAsTheModelIs) {
  const DecoderOnly model = small_model();
  Rng rng(2);
  const LoRA lora(model, {.rank = 3}, rng);
  std::vector<std::string> names;
  for (const auto& [name, parameter] : lora.parameters()) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"blocks.0.attention.query.A", "blocks.0.attention.query.B",
                                      "blocks.0.attention.value.A", "blocks.0.attention.value.B",
                                      "blocks.1.attention.query.A", "blocks.1.attention.query.B",
                                      "blocks.1.attention.value.A", "blocks.1.attention.value.B"}));
  EXPECT_EQ(lora.parameters()[names[0]].shape(), (Shape{3, 8}));
  EXPECT_EQ(lora.parameters()[names[1]].shape(), (Shape{8, 3}));
  EXPECT_EQ(adapted_logits(model, lora).values<float>(), model(ids).values<float>());
}

// The formula, with numbers.
TEST(LoRA, AddsTheProductOfItsMatrices) {
  const DecoderOnly model = small_model();
  Rng rng(2);
  const LoRA lora(model, {.rank = 2, .alpha = 3, .layers = {"head"}}, rng);
  Tensor a = lora.parameters()["head.A"], b = lora.parameters()["head.B"];
  b.copy_from(rng.normal({6, 2}));
  const Tensor product = (1.5 * matmul(b, a)).detach();
  Tensor weight = model.parameters()["head.weight"];
  const Tensor found = adapted_logits(model, lora).detach();
  {
    const NoGrad no_grad;
    weight.copy_from(weight + product);
  }
  EXPECT_TRUE(tests::close(found, model(ids), 1e-5));
}

TEST(LoRA, TrainsAndMergesAndLeavesTheModelAlone) {
  const DecoderOnly model = small_model();
  freeze(model);
  const auto before = model.parameters()["blocks.0.attention.query.weight"].values<float>();
  const Tensor logits = model(ids);
  Rng rng(2);
  LoRA lora(model, {.rank = 4, .layers = {"*.attention.*", "*.up", "*.down"}}, rng);
  const double first = train(model, lora, 1);
  EXPECT_LT(train(model, lora, 200), 0.3 * first);
  EXPECT_EQ(model.parameters()["blocks.0.attention.query.weight"].values<float>(), before);
  EXPECT_EQ(model(ids).values<float>(), logits.values<float>());

  const Tensor adapted = adapted_logits(model, lora).detach();
  lora.merge();
  EXPECT_TRUE(tests::close(model(ids), adapted, 1e-4));
  lora.unmerge();
  EXPECT_EQ(model(ids).values<float>(), logits.values<float>());
}

TEST(LoRA, IsSavedAlone) {
  const TemporaryFolder folder;
  const DecoderOnly model = small_model();
  freeze(model);
  Rng rng(2);
  const LoRA lora(model, {.rank = 2}, rng);
  train(model, lora, 5);
  data::save_safetensors(folder / "adapter.safetensors", lora.parameters());

  const DecoderOnly same = small_model();
  LoRA again(same, {.rank = 2}, rng);
  again.load_parameters(data::load_safetensors(folder / "adapter.safetensors"));
  EXPECT_EQ(adapted_logits(same, again).values<float>(),
            adapted_logits(model, lora).values<float>());
}

// Decoding with a cache goes through the same layers.
TEST(LoRA, IsThereWhenTheModelGenerates) {
  const DecoderOnly model = small_model();
  freeze(model);
  Rng rng(2);
  LoRA lora(model, {.rank = 4, .layers = {"*.attention.*", "*.up", "*.down", "head"}}, rng);
  train(model, lora, 200);
  const auto greedy = [&] {
    return generate(model, {1}, {.max_tokens = 6, .temperature = 0}, rng);
  };
  const std::vector<int64_t> plain = greedy();
  std::vector<int64_t> adapted;
  {
    const ForwardHook hook = lora.adapt(model);
    adapted = greedy();
  }
  EXPECT_NE(plain, adapted);
  lora.merge();
  EXPECT_EQ(greedy(), adapted);
}

TEST(LoRA, RefusesWhatItCannotAdapt) {
  const DecoderOnly model = small_model();
  Rng rng(2);
  EXPECT_ERROR("LoRA: wanted the pattern of a layer; got \"*.q\", which fits none of: ",
               LoRA(model, {.layers = {"*.q"}}, rng));
  EXPECT_ERROR("LoRA: wanted a rank of at least 1; got 0", LoRA(model, {.rank = 0}, rng));
  const LoRA of_embedding(model, {.layers = {"tokens"}}, rng);
  EXPECT_ERROR("wanted Linear layers; got tokens, whose input is i64",
               adapted_logits(model, of_embedding));
  LoRA lora(model, {}, rng);
  EXPECT_ERROR("LoRA::unmerge: wanted one that is merged", lora.unmerge());
  lora.merge();
  EXPECT_ERROR("LoRA::merge: wanted one that is not merged", lora.merge());
  EXPECT_ERROR("LoRA::adapt: wanted one that is not merged",
               const ForwardHook hook = lora.adapt(model));
}

}  // namespace
}  // namespace rapt::nn
