// Errors as they happen to people who write models and losses, each planted into code that works
// without it: verify() has to find them all, and nothing in the code that works. This file:
// language models; verify_by_a_stranger_2_test.cpp: the others.

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "rapt/rapt.h"

namespace rapt::training {
namespace {

constexpr int64_t vocabulary = 12, width = 16, heads = 2;

/// `promise` is the one that is plainly broken; empty where it may be one of several.
void expect_broken(const Verification& found, const std::string& promise) {
  EXPECT_FALSE(found);
  EXPECT_NE(found.text.find(promise.empty() ? "" : promise + ": "), std::string::npos)
      << "wanted " << promise << "; got\n"
      << found.text;
}

/// Rows of random tokens {tokens, targets}, as views of one longer text: the target is what comes
/// next.
NamedTensors texts(int64_t rows, int64_t length, uint64_t seed) {
  const Tensor all = Rng(seed).integers(1, vocabulary, {rows, length + 1});
  return {{"tokens", slice(all, 1, 0, length)}, {"targets", slice(all, 1, 1, length + 1)}};
}

/// The same of different lengths: token 0 and target -100 fill up.
NamedTensors ragged_texts(const std::vector<int64_t>& lengths, int64_t length, uint64_t seed) {
  const auto rows = static_cast<int64_t>(lengths.size());
  Rng rng(seed);
  std::vector<int64_t> tokens, targets;
  for (const int64_t counts : lengths) {
    for (int64_t t = 0; t < length; ++t) {
      tokens.push_back(t < counts ? rng.integer(1, vocabulary) : 0);
      if (t > 0) targets.push_back(t < counts ? tokens.back() : -100);
    }
    targets.push_back(-100);
  }
  return {{"tokens", from_values(tokens, {rows, length})},
          {"targets", from_values(targets, {rows, length})},
          {"lengths", from_values(lengths)}};
}

Loss next_token_loss(const Tensor& logits, const NamedTensors& batch) {
  return cross_entropy(logits, batch["targets"]);
}

// ---- a model written out ------------------------------------------------------------------------

/// relu(x)^2 with a gradient of its own.
Tensor squared_relu(const Tensor& x, std::string_view bug) {
  return record(
      "squared_relu", {x}, [&] { return square(relu(x)); },
      [x, bug](const Backward& b) -> Gradients {
        if (bug == "OwnGradientIsHalf") return {b.grad * relu(x)};
        if (bug == "OwnGradientForgetsTheChain") return {2.0 * relu(x)};
        return {b.grad * 2.0 * relu(x)};
      });
}

/// A decoder of one block in plain ops, with places that are not trained, and the error of that
/// name below.   ids [B, T] -> logits [B, T, vocabulary]
class Written : public nn::Module {
 public:
  Written(std::string_view bug, Rng& rng)
      : tokens(child("tokens", nn::Embedding(vocabulary, width, rng))),
        norm1(child("norm1", nn::LayerNorm(width))),
        query(child("query", nn::Linear(width, width, rng))),
        key(child("key", nn::Linear(width, width, rng))),
        value(bug == "ChildForgotten" ? nn::Linear(width, width, rng)
                                      : child("value", nn::Linear(width, width, rng))),
        output(child("output", nn::Linear(width, width, rng))),
        norm2(child("norm2", nn::LayerNorm(width))),
        up(child("up", nn::Linear(width, 2 * width, rng))),
        down(child("down", nn::Linear(2 * width, width, rng))),
        norm3(child("norm3", nn::LayerNorm(width))),
        head(child("head", nn::Linear(width, vocabulary, rng))),
        drop(bug == "DropoutIsNoChild" ? nn::Dropout(0.1, rng)
                                       : child("drop", nn::Dropout(0.1, rng))),
        places(rng.normal({128, width})),
        bug_(bug) {
    if (bug != "TableIsNoBuffer") buffer("places", places);
    if (bug == "HeadTiedBehindItsBack") head.weight = tokens.weight;
    if (bug == "FrozenForAnExperimentAndLeft") tokens.weight.set_requires_grad(false);
    if (bug == "HeadStartsTooWide") head.weight.copy_from(rng.normal(head.weight.shape()));
  }

