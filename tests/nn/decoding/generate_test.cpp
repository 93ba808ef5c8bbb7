// generate: what is drawn and when it ends, against recomputation and definitions.

#include "rapt/nn/decoding/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "../../support/tensors.h"
#include "models.h"

namespace rapt::nn {
namespace {

using tests::constant;
using tests::error_of;

using Sequences = std::vector<TokenSequence>;

TokenSequence greedy(const TokenModel& model, const TokenSequence& prompt, int64_t count) {
  Rng rng(1);
  return generate(model, prompt, {.max_tokens = count, .temperature = 0}, rng);
}

Tensor ids_of(const TokenSequence& tokens) {
  return from_values(tokens, {1, static_cast<int64_t>(tokens.size())});
}

/// The most probable token each time, by whole forward passes over the last `context` tokens.
TokenSequence by_hand(const DecoderOnly& model, TokenSequence tokens, int64_t count) {
  const NoGrad no_grad;
  const auto context = static_cast<size_t>(model.embedding.options().context);
  TokenSequence added;
  while (static_cast<int64_t>(added.size()) < count) {
    const size_t begin = tokens.size() > context ? tokens.size() - context : 0;
    const Tensor logits =
        model(ids_of({tokens.begin() + static_cast<int64_t>(begin), tokens.end()}));
    added.push_back(static_cast<int64_t>(argmax(logits[0][-1]).item()));
    tokens.push_back(added.back());
  }
  return added;
}

TEST(Generate, IsRecomputationAlsoBeyondTheContext) {
  for (const uint64_t seed : {1, 2, 3}) {
    const DecoderOnly model = tests::decoder(seed);
    for (const TokenSequence& prompt :
         Sequences{{3}, {1, 2, 3, 4, 5}, {0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5}}) {
      const TokenSequence wanted = by_hand(model, prompt, 20);
      EXPECT_EQ(greedy(model, prompt, 20), wanted);
    }
  }
}

TEST(Generate, AUsersFunctionIsAModel) {
  const DecoderOnly model = tests::decoder(1, 30);
  const auto function = [&](const Tensor& ids) { return model(ids); };
  EXPECT_EQ(greedy(function, {1, 2}, 20), by_hand(model, {1, 2}, 20));
}

TEST(Generate, SeveralPromptsAreAsEachAlone) {
  const DecoderOnly model = tests::decoder(4, 24);
  const Sequences prompts = {{1, 2, 3, 4, 5, 6}, {2}, {5, 5, 1}, {0}};
  for (const double temperature : {0.0, 1.5}) {
    const GenerateOptions options{.max_tokens = 15, .temperature = temperature, .stop = {6}};
    Rng rng(9);
    const std::vector<Generated> all = generate_each(model, prompts, options, rng);
    for (size_t i = 0; i < prompts.size(); ++i) {
      Rng alone(9);
      for (size_t skipped = 0; skipped < i; ++skipped) (void)alone.fork();
      const std::vector<Generated> one = generate_each(model, {prompts[i]}, options, alone);
      EXPECT_EQ(all[i].tokens, one[0].tokens) << i;
      EXPECT_EQ(all[i].log_probability, one[0].log_probability) << i;
      EXPECT_EQ(all[i].is_stopped, all[i].tokens.back() == 6);
    }
  }
}

TEST(Generate, CachedModelsAreAsRecomputed) {
  const EncoderDecoder model = tests::encoder_decoder(5);
  Rng rng(6);
  const Tensor source = rng.integers(0, 9, {3, 8});
  const Tensor lengths = from_values<int64_t>({8, 3, 5});
  const auto recomputed = [&](const Tensor& ids) {
    return model(source, ids, {.lengths = lengths});
  };
  const GenerateOptions options{.max_tokens = 9, .temperature = 0};
  const Sequences prompts = {{1}, {1}, {1}};
  const NoGrad no_grad;
  const TokenModel cached(model, model.encode(source, {.lengths = lengths}));
  const auto found = generate_each(cached, prompts, options, rng);
  const auto wanted = generate_each(recomputed, prompts, options, rng);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found[i].tokens, wanted[i].tokens) << i;
    EXPECT_EQ(found[i].log_probability, wanted[i].log_probability) << i;
  }
  // The target's context is 10: nine tokens behind the first, and one that none follows.
  EXPECT_EQ(generate_each(cached, prompts, {.max_tokens = 50}, rng)[0].tokens.size(), 10U);

