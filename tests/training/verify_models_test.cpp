// verify, tried on a language model with one of many errors in it.

#include <gtest/gtest.h>

#include <memory>

#include "rapt/rapt.h"
#include "verified_texts.h"

namespace rapt::training {
namespace {

/// What a language model is made of, with a switch for each error.
struct TextModel : nn::Module {
  enum class Error {
    none,
    no_mask,
    mask_sees_one_more,
    window_of_batch,
    attends_over_rows,
    mean_of_rows,
    later_mean,
    dropout_in_evaluation,
    own_generator,
    no_positions,
    forgotten_child,
    replaced_weight,
    frozen_layer,
    detached_branch,
    detached_weight,
    unused_layer,
    running_mean,
    ignores_input,
    transposed,
    rolled_rows,
    reads_targets,
    wrong_gradient,
    too_large,
  };

  TextModel(Error planted, Rng& rng)
      : error(planted),
        tokens(child("tokens", nn::Embedding(letters, width, rng))),
        positions(parameter("positions", rng.normal({places, width}, 0, 0.3))),
        attention(child("attention", nn::MultiHeadAttention({.width = width, .heads = 2}, rng))),
        hidden(child("hidden", nn::Linear(width, width, rng))),
        unused(error == Error::unused_layer ? child("unused", nn::Linear(width, width, rng))
                                            : nn::Linear(width, width, rng)),
        head(error == Error::forgotten_child ? nn::Linear(width, letters, rng)
                                             : child("head", nn::Linear(width, letters, rng))),
        drops(stream("drops", rng.fork())),
        own(rng.fork()),
        mean(zeros({width})) {
    if (error == Error::frozen_layer) hidden.weight.set_requires_grad(false);
    if (error == Error::replaced_weight) {
      hidden.weight = rng.normal({width, width}, 0, 0.3).set_requires_grad();
    }
  }

  Tensor operator()(const NamedTensors& batch) const {
    Tensor x = tokens(batch["tokens"]);
    if (error != Error::no_positions) x = x + positions;
    if (error == Error::reads_targets) {
      x = x + unsqueeze(maximum(batch["targets"], 0).to(Dtype::f32), -1) * 0.01;
    }
    Mask mask = Mask::causal();
    if (error == Error::no_mask) mask = {};
    if (error == Error::mask_sees_one_more) mask = Mask::window(places, 1);
    if (error == Error::attends_over_rows || error == Error::transposed) x = transpose(x, 0, 1);
    if (error == Error::attends_over_rows) mask = {};
    Tensor a = attention(x, {.mask = mask});
    if (error == Error::attends_over_rows || error == Error::transposed) {
      x = transpose(x, 0, 1), a = transpose(a, 0, 1);
    }
    x = x + a;
    if (error == Error::mean_of_rows) x = x - rapt::mean(x, 0, {.keepdim = true});
    if (error == Error::later_mean) x = x - rapt::mean(x, 1, {.keepdim = true});
    if (error == Error::window_of_batch) x = x / (max(abs(x)) + 1.0);
    if (error == Error::rolled_rows) x = roll(x, 1, 0);
    if (error == Error::running_mean) {
      x = x - mean;
      if (training()) mean = mean * 0.9 + rapt::mean(x.detach(), {0, 1}) * 0.1;
    }
    if (error == Error::dropout_in_evaluation) x = dropout(x, 0.3, *drops);
    if (error == Error::own_generator && training()) x = dropout(x, 0.3, own);
    Tensor h = gelu(hidden(x));
    if (error == Error::detached_branch) h = h.detach() + 0.0 * h;
    if (error == Error::detached_weight) h = gelu(linear(x, hidden.weight.detach(), hidden.bias));
    if (error == Error::wrong_gradient) {
      h = record(
          "twice", {h}, [&] { return h * 2.0; },
          [](const Backward& b) -> Gradients { return {b.grad}; });
    }
    x = x + h;
    if (error == Error::ignores_input) x = x * 0.0 + positions;
    return head(x) * (error == Error::too_large ? 30.0 : 1.0);
  }

  Error error;
  nn::Embedding tokens;
  Tensor positions;
  nn::MultiHeadAttention attention;
  nn::Linear hidden, unused, head;
  std::shared_ptr<Rng> drops;
  mutable Rng own;
  mutable Tensor mean;
};

using Error = TextModel::Error;

struct PlantedInModel {
  Error error;
  const char* promise;  // that it breaks, among others perhaps
};

class PlantedInModelTest : public ::testing::TestWithParam<PlantedInModel> {};

Verification verified(Error error, uint64_t seed) {
  Rng rng(seed);
  TextModel model(error, rng);
  return verify(
      model, text_batch(), [&](const NamedTensors& batch) { return model(batch); }, next_token_loss,
      of_text());
}

TEST_P(PlantedInModelTest, IsFound) {
  const Verification found = verified(GetParam().error, 1);
  expect_broken(found, GetParam().promise);
}

INSTANTIATE_TEST_SUITE_P(Errors, PlantedInModelTest,
                         ::testing::Values(PlantedInModel{Error::no_mask, "causal"},
                                           PlantedInModel{Error::mask_sees_one_more, "causal"},
                                           PlantedInModel{Error::window_of_batch, "rows"},
                                           PlantedInModel{Error::attends_over_rows, "rows"},
                                           PlantedInModel{Error::mean_of_rows, "rows"},
                                           PlantedInModel{Error::later_mean, "causal"},
                                           PlantedInModel{Error::dropout_in_evaluation,
                                                          "evaluation"},
                                           PlantedInModel{Error::own_generator, "evaluation"},
                                           PlantedInModel{Error::no_positions, "order"},
                                           PlantedInModel{Error::forgotten_child, "parameters"},
                                           PlantedInModel{Error::replaced_weight, "parameters"},
                                           PlantedInModel{Error::frozen_layer, "parameters"},
                                           PlantedInModel{Error::detached_branch, "gradients"},
                                           PlantedInModel{Error::detached_weight, "gradients"},
                                           PlantedInModel{Error::unused_layer, "parameters"},
                                           PlantedInModel{Error::running_mean, "evaluation"},
                                           PlantedInModel{Error::ignores_input, "inputs"},
                                           PlantedInModel{Error::transposed, "rows"},
                                           PlantedInModel{Error::rolled_rows, "rows"},
                                           PlantedInModel{Error::reads_targets, "inputs"},
                                           PlantedInModel{Error::wrong_gradient, "gradients"},
                                           PlantedInModel{Error::too_large, "first_loss"}));

TEST(PlantedInModel, NothingIsFoundWhereThereIsNothing) {
  for (const uint64_t seed : {1, 2, 3}) {
    EXPECT_EQ(verified(Error::none, seed).text, "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace rapt::training
