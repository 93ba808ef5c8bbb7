#include "rapt/nn/fine_tuning/freeze.h"

#include <gtest/gtest.h>

#include "../../data/files.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/models/decoder_only.h"
#include "rapt/optim/adam.h"

namespace rapt::nn {
namespace {

DecoderOnly small_model() {
  Rng rng(1);
  return DecoderOnly(TransformerOptions{.vocabulary = 6,
                                        .context = 8,
                                        .width = 8,
                                        .layers = 2,
                                        .block = {.attention = {.heads = 2}}},
                     rng);
}

void step(const DecoderOnly& model, optim::Optimizer& optimizer) {
  const Tensor ids = tensor({{1, 2, 3, 4}}, Dtype::i64);
  optimizer.zero_grad();
  cross_entropy(model(ids), tensor({{2, 3, 4, 5}}, Dtype::i64)).mean().backward();
  optimizer.step();
}

NamedTensors copies(const NamedTensors& tensors) {
  NamedTensors out;
  for (const auto& [name, t] : tensors) out.add(name, t.detach().clone());
  return out;
}

bool is_changed(const NamedTensors& before, const NamedTensors& after, const std::string& name) {
  return before[name].values<float>() != after[name].values<float>();
}

TEST(Freeze, LeavesTheNamedParametersAsTheyAre) {
  const DecoderOnly model = small_model();
  freeze(model, {"blocks.0.*", "tokens.*"});
  optim::AdamW optimizer(trainable(model.parameters()), {.lr = 0.01});
  const NamedTensors before = copies(model.parameters());
  step(model, optimizer);
  for (const auto& [name, parameter] : model.parameters()) {
    const bool frozen = name.starts_with("blocks.0.") || name.starts_with("tokens.");
    EXPECT_EQ(parameter.requires_grad(), !frozen) << name;
    EXPECT_EQ(trainable(model.parameters()).contains(name), !frozen) << name;
    // A key's bias gets no gradient from softmax, but for what rounding leaves of it.
    if (!name.ends_with("key.bias")) {
      EXPECT_EQ(is_changed(before, model.parameters(), name), !frozen) << name;
    }
  }
}

// One that had them before: their last gradients would move them once more.
TEST(Freeze, HoldsInAnOptimizerThatHasThemAlready) {
  const DecoderOnly model = small_model();
  optim::AdamW optimizer(model.parameters(), {.lr = 0.01, .weight_decay = 0.1});
  step(model, optimizer);
  freeze(model, {"blocks.*"});
  const NamedTensors before = copies(model.parameters());
  optimizer.step();
  step(model, optimizer);
  EXPECT_FALSE(is_changed(before, model.parameters(), "blocks.1.feed_forward.up.weight"));
  EXPECT_TRUE(is_changed(before, model.parameters(), "tokens.weight"));
  unfreeze(model);
  step(model, optimizer);
  EXPECT_TRUE(is_changed(before, model.parameters(), "blocks.1.feed_forward.up.weight"));
}

TEST(Freeze, RefusesAPatternThatFitsNothing) {
  const DecoderOnly model = small_model();
  EXPECT_ERROR("freeze: wanted the pattern of a parameter; got \"stack.*\", which fits none of: ",
               freeze(model, {"blocks.*", "stack.*"}));
  EXPECT_EQ(trainable(model.parameters()).size(), model.parameters().size());
  EXPECT_ERROR("unfreeze: wanted", unfreeze(model, {"embedding"}));
}

}  // namespace
}  // namespace rapt::nn