  const RecurrentEncoderDecoder recurrent(
      {.source_vocabulary = 9, .target_vocabulary = 7, .width = 8, .hidden = 12}, rng);
  const Sequences ragged = {{1, 2, 3}, {4}, {2, 2}};
  const auto by_steps =
      generate_each({recurrent, recurrent.encode(source, lengths)}, ragged, options, rng);
  const auto whole = generate_each(
      [&](const Tensor& ids) { return recurrent(source, ids, lengths); }, ragged, options, rng);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(by_steps[i].tokens, whole[i].tokens) << i;
    EXPECT_EQ(by_steps[i].log_probability, whole[i].log_probability) << i;
  }
}

// ---- what may be drawn -------------------------------------------------------------------------

/// How often each token is drawn, of 4000.
std::map<int64_t, double> shares(const std::vector<double>& p, GenerateOptions options) {
  std::vector<double> logits;
  for (const double x : p) logits.push_back(std::log(x));
  options.max_tokens = 4000;
  Rng rng(3);
  std::map<int64_t, double> out;
  for (const int64_t token : generate(constant(logits), {0}, options, rng))
    out[token] += 1 / 4000.0;
  return out;
}

void expect_shares(const std::map<int64_t, double>& found,
                   const std::map<int64_t, double>& wanted) {
  EXPECT_EQ(found.size(), wanted.size());
  for (const auto& [token, share] : wanted) {
    ASSERT_TRUE(found.contains(token)) << token;
    EXPECT_NEAR(found.at(token), share, 0.04) << token;  // 5 standard deviations
  }
}

TEST(Generate, DrawsAmongTheTokensThatAreLeft) {
  const std::vector<double> p = {0.1, 0.4, 0.05, 0.25, 0.2};
  expect_shares(shares(p, {}), {{0, 0.1}, {1, 0.4}, {2, 0.05}, {3, 0.25}, {4, 0.2}});
  expect_shares(shares(p, {.temperature = 0}), {{1, 1}});
  // 0.4^2, 0.25^2, ... of their sum, 0.275
  expect_shares(shares(p, {.temperature = 0.5}),
                {{0, 0.0364}, {1, 0.5818}, {2, 0.0091}, {3, 0.2273}, {4, 0.1455}});
  expect_shares(shares(p, {.top_k = 2}), {{1, 0.4 / 0.65}, {3, 0.25 / 0.65}});
  expect_shares(shares(p, {.top_p = 0.66}), {{1, 0.4 / 0.85}, {3, 0.25 / 0.85}, {4, 0.2 / 0.85}});
  expect_shares(shares(p, {.top_p = 0}), {{1, 1}});
  expect_shares(shares(p, {.min_p = 0.5}), {{1, 0.4 / 0.85}, {3, 0.25 / 0.85}, {4, 0.2 / 0.85}});
  // The entropy is 1.415 nats; -log p: 2.30, 0.92, 3.00, 1.39, 1.61: nearest are 3, 4, 1.
  expect_shares(shares(p, {.typical_p = 0.4}), {{3, 0.25 / 0.45}, {4, 0.2 / 0.45}});
  // Each looks at what the ones before left: 0.4 of 0.65 is enough for 0.6.
  expect_shares(shares(p, {.top_k = 2, .top_p = 0.6}), {{1, 1}});
}

