// verify, tried on losses, data and optimizers with errors in them, and on models that have none.

#include "rapt/training/verify.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "../support/tensors.h"
#include "rapt/rapt.h"
#include "rapt/training/verify_gtest.h"
#include "verified_texts.h"

namespace rapt::training {
namespace {

/// Words of several lengths, and the class that each is of.
NamedTensors word_batch() {
  Rng rng(4);
  const std::vector<int64_t> lengths = {9, 3, 5, 7, 2, 9};
  Tensor words = rng.integers(1, letters, {rows, places});
  words = where(less(unsqueeze(arange(places), 0), unsqueeze(from_values(lengths), 1)), words,
                zeros({}, Dtype::i64));
  return {{"words", words},
          {"lengths", from_values(lengths)},
          {"language", from_values<int64_t>({0, 1, 2, 1, 0, 2})}};
}

TEST(Verify, FindsNothingWhateverThePositionsAndTheInitialWeights) {
  const auto verified_with = [](nn::TransformerOptions options, auto initialize) {
    Rng rng(5);
    nn::DecoderOnly model(options, rng);
    for (const auto& [name, weight] : model.parameters()) {
      if (weight.rank() == 2) initialize(Tensor(weight), rng);
    }
    return verify(
        model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
        next_token_loss, of_text());
  };
  const auto as_it_is = [](const Tensor&, Rng&) {};
  nn::TransformerOptions options = options_of_text();
  for (const nn::AttentionPositions& positions :
       {nn::AttentionPositions::rotary(), nn::AttentionPositions::alibi(),
        nn::AttentionPositions::relative_bias(), nn::AttentionPositions::relative_keys()}) {
    options.block.attention.positions = positions;
    EXPECT_EQ(verified_with(options, as_it_is).text, "");
  }
  options = options_of_text();
  for (const double stddev : {0.02, 0.05, 0.2}) {
    options.stddev = stddev;
    for (const bool pre_norm : {true, false}) {
      options.block.pre_norm = pre_norm;
      EXPECT_EQ(verified_with(options, as_it_is).text, "") << stddev << pre_norm;
    }
  }
  options = options_of_text();
  using Initialize = Tensor (*)(const Shape&, Rng&);
  const std::vector<std::pair<const char*, Initialize>> ways = {
      {"xavier uniform", [](const Shape& s, Rng& r) { return nn::xavier_uniform(s, r); }},
      {"xavier normal", [](const Shape& s, Rng& r) { return nn::xavier_normal(s, r); }},
      {"kaiming uniform", [](const Shape& s, Rng& r) { return nn::kaiming_uniform(s, r, 1); }},
      {"kaiming normal", [](const Shape& s, Rng& r) { return nn::kaiming_normal(s, r, 1); }},
      {"a head of zeros", [](const Shape& s, Rng& r) {
         return s[0] == letters ? zeros(s) : nn::gpt2_normal(s, r, 1, 0.1);
       }}};
  for (const auto& way : ways) {
    EXPECT_EQ(
        verified_with(options, [&](Tensor weight,
                                   Rng& rng) { weight.copy_from(way.second(weight.shape(), rng)); })
            .text,
        "")
        << way.first;
  }
}

/// A model of rapt's and a loss with an error in it.
Verification with_loss(FunctionRef<Loss(const Tensor&, const NamedTensors&)> loss,
                       const NamedTensors& batch = text_batch(), Promises promises = of_text()) {
  Rng rng(1);
  nn::DecoderOnly model(options_of_text(), rng);
  return verify(
      model, batch, [&](const NamedTensors& b) { return model(b["tokens"]); }, loss, promises);
}

TEST(Verify, FindsErrorsInLosses) {
  EXPECT_EQ(with_loss(next_token_loss).text, "");
  const auto targets_of = [](const NamedTensors& b) { return b["targets"]; };
  // The tokens themselves as targets: nothing is shifted.
  expect_broken(with_loss([](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(y, b["tokens"]);
                }),
                "next_token");
  // Shifted by two.
  expect_broken(with_loss([](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(slice(y, 1, 0, places - 2),
                                       slice(b["tokens"], 1, 2, places));
                }),
                "next_token");
  // Shifted the wrong way.
  expect_broken(with_loss([](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(slice(y, 1, 1, places),
                                       slice(b["tokens"], 1, 0, places - 1));
                }),
                "next_token");
  // The mean where the sum belongs, counted again.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  const Loss loss = cross_entropy(y, targets_of(b));
                  return Loss{loss.mean(), loss.count};
                }),
                "first_loss");
  // Summed, and never divided.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  return Loss{cross_entropy(y, targets_of(b)).sum, 1};
                }),
                "first_loss");
  // A mean of batches of different sizes.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  return Loss{cross_entropy(y, targets_of(b)).mean(), 1};
                }),
                "loss");
  // Probabilities where logits are wanted.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(softmax(y, -1), targets_of(b));
                }),
                "overfits");
  // Made larger, not smaller.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  const Loss loss = cross_entropy(y, targets_of(b));
                  return Loss{-loss.sum, loss.count};
                }),
                "overfits");
  // The first row alone.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(slice(y, 0, 0, 1), slice(targets_of(b), 0, 0, 1));
                }),
                "loss");
  // Cut from the graph.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(y.detach(), targets_of(b));
                }),
                "parameters");
  // No target at all.
  expect_broken(with_loss([&](const Tensor& y, const NamedTensors& b) {
                  return cross_entropy(y, full(b["tokens"].shape(), -100, Dtype::i64));
                }),
                "first_loss");
}