  Tensor operator()(const Tensor& ids) const {
    const int64_t B = ids.size(0), T = ids.size(1);
    Tensor x = embed(ids);
    if (bug_ == "MeanOfTheLastBatchIsKept") {
      const Tensor last = *last_mean_;
      *last_mean_ = mean(x.detach(), {0, 1});
      if (last.defined()) x = x + last;
    }
    if (bug_ == "WarmUpCountedInsideTheModel") {  // a warm-up inside of the model
      if (training()) ++*calls_;
      x = x * (1 + 0.01 * *calls_);
    }
    x = dropped(x);
    const Tensor before =
        bug_ == "TokenShiftWrapsAround" ? roll(x, 1, 1) : slice(pad(x, 1, 1, 0), 1, 0, T);
    x = x + 0.5 * before;
    const Tensor heard = attend(norm_one(x));
    x = x + (bug_ == "BranchDetached" ? heard.detach() : heard);
    Tensor hidden = squared_relu(up(norm2(x)), bug_);
    if (bug_ == "ActivationsRounded") hidden = round(hidden * 8.0) / 8.0;
    const Tensor logits = head(norm3(x + down(hidden)));
    if (bug_ != "LogitsViewedAsClassesFirst") return logits;
    return transpose(reshape(logits, {B, vocabulary, T}));  // meant: classes first, and back
  }

  nn::Embedding tokens;
  nn::LayerNorm norm1;
  nn::Linear query, key, value, output;
  nn::LayerNorm norm2;
  nn::Linear up, down;
  nn::LayerNorm norm3;
  nn::Linear head;
  nn::Dropout drop;
  Tensor places;

 private:
  Tensor embed(const Tensor& ids) const {
    const int64_t B = ids.size(0), T = ids.size(1);
    const Tensor where_they_stand =
        bug_ == "PlacesGoOnThroughTheBatch" ? reshape(arange(B * T), {B, T}) : arange(T);
    const Tensor place = embedding(places, where_they_stand);
    if (bug_ != "EmbeddingUnderNoGrad") return tokens(ids) + place;
    const NoGrad no_grad;
    return tokens(ids) + place;
  }

  Tensor dropped(const Tensor& x) const {
    if (bug_ == "DropoutInEvaluation") return rapt::dropout(x, 0.1, drop.rng());
    if (bug_ == "DropoutFromAnotherStream") {
      return training() ? rapt::dropout(x, 0.1, *elsewhere_) : x;
    }
    return drop(x);
  }

  Tensor norm_one(const Tensor& x) const {
    if (bug_ == "LayerNormOverPlacesToo") {
      return layer_norm(x, {}, {}, {.axes = 2}) * norm1.weight + norm1.bias;
    }
    if (bug_ == "NormOverTheBatch") {
      const Tensor apart = x - mean(x, {0}, {.keepdim = true});
      const Tensor spread = sqrt(mean(square(apart), {0}, {.keepdim = true}) + 1e-5);
      return apart / spread * norm1.weight + norm1.bias;
    }
    return norm1(x);
  }

  Tensor attend(const Tensor& x) const {
    const int64_t B = x.size(0), T = x.size(1);
    const auto heads_of = [&](const Tensor& y) {
      return transpose(reshape(y, {B, T, heads, width / heads}), 1, 2);  // [B, H, T, d]
    };
    const Tensor q = heads_of(query(x)), k = heads_of(key(x)), v = heads_of(value(x));
    Tensor scores = matmul(q, transpose(k)) / std::sqrt(static_cast<double>(width / heads));
    const Tensor allowed = tril(ones({T, T}), bug_ == "MaskLetsTheNextPlaceIn" ? 1 : 0);
    if (bug_ == "MaskOfOnesIsAddedToScores") {
      scores = scores + allowed;
    } else if (bug_ == "MaskTrueMeansForbidden") {
      scores = masked_fill(scores, allowed == 1.0, -1e9);
    } else if (bug_ != "NoMask" && bug_ != "MaskBehindSoftmax") {
      scores = masked_fill(scores, allowed == 0.0, -1e9);
    }
    Tensor weights = softmax(scores, bug_ == "SoftmaxOverQueries" ? -2 : -1);
    if (bug_ == "MaskBehindSoftmax") weights = weights * allowed;
    if (bug_ == "DenominatorOfSoftmaxDetached") {
      const Tensor e = exp(scores - max(scores, {-1}, {.keepdim = true}).detach());
      weights = e / sum(e, {-1}, {.keepdim = true}).detach();
    }
    const Tensor y = matmul(weights, v);  // [B, H, T, d]
    const bool by_reshape = bug_ == "HeadsJoinedWithoutTranspose";
    return output(reshape(by_reshape ? y : transpose(y, 1, 2), {B, T, width}));
  }