TEST(Generate, FollowsTheRules) {
  const std::vector<double> logits = {1.0, 3.0, -1.0, 2.5, 2.0};
  const auto by = [&](const TokenRules& rules, const TokenSequence& prompt = {0}) {
    Rng rng(1);
    return generate(constant(logits), prompt,
                    {.max_tokens = 5, .temperature = 0, .stop = {1}, .rules = rules}, rng);
  };
  EXPECT_EQ(by({}), (TokenSequence{1}));
  EXPECT_EQ(by({.forbidden = {1, 3}}), (TokenSequence{4, 4, 4, 4, 4}));
  EXPECT_EQ(by({.forced = {2, 4}}), (TokenSequence{2, 4, 1}));
  EXPECT_EQ(by({.min_tokens = 3}), (TokenSequence{3, 3, 1}));
  // 2.5 - 0.6 < 2.0; 2.0 - 0.6 < 1.9; 1.9 - 0.6 < 1.4; 1.4 - 0.6 < 1.3
  EXPECT_EQ(by({.frequency_penalty = 0.6, .forbidden = {1}}), (TokenSequence{3, 4, 3, 4, 3}));
  EXPECT_EQ(by({.presence_penalty = 1.2, .forbidden = {1}}), (TokenSequence{3, 4, 3, 3, 3}));
  // Of the prompt too: 3 / 2 is below 2.5; then 2.5 / 2 below 2.0, and 2.0 / 2 below 1.5.
  EXPECT_EQ(by({.repetition_penalty = 2}, {1}), (TokenSequence{3, 4, 1}));
}

TEST(Generate, EndsWithAStopSequence) {
  const auto counting = [](const Tensor& ids) {  // the next number is the most probable
    return one_hot(remainder(ids + 1, 7), 7).to(Dtype::f32) * 5.0;
  };
  Rng rng(1);
  const auto all = generate_each(
      counting, {{0}, {4}}, {.max_tokens = 6, .temperature = 0, .stop_sequences = {{3, 4}}}, rng);
  EXPECT_EQ(all[0].tokens, (TokenSequence{1, 2, 3, 4}));
  EXPECT_TRUE(all[0].is_stopped);
  EXPECT_EQ(all[1].tokens, (TokenSequence{5, 6, 0, 1, 2, 3}));
  EXPECT_FALSE(all[1].is_stopped);
  const double each = 5 - std::log(std::exp(5.0) + 6);
  EXPECT_NEAR(all[0].log_probability, 4 * each, 1e-5);
}

TEST(GenerateErrors, SayWhatWasWanted) {
  const auto error = [](const GenerateOptions& o, const TokenSequence& prompt = {0}) {
    return error_of([&] {
      Rng rng(1);
      generate(constant({0, 1}), prompt, o, rng);
    });
  };
  EXPECT_EQ(error({}, {}), "generate: wanted prompts of at least one token; got none in prompt 0");
  EXPECT_EQ(error({.temperature = -1}), "generate: wanted temperature >= 0; got -1");
  EXPECT_EQ(error({.top_k = -1}), "generate: wanted top_k >= 0; got -1");
  EXPECT_EQ(error({.top_p = 1.5}), "generate: wanted top_p in [0, 1]; got 1.5");
  EXPECT_EQ(error({.min_p = -0.5}), "generate: wanted min_p in [0, 1]; got -0.5");
  EXPECT_EQ(error({.max_tokens = -1}), "generate: wanted max_tokens >= 0; got -1");
  EXPECT_EQ(error({.stop = {2}}), "generate: wanted stop tokens in [0, 2); got 2");
  EXPECT_EQ(error({.stop_sequences = {{}}}),
            "generate: wanted stop sequences of a token or more; got an empty one");
  EXPECT_EQ(error({.rules = {.repetition_penalty = 0.5}}),
            "generate: wanted a repetition_penalty >= 1; got 0.5");
  EXPECT_EQ(error({.rules = {.forbidden = {0, 1}}}),
            "generate: wanted a token that is possible; the rules leave none");
  Rng rng(1);
  EXPECT_EQ(error_of([&] {
              generate(constant({0, std::nan("")}), {0}, {}, rng);
            }),
            "generate: wanted logits that are numbers; got NaN");
  EXPECT_EQ(error_of([&] { generate([](const Tensor& ids) { return ids; }, {0}, {}, rng); }),
            "TokenModel: wanted logits [1, 1, vocabulary]; got i64[1, 1]");
  EXPECT_TRUE(generate_each(constant({0, 1}), {}, {}, rng).empty());
}

}  // namespace
}  // namespace rapt::nn