TEST(Verify, FindsErrorsInData) {
  // Targets of other rows.
  NamedTensors batch = text_batch();
  const NamedTensors rolled = {{"tokens", batch["tokens"]},
                               {"targets", roll(batch["targets"], 1, 0)}};
  expect_broken(with_loss(next_token_loss, rolled), "next_token");
}

/// A classifier, and what reads its words wrong.
Verification of_words(FunctionRef<Tensor(const nn::Classifier&, const NamedTensors&)> forward,
                      nn::PoolingKind pooling = nn::PoolingKind::mean) {
  Rng rng(2);
  nn::Classifier model({.encoder = {.vocabulary = letters,
                                    .context = places,
                                    .width = width,
                                    .layers = 1,
                                    .block = {.attention = {.heads = 2}}},
                        .classes = 3,
                        .pooling = pooling},
                       rng);
  return verify(
      model, word_batch(), [&](const NamedTensors& b) { return forward(model, b); },
      [](const Tensor& y, const NamedTensors& b) { return cross_entropy(y, b["language"]); },
      {.inputs = {{.name = "words", .lengths = "lengths"}}, .first_loss = std::log(3.0)});
}

TEST(Verify, FindsErrorsWithLengths) {
  for (const auto pooling : {nn::PoolingKind::mean, nn::PoolingKind::max, nn::PoolingKind::first,
                             nn::PoolingKind::attention}) {
    EXPECT_EQ(
        of_words([](const nn::Classifier& model,
                    const NamedTensors& b) { return model(b["words"], {.lengths = b["lengths"]}); },
                 pooling)
            .text,
        "");
  }
  // Forgotten.
  expect_broken(of_words([](const nn::Classifier& model, const NamedTensors& b) {
                  return model(b["words"]);
                }),
                "padding");
  // One too many.
  expect_broken(of_words([](const nn::Classifier& model, const NamedTensors& b) {
                  return model(b["words"], {.lengths = minimum(b["lengths"] + 1, places)});
                }),
                "padding");
  // One too few.
  expect_broken(of_words([](const nn::Classifier& model, const NamedTensors& b) {
                  return model(b["words"], {.lengths = maximum(b["lengths"] - 1, 1)});
                }),
                "inputs");
  // In attention only: the mean is over all places.
  expect_broken(of_words([](const nn::Classifier& model, const NamedTensors& b) {
                  const Tensor x = model.encoder(b["words"], {.lengths = b["lengths"]});
                  return model.head(mean(x, 1));
                }),
                "padding");
  // The sum of what counts, divided by all places.
  expect_broken(of_words([](const nn::Classifier& model, const NamedTensors& b) {
                  const Tensor x = model.encoder(b["words"], {.lengths = b["lengths"]});
                  const Tensor counts =
                      less(unsqueeze(arange(x.size(1)), 0), unsqueeze(b["lengths"], 1));
                  return model.head(mean(x * unsqueeze(counts, -1).to(Dtype::f32), 1));
                }),
                "alone");
}

TEST(Verify, FindsDocumentsThatSeeOneAnother) {
  NamedTensors batch = text_batch();
  std::vector<int64_t> documents;
  for (int64_t i = 0; i < rows * places; ++i) documents.push_back(i % places < 4 ? 0 : 1);
  batch.add("documents", from_values(documents, {rows, places}));
  Promises promises = of_text();
  promises.inputs[0].documents = "documents";
  for (const bool masked : {true, false}) {
    Rng rng(1);
    nn::DecoderOnly model(options_of_text(), rng);
    const Verification found = verify(
        model, batch,
        [&](const NamedTensors& b) {
          const Mask mask = masked ? Mask::documents(b["documents"]) : Mask();
          return model(b["tokens"], {.mask = mask});
        },
        next_token_loss, promises);
    if (masked) {
      EXPECT_EQ(found.text, "");
    } else {
      expect_broken(found, "documents");
    }
  }
}