  std::string_view bug_;
  std::shared_ptr<Rng> elsewhere_ = std::make_shared<Rng>(5);
  std::shared_ptr<Tensor> last_mean_ = std::make_shared<Tensor>();
  std::shared_ptr<int> calls_ = std::make_shared<int>(0);
};

Verification verify_written(std::string_view bug, uint64_t seed, int64_t rows, int64_t length) {
  Rng rng(seed);
  Written model(bug, rng);
  return verify(model, texts(rows, length, seed + 100),
                [&](const NamedTensors& batch) { return model(batch["tokens"]); }, next_token_loss,
                {.inputs = {{.name = "tokens", .causal = true, .next_token = true}},
                 .first_loss = std::log(vocabulary),
                 .rebuilt = [bug](const NamedTensors& state, const NamedTensors& batch) {
                   Rng other(99);
                   Written again(bug, other);
                   again.load_state(state);
                   return again(batch["tokens"]);
                 }});
}

TEST(VerifyByAStranger, WrittenModelIsRight) {
  EXPECT_EQ(verify_written("", 1, 6, 8).text, "");
  EXPECT_EQ(verify_written("", 2, 4, 12).text, "");
  EXPECT_EQ(verify_written("", 3, 8, 5).text, "");
}

struct WrittenCase {
  const char* name;
  const char* promise;
  friend void PrintTo(const WrittenCase& c, std::ostream* out) { *out << c.name; }
};

class WrittenByAStranger : public testing::TestWithParam<WrittenCase> {};

TEST_P(WrittenByAStranger, IsFound) {
  SCOPED_TRACE(GetParam().name);
  expect_broken(verify_written(GetParam().name, 1, 6, 8), GetParam().promise);
}

INSTANTIATE_TEST_SUITE_P(
    All, WrittenByAStranger,
    testing::Values(
        // Places that see what comes behind them.
        WrittenCase{"NoMask", "causal"}, WrittenCase{"MaskLetsTheNextPlaceIn", "causal"},
        WrittenCase{"MaskTrueMeansForbidden", "causal"},
        WrittenCase{"MaskOfOnesIsAddedToScores", "causal"},
        WrittenCase{"MaskBehindSoftmax", "causal"}, WrittenCase{"SoftmaxOverQueries", "causal"},
        WrittenCase{"HeadsJoinedWithoutTranspose", "causal"},
        WrittenCase{"LayerNormOverPlacesToo", "causal"},
        WrittenCase{"TokenShiftWrapsAround", "causal"},
        WrittenCase{"LogitsViewedAsClassesFirst", "causal"},
        // Rows that know of their neighbours, or which one they are.
        WrittenCase{"NormOverTheBatch", "rows"}, WrittenCase{"PlacesGoOnThroughTheBatch", ""},
        // Gradients of another function.
        WrittenCase{"OwnGradientIsHalf", "gradients"},
        WrittenCase{"OwnGradientForgetsTheChain", "gradients"},
        WrittenCase{"DenominatorOfSoftmaxDetached", "gradients"},
        // Parameters that are not trained, or not known.
        WrittenCase{"BranchDetached", "parameters"},
        WrittenCase{"EmbeddingUnderNoGrad", "parameters"},
        WrittenCase{"ActivationsRounded", "parameters"},
        WrittenCase{"ChildForgotten", "parameters"},
        WrittenCase{"HeadTiedBehindItsBack", "parameters"},
        WrittenCase{"FrozenForAnExperimentAndLeft", "parameters"},
        // A start that is sure of what it does not know.
        WrittenCase{"HeadStartsTooWide", "first_loss"},
        // Chance and memory that nobody asked for.
        WrittenCase{"DropoutInEvaluation", "evaluation"},
        WrittenCase{"DropoutIsNoChild", "evaluation"},
        WrittenCase{"DropoutFromAnotherStream", "evaluation"},
        WrittenCase{"TableIsNoBuffer", "state"}, WrittenCase{"MeanOfTheLastBatchIsKept", ""},
        WrittenCase{"WarmUpCountedInsideTheModel", ""}),
    [](const auto& test) { return std::string(test.param.name); });

// ---- losses -------------------------------------------------------------------------------------

Verification verify_loss(FunctionRef<Loss(const Tensor&, const NamedTensors&)> loss,
                         double lowest = 0, const nn::TransformerOptions& more = {}) {
  Rng rng(4);
  nn::TransformerOptions options = more;
  options.vocabulary = vocabulary;
  options.context = 9;
  options.width = width;
  nn::DecoderOnly model(options, rng);
  return verify(
      model, ragged_texts({9, 4, 7, 2, 9, 6}, 9, 11),
      [&](const NamedTensors& batch) { return model(batch["tokens"]); }, loss,
      {.inputs = {{.name = "tokens", .causal = true, .next_token = true, .lengths = "lengths"}},
       .first_loss = std::log(vocabulary),
       .lowest_loss = lowest});
}

TEST(VerifyByAStranger, RaggedTextsAreRight) {
  EXPECT_EQ(verify_loss(next_token_loss).text, "");
  EXPECT_EQ(verify_loss(next_token_loss, 0,
                        {.layers = 1,
                         .block = {.attention = {.heads = 4,
                                                 .key_value_heads = 2,
                                                 .positions = nn::AttentionPositions::rotary()},
                                   .norm = nn::NormKind::rms},
                         .dropout = 0.1,
                         .tie_weights = true})
                .text,
            "");
}

TEST(VerifyByAStranger, SmoothedLossIsRight) {
  const double p = 0.8 + 0.2 / vocabulary, rest = 0.2 / vocabulary;
  const double lowest = -p * std::log(p) - (vocabulary - 1) * rest * std::log(rest);
  const auto smoothed = [](const Tensor& logits, const NamedTensors& batch) {
    return cross_entropy(logits, batch["targets"], {.label_smoothing = 0.2});
  };
  EXPECT_EQ(verify_loss(smoothed, lowest).text, "");
}

struct LossCase {
  const char* name;
  const char* promise;
  Loss (*loss)(const Tensor& logits, const NamedTensors& batch);
  friend void PrintTo(const LossCase& c, std::ostream* out) { *out << c.name; }
};

class LossByAStranger : public testing::TestWithParam<LossCase> {};

TEST_P(LossByAStranger, IsFound) {
  SCOPED_TRACE(GetParam().name);
  expect_broken(verify_loss(GetParam().loss), GetParam().promise);
}

INSTANTIATE_TEST_SUITE_P(
    All, LossByAStranger,
    testing::Values(LossCase{"TargetsNotShifted", "next_token",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               return cross_entropy(logits, batch["tokens"], {.ignore_index = 0});
                             }},
                    LossCase{"TargetsShiftedTwice", "next_token",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const int64_t T = logits.size(1);
                               return cross_entropy(slice(logits, 1, 0, T - 1),
                                                    slice(batch["targets"], 1, 1, T));
                             }},
                    LossCase{"TargetsShiftedTheOtherWay", "next_token",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const int64_t T = logits.size(1);
                               return cross_entropy(slice(logits, 1, 1, T),
                                                    slice(batch["tokens"], 1, 0, T - 1),
                                                    {.ignore_index = 0});
                             }},
                    LossCase{"SoftmaxTwice", "overfits",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               return cross_entropy(softmax(logits), batch["targets"]);
                             }},
                    LossCase{"WrongSign", "first_loss",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const Loss loss = cross_entropy(logits, batch["targets"]);
                               return Loss{-loss.sum, loss.count};
                             }},
                    LossCase{"MeanGivenAsSum", "loss",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const Loss loss = cross_entropy(logits, batch["targets"]);
                               return Loss{loss.mean(), loss.count};
                             }},
                    LossCase{"PaddingIsATarget", "loss",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const Tensor targets = batch["targets"];
                               return cross_entropy(logits, targets * (targets > 0).to(Dtype::i64));
                             }},
                    LossCase{"DividedByPaddingToo", "",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const auto places = static_cast<double>(batch["targets"].numel());
                               return Loss{cross_entropy(logits, batch["targets"]).sum, places};
                             }},
                    LossCase{"PenaltyOnLogitsOfPadding", "",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const Loss loss = cross_entropy(logits, batch["targets"]);
                               return Loss{loss.sum + 0.01 * sum(square(logits)), loss.count};
                             }},
                    LossCase{"LogitsTimeFirstTargetsBatchFirst", "loss",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               return cross_entropy(
                                   reshape(transpose(logits, 0, 1), {-1, vocabulary}),
                                   reshape(batch["targets"], {-1}));
                             }},
                    LossCase{"LastRowLeftOut", "loss",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const int64_t B = logits.size(0);
                               return cross_entropy(slice(logits, 0, 0, B - 1),
                                                    slice(batch["targets"], 0, 0, B - 1));
                             }},
                    LossCase{"ClassWeightsOfTheBatch", "loss",
                             [](const Tensor& logits, const NamedTensors& batch) {
                               const Tensor tokens = reshape(batch["tokens"], {-1});
                               const Tensor often = sum(one_hot(tokens, vocabulary), {0});
                               return cross_entropy(logits, batch["targets"],
                                                    {.class_weights = 1.0 / (often + 1.0)});
                             }}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace rapt::training
