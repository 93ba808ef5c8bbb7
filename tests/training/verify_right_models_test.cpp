// Models, losses and data that are unusual, and right: verify has to find nothing.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "../support/tensors.h"
#include "rapt/rapt.h"
#include "verified_texts.h"

namespace rapt::training {
namespace {

Tensor ragged_lengths() { return from_values<int64_t>({9, 4, 7, 2, 9, 5}); }

/// {words, segments, lengths, tags}: words and segments of the same lengths.
NamedTensors tagged_words() {
  Rng rng(1);
  const Tensor counts = less(unsqueeze(arange(places), 0), unsqueeze(ragged_lengths(), 1));
  const Tensor none = zeros({}, Dtype::i64);
  return {{"words", where(counts, rng.integers(1, letters, {rows, places}), none)},
          {"segments", where(counts, rng.integers(0, 3, {rows, places}), none)},
          {"lengths", ragged_lengths()},
          {"tags", where(counts, rng.integers(0, 4, {rows, places}), full({}, -100, Dtype::i64))}};
}

struct Tagger : nn::Module {
  explicit Tagger(int64_t outputs, Rng& rng)
      : segments(child("segments", nn::Embedding(3, width, rng))),
        words(child("words", nn::Embedding(letters, width, rng))),
        lstm(
            child("lstm", nn::LSTM({.input = width, .hidden = width, .bidirectional = true}, rng))),
        head(child("head", nn::Linear(2 * width, outputs, rng))) {}
  Tensor operator()(const NamedTensors& batch) const {
    const Tensor x = words(batch["words"]) + segments(batch["segments"]);
    return head(lstm(x, {.lengths = batch["lengths"]}));
  }
  nn::Embedding segments, words;
  nn::LSTM lstm;
  nn::Linear head;
};

TEST(VerifyRightModels, ATaggerOfTwoInputsOfTheSameLengths) {
  Rng rng(2);
  Tagger model(4, rng);
  const Verification found = verify(
      model, tagged_words(), [&](const NamedTensors& b) { return model(b); },
      [](const Tensor& y, const NamedTensors& b) { return cross_entropy(y, b["tags"]); },
      {.inputs = {{.name = "words", .lengths = "lengths"},
                  {.name = "segments", .lengths = "lengths"}},
       .first_loss = std::log(4)});
  EXPECT_EQ(found.text, "");
}

// [B, T]: which place begins the answer, say. The places beyond have no chance: -inf.
TEST(VerifyRightModels, ScoresOfPlacesWithMinusInfinityOnPadding) {
  Rng rng(2);
  Tagger model(1, rng);
  NamedTensors batch = tagged_words();
  batch.add("begin", from_values<int64_t>({3, 0, 6, 1, 8, 2}));
  const Verification found = verify(
      model, batch,
      [&](const NamedTensors& b) {
        const Tensor scores = select(model(b), -1, 0);
        const Tensor counts =
            less(unsqueeze(arange(scores.size(1)), 0), unsqueeze(b["lengths"], 1));
        return masked_fill(scores, logical_not(counts), -std::numeric_limits<double>::infinity());
      },
      [](const Tensor& y, const NamedTensors& b) { return cross_entropy(y, b["begin"]); },
      {.inputs = {{.name = "words", .lengths = "lengths", .along_output = true},
                  {.name = "segments", .lengths = "lengths", .along_output = true}}});
  EXPECT_EQ(found.text, "");
}

struct Net : nn::Module {
  explicit Net(Rng& rng)
      : up(child("up", nn::Linear(3, 24, rng))), down(child("down", nn::Linear(24, 1, rng))) {}
  Tensor operator()(const Tensor& x) const { return down(tanh(up(x))); }
  nn::Linear up, down;
};

NamedTensors points(double offset) {
  Rng rng(3);
  const Tensor x = rng.uniform({rows, 3}, 0.5, 2);
  return {{"x", x}, {"y", sum(x * x, 1, {.keepdim = true}) + offset}};
}

Loss squared(const Tensor& y, const NamedTensors& b) { return mse_loss(y, b["y"]); }

// Random numbers added to these would be below 0: NaN.
TEST(VerifyRightModels, FloatsThatGoThroughALogarithm) {
  Rng rng(4);
  Net model(rng);
  const Verification found =
      verify(model, points(0), [&](const NamedTensors& b) { return model(log(b["x"])); }, squared,
             {.inputs = {{.name = "x"}}});
  EXPECT_EQ(found.text, "");
}

TEST(VerifyRightModels, StatisticsOfTheBatchThatArePromised) {
  Rng rng(4);
  Net model(rng);
  const Verification found = verify(model, points(0),
                                    [&](const NamedTensors& b) {
                                      const Tensor x = b["x"];
                                      return model((x - mean(x, 0)) / (stddev(x, {0}) + 1e-3));
                                    },
                                    squared, {.inputs = {{.name = "x"}}, .rows = false});
  EXPECT_EQ(found.text, "");
}

// The first outputs are 0, and so is a target: its gradient is 0.
TEST(VerifyRightModels, AHeadOfZerosAndATargetOfZero) {
  Rng rng(4);
  Net model(rng);
  model.down.weight.copy_from(zeros({1, 24}));
  model.down.bias.copy_from(zeros({1}));
  const NamedTensors batch = points(0);
  const Tensor first = equal(unsqueeze(arange(rows), 1), 0);
  const NamedTensors zero = {{"x", batch["x"]}, {"y", where(first, 0.0, batch["y"])}};
  const Verification found =
      verify(model, zero, [&](const NamedTensors& b) { return model(b["x"]); }, squared,
             {.inputs = {{.name = "x"}}});
  EXPECT_EQ(found.text, "");
}

// A loss that goes through layers of the model, with dropout.
TEST(VerifyRightModels, ALossWithAHeadInIt) {
  Rng rng(5);
  nn::TransformerOptions options = options_of_text();
  nn::Encoder model(options, rng);
  struct Whole : nn::Module {
    Whole(nn::Encoder of, Rng& rng)
        : encoder(child("encoder", std::move(of))),
          drop(child("drop", nn::Dropout(0.2, rng))),
          head(child("head", nn::Linear(width, letters, rng))) {}
    nn::Encoder encoder;
    nn::Dropout drop;
    nn::Linear head;
  } whole(std::move(model), rng);
  const Verification found = verify(
      whole, text_batch(),
      [&](const NamedTensors& b) { return whole.encoder(b["tokens"], {.mask = Mask::causal()}); },
      [&](const Tensor& y, const NamedTensors& b) {
        return linear_cross_entropy(whole.drop(y), whole.head.weight, b["targets"],
                                    {.bias = whole.head.bias});
      },
      {.inputs = {{.name = "tokens", .causal = true}}, .first_loss = std::log(letters)});
  EXPECT_EQ(found.text, "");
}

// What stands in for a masked token is at work in training only.
TEST(VerifyRightModels, AParameterOfTrainingMode) {
  struct Masking : nn::Module {
    explicit Masking(Rng& rng)
        : model(child("model", nn::DecoderOnly(options_of_text(), rng))),
          extra(parameter("extra", rng.normal({letters}, 0, 0.1))) {}
    Tensor operator()(const Tensor& ids) const {
      return training() ? model(ids) + extra : model(ids);
    }
    nn::DecoderOnly model;
    Tensor extra;
  };
  Rng rng(6);
  Masking model(rng);
  const Verification found = verify(
      model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
      next_token_loss, of_text());
  EXPECT_EQ(found.text, "");
}

// Two inputs of the same places, neither of which may be seen ahead.
TEST(VerifyRightModels, TwoCausalInputs) {
  struct Two : nn::Module {
    explicit Two(Rng& rng)
        : tokens(child("tokens", nn::Embedding(letters, width, rng))),
          features(child("features", nn::Linear(2, width, rng))),
          lstm(child("lstm", nn::LSTM({.input = width, .hidden = 32}, rng))),
          head(child("head", nn::Linear(32, letters, rng))) {}
    Tensor operator()(const NamedTensors& b, bool ahead) const {
      const Tensor f = b["features"];
      const Tensor seen = ahead ? roll(f, -1, 1) : f;
      return head(lstm(tokens(b["tokens"]) + features(seen)));
    }
    nn::Embedding tokens;
    nn::Linear features;
    nn::LSTM lstm;
    nn::Linear head;
  };
  NamedTensors batch = text_batch();
  batch.add("features", Rng(8).normal({rows, places, 2}));
  for (const bool ahead : {false, true}) {
    Rng rng(7);
    Two model(rng);
    Promises promises = of_text();
    promises.inputs.push_back({.name = "features", .causal = true});
    const Verification found = verify(
        model, batch, [&](const NamedTensors& b) { return model(b, ahead); }, next_token_loss,
        promises);
    if (ahead) {
      expect_broken(found, "causal");
    } else {
      EXPECT_EQ(found.text, "");
    }
  }
}

// ---- and what must not be lost
// -------------------------------------------------------------------

TEST(VerifyRightModels, AnErrorOnTheWayLeavesTheModelAsItWas) {
  for (const int last : {0, 5, 40, 100, 150}) {
    Rng rng(9);
    nn::DecoderOnly model(options_of_text(), rng);
    NamedTensors before;
    for (const auto& [name, tensor] : model.state()) before.add(name, tensor.detach().clone());
    int calls = 0;
    const auto forward = [&](const NamedTensors& b) {
      if (calls++ == last) fail("forward: that is enough");
      return model(b["tokens"]);
    };
    EXPECT_THROW(verify(model, text_batch(), forward, next_token_loss, of_text()), Error) << last;
    for (const auto& [name, tensor] : model.state()) {
      EXPECT_TRUE(tests::same_bits(tensor, before[name])) << name << " after " << last;
    }
    for (const auto& [name, parameter] : model.parameters()) {
      EXPECT_FALSE(parameter.grad().defined()) << name;
    }
  }
}

// One that is built with the same seed, and takes nothing over.
TEST(VerifyRightModels, ARebuiltModelThatForgetsToLoadIsFound) {
  Rng rng(1);
  nn::DecoderOnly model(options_of_text(), rng);
  Promises promises = of_text();
  promises.rebuilt = [](const NamedTensors&, const NamedTensors& batch) {
    Rng same(1);
    return nn::DecoderOnly(options_of_text(), same)(batch["tokens"]);
  };
  expect_broken(verify(
                    model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
                    next_token_loss, promises),
                "state");
}

}  // namespace
}  // namespace rapt::training