TEST(Verify, FindsAnOptimizerOfOtherParameters) {
  Rng rng(1);
  nn::DecoderOnly model(options_of_text(), rng), other(options_of_text(), rng);
  optim::Adam mine(model.parameters()), theirs(other.parameters()),
      part(model.parameters().with_prefix("blocks."));
  const auto found = [&](const optim::Optimizer& optimizer) {
    Promises promises = of_text();
    promises.optimizer = &optimizer;
    return verify(
        model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
        next_token_loss, promises);
  };
  EXPECT_EQ(found(mine).text, "");
  expect_broken(found(theirs), "parameters");
  expect_broken(found(part), "parameters");
}

TEST(Verify, FindsWhatAModelBuiltAnewDoesNotTakeOver) {
  /// A projection that is drawn, never trained, and not noted.
  struct Drawn : nn::Module {
    explicit Drawn(bool noted, Rng& rng)
        : model(child("model", nn::DecoderOnly(options_of_text(), rng))),
          drawn(noted ? buffer("drawn", rng.normal({letters}, 0, 0.1))
                      : rng.normal({letters}, 0, 0.1)) {}
    Tensor operator()(const Tensor& ids) const { return model(ids) + drawn; }
    nn::DecoderOnly model;
    Tensor drawn;
  };
  for (const bool noted : {true, false}) {
    Rng rng(1);
    Drawn model(noted, rng);
    Promises promises = of_text();
    promises.rebuilt = [noted](const NamedTensors& state, const NamedTensors& batch) {
      Rng other(2);
      Drawn anew(noted, other);
      anew.load_state(state);
      return anew(batch["tokens"]);
    };
    const Verification found = verify(
        model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
        next_token_loss, promises);
    if (noted) {
      EXPECT_EQ(found.text, "");
    } else {
      expect_broken(found, "state");
    }
  }
}

TEST(Verify, LeavesEverythingAsItWas) {
  Rng rng(1);
  nn::TransformerOptions options = options_of_text();
  options.dropout = 0.2;
  nn::DecoderOnly model(options, rng);
  const NamedTensors before = model.state();
  NamedTensors copies;
  for (const auto& [name, tensor] : before) copies.add(name, tensor.detach().clone());
  Tensor weight = model.parameters().begin()->second;
  weight.set_grad(ones(weight.shape()));
  EXPECT_TRUE(KeepsPromises(
      model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
      next_token_loss, of_text()));
  for (const auto& [name, tensor] : model.state()) {
    EXPECT_TRUE(tests::same_bits(tensor, copies[name])) << name;
  }
  EXPECT_EQ(sum(weight.grad()).item(), static_cast<double>(weight.numel()));
  EXPECT_TRUE(model.training());
  for (const auto& [name, parameter] : model.parameters()) {
    if (parameter.same_as(weight)) continue;
    EXPECT_FALSE(parameter.grad().defined()) << name;
  }
}

TEST(Verify, SaysWhatItDidNotCheck) {
  Rng rng(1);
  nn::DecoderOnly model(options_of_text(), rng);
  const Verification found =
      verify(model, text_batch(), [&](const NamedTensors& b) { return model(b["tokens"]); },
             next_token_loss, {.inputs = {{.name = "tokens", .causal = true}}, .overfits = false});
  EXPECT_EQ(found.text, "");
  const auto outcome_of = [&](const std::string& name) {
    for (const VerifiedPromise& promise : found.promises) {
      if (promise.name == name) return promise.outcome;
    }
    return VerifiedPromise::Outcome::broken;
  };
  EXPECT_EQ(outcome_of("causal"), VerifiedPromise::Outcome::kept);
  EXPECT_EQ(outcome_of("first_loss"), VerifiedPromise::Outcome::not_checked);
  EXPECT_EQ(outcome_of("overfits"), VerifiedPromise::Outcome::not_checked);
}

TEST(Verify, RefusesPromisesThatTheBatchCannotKeep) {
  Rng rng(1);
  nn::DecoderOnly model(options_of_text(), rng);
  const auto with = [&](const NamedTensors& batch, InputPromise input) {
    return verify(model, batch, [&](const NamedTensors& b) { return model(b["tokens"]); },
                  next_token_loss, {.inputs = {std::move(input)}});
  };
  const NamedTensors batch = text_batch();
  EXPECT_THROW(verify(model, batch, [&](const NamedTensors& b) { return model(b["tokens"]); },
                      next_token_loss, {}),
               rapt::Error);
  EXPECT_THROW(with(batch, {.name = "words"}), rapt::Error);
  EXPECT_THROW(with(batch, {.name = "tokens", .lengths = "lengths"}), rapt::Error);
  EXPECT_THROW(with(batch, {.name = "tokens", .documents = "targets2"}), rapt::Error);
  NamedTensors one;
  for (const auto& [name, tensor] : batch) one.add(name, slice(tensor, 0, 0, 1));
  EXPECT_THROW(with(one, {.name = "tokens"}), rapt::Error);
}

}  // namespace
}  // namespace rapt::training
