// As verify_by_a_stranger_test.cpp: packed documents, classifiers, encoder-decoders, recurrent
// layers, regressions and their optimizers.

#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "rapt/rapt.h"

namespace rapt::training {
namespace {

constexpr int64_t vocabulary = 14, width = 16, classes = 3;

/// Rows of random tokens from `first` on, filled up with 0.
Tensor ragged(const std::vector<int64_t>& lengths, int64_t length, int64_t first, Rng& rng) {
  std::vector<int64_t> tokens;
  for (const int64_t counts : lengths) {
    for (int64_t t = 0; t < length; ++t) {
      tokens.push_back(t < counts ? rng.integer(first, vocabulary) : 0);
    }
  }
  return from_values(tokens, {static_cast<int64_t>(lengths.size()), length});
}

Loss target_loss(const Tensor& logits, const NamedTensors& batch) {
  return cross_entropy(logits, batch["targets"]);
}

// ---- packed documents ---------------------------------------------------------------------------

/// Three documents in each of four rows; the last place of each has no target.
Verification verify_packed(std::string_view bug) {
  Rng rng(1);
  std::vector<int64_t> documents;
  for (int64_t b = 0; b < 4; ++b) {
    for (int64_t t = 0; t < 10; ++t) documents.push_back(t < 3 + b % 2 ? 0 : t < 8 - b % 3 ? 1 : 2);
  }
  const Tensor tokens = rng.integers(0, vocabulary, {4, 10}), ids = from_values(documents, {4, 10});
  const Tensor same = (slice(ids, 1, 0, 9) == slice(ids, 1, 1, 10)).to(Dtype::i64);
  const Tensor next = slice(tokens, 1, 1, 10) * same - 100 * (1 - same);
  nn::DecoderOnly model({.vocabulary = vocabulary, .context = 10, .width = width}, rng);
  return verify(
      model, {{"tokens", tokens}, {"targets", pad(next, 1, 0, 1, -100)}, {"documents", ids}},
      [&](const NamedTensors& batch) {
        const Tensor packed = batch["documents"];
        if (bug == "DocumentsWithoutMask") return model(batch["tokens"]);
        const Tensor late = concat({slice(packed, 1, 0, 1), slice(packed, 1, 0, 9)}, 1);
        return model(batch["tokens"],
                     {.mask = Mask::documents(bug == "DocumentsBeginOneLate" ? late : packed)});
      },
      target_loss,
      {.inputs = {{.name = "tokens", .causal = true, .next_token = true, .documents = "documents"}},
       .first_loss = std::log(vocabulary)});
}

TEST(VerifyByAStranger, PackedDocumentsAreRight) { EXPECT_EQ(verify_packed("").text, ""); }

// ---- an encoder that classifies -----------------------------------------------------------------

/// Parts of a classifier put together by hand: the mean of a row's vectors, to logits [B, classes].
Tensor read(const nn::Classifier& model, const NamedTensors& batch, std::string_view bug) {
  const Tensor ids = slice(batch["ids"], 1, 0, bug == "LastPlacesCutOff" ? 5 : 8);
  const int64_t T = ids.size(1);
  Tensor lengths = clamp(batch["lengths"], 0, static_cast<double>(T));
  if (bug == "CountsItsTokens") lengths = count_nonzero(ids != 0, {1});
  if (bug == "CountsAnotherTokenAsPadding") lengths = count_nonzero(ids != 1, {1});
  if (bug == "LengthsOneMore") lengths = clamp(lengths + 1, 0, static_cast<double>(T));
  if (bug == "LengthsOneLess") lengths = lengths - 1;
  nn::EncoderInputs how{.lengths = lengths};
  if (bug == "AttentionSeesPadding") how.lengths = Tensor();
  if (bug == "FirstPlaceUnderACausalMask") how.mask = Mask::causal();
  const Tensor x = model.encoder(ids, how);  // [B, T, width]
  if (bug == "FirstPlaceUnderACausalMask") return model.head(select(x, 1, 0));
  if (bug == "MeanOverPadding") return model.head(mean(x, {1}));
  const Tensor counts = (arange(T) < unsqueeze(lengths, 1)).to(Dtype::f32);  // [B, T]
  const Tensor total = einsum("btw,bt->bw", {x, counts});
  if (bug == "SumDividedByTheLongest") return model.head(total / static_cast<double>(T));
  const Tensor logits = model.head(total / unsqueeze(lengths.to(Dtype::f32), 1));
  return bug == "LabelAmongTheInputs" ? logits + one_hot(batch["targets"], classes) : logits;
}

NamedTensors labelled_rows(uint64_t seed) {
  Rng rng(seed);
  const std::vector<int64_t> lengths = {8, 3, 5, 7, 2, 6};
  return {{"ids", ragged(lengths, 8, 1, rng)},
          {"lengths", from_values(lengths)},
          {"targets", from_values(std::vector<int64_t>{0, 2, 1, 1, 0, 2})}};
}

Promises reads_ids() {
  return {.inputs = {{.name = "ids", .lengths = "lengths"}}, .first_loss = std::log(classes)};
}

nn::TransformerOptions encoder_options() {
  return {.vocabulary = vocabulary, .context = 8, .width = width, .layers = 1};
}

Verification verify_reader(std::string_view bug) {
  Rng rng(1);
  nn::TransformerOptions options = encoder_options();
  if (bug == "PositionsForgotten") options.positions = nn::Positions::none;
  nn::Classifier model({.encoder = options, .classes = classes}, rng);
  Promises promises = reads_ids();
  if (bug.starts_with("Counts")) promises.inputs = {{.name = "ids", .padding_token = 0}};
  return verify(
      model, labelled_rows(1), [&](const NamedTensors& batch) { return read(model, batch, bug); },
      target_loss, promises);
}

TEST(VerifyByAStranger, ReadersAreRight) {
  EXPECT_EQ(verify_reader("").text, "");
  EXPECT_EQ(verify_reader("CountsItsTokens").text, "");
}

TEST(VerifyByAStranger, ClassifiersOfSeveralKindsAreRight) {
  std::vector<nn::TransformerOptions> kinds(3, encoder_options());
  kinds[0].block.attention.positions = nn::AttentionPositions::rotary();
  kinds[1].positions = nn::Positions::sinusoidal;
  kinds[2].block.pre_norm = false;
  kinds[2].dropout = 0.2;
  kinds[2].layers = 2;
  using enum nn::PoolingKind;
  for (const nn::TransformerOptions& options : kinds) {
    for (const nn::PoolingKind pooling : {mean, max, attention, first}) {
      Rng rng(3);
      nn::Classifier model({.encoder = options, .classes = classes, .pooling = pooling}, rng);
      const auto forward = [&](const NamedTensors& batch) {
        return model(batch["ids"], {.lengths = batch["lengths"]});
      };
      EXPECT_EQ(verify(model, labelled_rows(4), forward, target_loss, reads_ids()).text, "")
          << "kind " << &options - kinds.data() << ", pooling " << static_cast<int>(pooling);
    }
  }
}

// ---- encoder-decoder ----------------------------------------------------------------------------

/// Target: token 1, which begins all, and others; targets: the others, and 2, which ends them.
NamedTensors translations() {
  Rng rng(6);
  const std::vector<int64_t> read = {7, 4, 5, 3, 6, 7}, written = {4, 7, 3, 6, 7, 5};
  const Tensor words = ragged(written, 7, 3, rng);
  const Tensor last = (arange(7) == unsqueeze(from_values(written), 1) - 1).to(Dtype::i64);
  const Tensor counts = (words != 0).to(Dtype::i64);
  return {{"source", ragged(read, 7, 3, rng)},
          {"source_lengths", from_values(read)},
          {"target", concat({ones({6, 1}, Dtype::i64), slice(words, 1, 0, 6)}, 1) * counts},
          {"target_lengths", from_values(written)},
          {"targets", words * (1 - last) + 2 * last - 100 * (1 - counts)}};
}

Tensor translate(const nn::EncoderDecoder& model, const NamedTensors& batch, std::string_view bug) {
  Tensor source = batch["source"], target = batch["target"], lengths = batch["source_lengths"];
  if (bug == "PaddedSourceReversed") source = flip(source, {1});
  if (bug == "DecoderReadsWhatItIsToSay") target = clamp(batch["targets"], 0, vocabulary);
  if (bug == "DecoderReadsBeginsOnly") target = ones(target.shape(), Dtype::i64);
  if (bug == "LengthsOfTheOtherSide") lengths = batch["target_lengths"];
  if (bug == "TargetEncodedForSource") source = target, lengths = batch["target_lengths"];
  nn::EncodedSource encoded = model.encode(source, {.lengths = lengths});
  if (bug == "CrossAttentionSeesPadding") encoded.lengths = Tensor();
  if (bug == "MemoryOfTheFirstRowForAll") {
    encoded = {expand(slice(encoded.memory, 0, 0, 1), encoded.memory.shape()), Tensor()};
  }
  if (bug == "DecoderWithoutCausalMask") {
    return (*model.head)(model.decoder(
        model.target(target), {.memory = encoded.memory, .memory_mask = Mask::lengths(lengths)}));
  }
  return model.decode(target, encoded);
}

Verification verify_translation(nn::Module& model,
                                FunctionRef<Tensor(const NamedTensors&)> forward) {
  return verify(model, translations(), forward, target_loss,
                {.inputs = {{.name = "source", .lengths = "source_lengths"},
                            {.name = "target", .causal = true, .lengths = "target_lengths"}},
                 .first_loss = std::log(vocabulary)});
}

Verification verify_translator_with(nn::EncoderDecoderOptions options, std::string_view bug) {
  Rng rng(7);
  options.source = options.target = {.vocabulary = vocabulary, .context = 7};
  options.width = width;
  options.layers = 1;
  nn::EncoderDecoder model(options, rng);
  return verify_translation(
      model, [&](const NamedTensors& batch) { return translate(model, batch, bug); });
}

Verification verify_translator(std::string_view bug) { return verify_translator_with({}, bug); }

TEST(VerifyByAStranger, TranslatorsAreRight) {
  EXPECT_EQ(verify_translator("").text, "");
  const nn::EncoderDecoderOptions tied{
      .dropout = 0.1, .share_embeddings = true, .tie_weights = true};
  EXPECT_EQ(verify_translator_with(tied, "").text, "");
  Rng rng(8);
  const nn::RecurrentEncoderDecoderOptions options{vocabulary, vocabulary, width, width};
  nn::RecurrentEncoderDecoder model(options, rng);
  const auto forward = [&](const NamedTensors& batch) {
    return model(batch["source"], batch["target"], batch["source_lengths"]);
  };
  EXPECT_EQ(verify_translation(model, forward).text, "");
}

// ---- LSTMs --------------------------------------------------------------------------------------

struct Listener : nn::Module {
  Listener(const nn::LSTMOptions& options, int64_t outputs, Rng& rng)
      : tokens(child("tokens", nn::Embedding(vocabulary, options.input, rng))),
        lstm(child("lstm", nn::LSTM(options, rng))),
        head(child("head",
                   nn::Linear(options.hidden * (options.bidirectional ? 2 : 1), outputs, rng))) {}
  nn::Embedding tokens;
  nn::LSTM lstm;
  nn::Linear head;
};

/// It predicts the next token.
Verification verify_foretelling(std::string_view bug) {
  Rng rng(9);
  const Tensor all = rng.integers(0, vocabulary, {5, 8});
  Listener model({.input = width, .hidden = 24, .bidirectional = bug == "LstmReadsBothWays"},
                 vocabulary, rng);
  const auto forward = [&](const NamedTensors& batch) {
    const Tensor x = model.tokens(batch["tokens"]);
    const bool time_first = bug == "LstmReadsTimeFirst";
    return model.head(time_first ? transpose(model.lstm(transpose(x, 0, 1)), 0, 1) : model.lstm(x));
  };
  return verify(model, {{"tokens", slice(all, 1, 0, 7)}, {"targets", slice(all, 1, 1, 8)}}, forward,
                target_loss,
                {.inputs = {{.name = "tokens", .causal = true, .next_token = true}},
                 .first_loss = std::log(vocabulary)});
}

/// It classifies rows by the state behind their last token.
Verification verify_listener(std::string_view bug) {
  Rng rng(10);
  Listener model({.input = width, .hidden = width, .layers = 2}, classes, rng);
  return verify(
      model, labelled_rows(2),
      [&](const NamedTensors& batch) {
        Tensor ids = batch["ids"], lengths = batch["lengths"];
        if (bug == "SortedByLengthAndNotPutBack") {
          const Tensor order = argsort(lengths, 0, {.descending = true});
          ids = index_select(ids, 0, order), lengths = index_select(lengths, 0, order);
        }
        if (bug == "LastPlaceIsPadding") lengths = Tensor();
        RecurrentState last;
        const Tensor y = model.lstm(model.tokens(ids), {.lengths = lengths, .last = &last});
        if (bug == "LastPlaceIsPadding" || bug == "LastPlaceOfShortRowsIsZero") {
          return model.head(select(y, 1, -1));
        }
        return model.head(last.hidden[bug == "StateOfTheFirstLayer" ? 0 : 1]);
      },
      target_loss, reads_ids());
}

TEST(VerifyByAStranger, LstmsAreRight) {
  EXPECT_EQ(verify_foretelling("").text, "");
  EXPECT_EQ(verify_listener("").text, "");
}

// ---- regression ---------------------------------------------------------------------------------

struct Net : nn::Module {
  explicit Net(Rng& rng)
      : up(child("up", nn::Linear(5, width, rng))),
        down(child("down", nn::Linear(width, 1, rng))),
        scale(parameter("scale", ones({1}))) {}
  nn::Linear up, down;
  Tensor scale;
};

Tensor predict(const Net& net, Tensor x, std::string_view bug) {
  if (bug == "FeaturesCenteredByTheBatch") x = x - mean(x, {0}, {.keepdim = true});
  if (bug == "LastFeatureForgotten") x = pad(slice(x, 1, 0, 4), 1, 0, 1);
  Tensor h = relu(net.up(x));
  if (bug == "SumsRunOverRows") h = cumsum(h, 0);
  if (bug == "RootOfNegativesBehindWhere") h = where(h > 0.0, sqrt(net.up(x)), 0.0);
  if (bug == "LengthDetached" || bug == "LengthNotDetached") {
    const Tensor length = norm(h, {-1}, {.keepdim = true}) + 0.01;
    h = 4.0 * h / (bug == "LengthDetached" ? length.detach() : length);
  }
  if (bug == "ScaleReadAsANumber") return net.down(h) * net.scale.item();
  const Tensor y = net.down(h) * net.scale;  // [B, 1]
  return bug == "OutputSquashed" ? tanh(y) : y;
}

Loss squared_errors(const Tensor& y, const Tensor& wanted, std::string_view bug) {
  if (bug == "ColumnMinusRow") {  // [B, 1] - [B]
    return {sum(square(y - wanted)), static_cast<double>(wanted.numel())};
  }
  const Loss loss = mse_loss(reshape(y, {-1}), wanted);
  return bug == "RootOfTheMean" ? Loss{sqrt(loss.mean()) * loss.count, loss.count} : loss;
}

Verification verify_net(std::string_view bug) {
  Rng rng(11);
  Net before(rng), net(rng);
  if (bug == "UnitsDeadFromTheStart") net.up.bias.copy_from(full({width}, -100));
  if (bug == "AllWeightsStartAtZero") {
    for (Tensor w : {net.up.weight, net.up.bias, net.down.weight}) w.copy_from(zeros(w.shape()));
  }
  NamedTensors trained = net.parameters();
  if (bug == "OptimizerOfTheModelBefore") trained = before.parameters();
  if (bug == "OptimizerOfOneLayer") trained = net.down.parameters();
  if (bug == "FrozenAsPromised") {
    for (const auto& [name, weight] : net.up.parameters()) Tensor(weight).set_requires_grad(false);
    trained = {{"weight", net.down.weight}, {"bias", net.down.bias}, {"scale", net.scale}};
  }
  const bool frozen = bug == "FrozenAsPromised" || bug == "FrozenInNameOnly";
  const optim::Adam adam(trained);
  return verify(
      net, {{"x", rng.normal({6, 5})}, {"y", rng.normal({6}, 5, 2)}},
      [&](const NamedTensors& batch) { return predict(net, batch["x"], bug); },
      [&](const Tensor& y, const NamedTensors& batch) {
        return squared_errors(y, batch["y"], bug);
      },
      {.inputs = {{.name = "x"}},
       .frozen = frozen ? std::vector<std::string>{"up."} : std::vector<std::string>(),
       .optimizer = &adam});
}

TEST(VerifyByAStranger, NetsAreRight) {
  for (const char* kind : {"", "LengthNotDetached", "FrozenAsPromised"}) {
    EXPECT_EQ(verify_net(kind).text, "") << kind;
  }
}

// ---- what is planted ----------------------------------------------------------------------------

struct Planted {
  std::string name, promise;  ///< the promise that is plainly broken; empty: one of several
  Verification (*verify)(std::string_view bug);
  friend void PrintTo(const Planted& p, std::ostream* out) { *out << p.name; }
};

class PlantedByAStranger : public testing::TestWithParam<Planted> {};

TEST_P(PlantedByAStranger, IsFound) {
  const auto& [name, promise, verify_with] = GetParam();
  SCOPED_TRACE(name);
  const Verification found = verify_with(name);
  EXPECT_FALSE(found);
  const std::string wanted = promise.empty() ? "" : promise + ": ";
  EXPECT_NE(found.text.find(wanted), std::string::npos) << found.text;
}

INSTANTIATE_TEST_SUITE_P(
    All, PlantedByAStranger,
    testing::Values(Planted{"DocumentsWithoutMask", "documents", verify_packed},
                    Planted{"DocumentsBeginOneLate", "documents", verify_packed},
                    Planted{"AttentionSeesPadding", "padding", verify_reader},
                    Planted{"MeanOverPadding", "padding", verify_reader},
                    Planted{"LengthsOneMore", "padding", verify_reader},
                    Planted{"SumDividedByTheLongest", "alone", verify_reader},
                    Planted{"CountsAnotherTokenAsPadding", "alone", verify_reader},
                    Planted{"LengthsOneLess", "inputs", verify_reader},
                    Planted{"LastPlacesCutOff", "inputs", verify_reader},
                    Planted{"FirstPlaceUnderACausalMask", "inputs", verify_reader},
                    Planted{"LabelAmongTheInputs", "inputs", verify_reader},
                    Planted{"PositionsForgotten", "order", verify_reader},
                    Planted{"CrossAttentionSeesPadding", "padding", verify_translator},
                    Planted{"PaddedSourceReversed", "padding", verify_translator},
                    Planted{"LengthsOfTheOtherSide", "", verify_translator},
                    Planted{"DecoderReadsWhatItIsToSay", "inputs", verify_translator},
                    Planted{"DecoderReadsBeginsOnly", "inputs", verify_translator},
                    Planted{"TargetEncodedForSource", "inputs", verify_translator},
                    Planted{"MemoryOfTheFirstRowForAll", "rows", verify_translator},
                    Planted{"DecoderWithoutCausalMask", "causal", verify_translator},
                    Planted{"LstmReadsBothWays", "causal", verify_foretelling},
                    Planted{"LstmReadsTimeFirst", "rows", verify_foretelling},
                    Planted{"SortedByLengthAndNotPutBack", "rows", verify_listener},
                    Planted{"LastPlaceIsPadding", "padding", verify_listener},
                    Planted{"LastPlaceOfShortRowsIsZero", "", verify_listener},
                    Planted{"StateOfTheFirstLayer", "parameters", verify_listener},
                    Planted{"FeaturesCenteredByTheBatch", "rows", verify_net},
                    Planted{"SumsRunOverRows", "rows", verify_net},
                    Planted{"LastFeatureForgotten", "inputs", verify_net},
                    Planted{"RootOfNegativesBehindWhere", "", verify_net},
                    Planted{"LengthDetached", "gradients", verify_net},
                    Planted{"ScaleReadAsANumber", "parameters", verify_net},
                    Planted{"OutputSquashed", "overfits", verify_net},
                    Planted{"ColumnMinusRow", "loss", verify_net},
                    Planted{"RootOfTheMean", "loss", verify_net},
                    Planted{"UnitsDeadFromTheStart", "parameters", verify_net},
                    Planted{"AllWeightsStartAtZero", "parameters", verify_net},
                    Planted{"OptimizerOfTheModelBefore", "parameters", verify_net},
                    Planted{"OptimizerOfOneLayer", "parameters", verify_net},
                    Planted{"FrozenInNameOnly", "", verify_net}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace rapt::training
