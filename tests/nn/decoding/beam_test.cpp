// beam_search against all sequences there are, and against itself: alone and among others.

#include "rapt/nn/decoding/beam.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "../../support/tensors.h"
#include "models.h"
#include "rapt/nn/decoding/generate.h"

namespace rapt::nn {
namespace {

using tests::error_of;

using Sequences = std::vector<TokenSequence>;

/// Every sequence of at most `most` tokens that ends with `stop`, or has `most`.
void all_sequences(int64_t vocabulary, int64_t stop, size_t most, const TokenSequence& begun,
                   Sequences& out) {
  if (begun.size() == most || (!begun.empty() && begun.back() == stop)) {
    out.push_back(begun);
    return;
  }
  for (int64_t token = 0; token < vocabulary; ++token) {
    TokenSequence next = begun;
    next.push_back(token);
    all_sequences(vocabulary, stop, most, next, out);
  }
}

/// Sum of log softmax of the tokens behind the prompt, by one pass over the whole.
double log_probability(const DecoderOnly& model, const TokenSequence& prompt,
                       const TokenSequence& tokens) {
  const NoGrad no_grad;
  TokenSequence all = prompt;
  all.insert(all.end(), tokens.begin(), tokens.end());
  const Tensor p = log_softmax(model(from_values(all, {1, static_cast<int64_t>(all.size())})));
  double sum = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto at = static_cast<int64_t>(prompt.size() + i) - 1;
    sum += p[0][at][tokens[i]].item();
  }
  return sum;
}

TEST(BeamSearch, FindsTheBestOfAllSequencesIfItsBeamsAreEnough) {
  for (const double length_penalty : {0.0, 1.0}) {
    const DecoderOnly model = tests::decoder(1);
    const TokenSequence prompt = {1, 2};
    Sequences all;
    all_sequences(7, 0, 3, {}, all);
    std::vector<double> scores;
    for (const TokenSequence& tokens : all) {
      scores.push_back(log_probability(model, prompt, tokens) /
                       std::pow(static_cast<double>(tokens.size()), length_penalty));
    }
    const auto best = static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
    const auto found = beam_search(
        model, {prompt},
        {.beams = 60, .n_best = 5, .max_tokens = 3, .length_penalty = length_penalty, .stop = {0}});
    EXPECT_EQ(found[0][0].tokens, all[best]);
    EXPECT_NEAR(found[0][0].score, scores[best], 1e-4);
    std::ranges::sort(scores, std::greater<>());
    ASSERT_EQ(found[0].size(), 5U);
    for (size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(found[0][i].score, scores[i], 1e-4);
      EXPECT_NEAR(found[0][i].log_probability, log_probability(model, prompt, found[0][i].tokens),
                  1e-4);
      EXPECT_EQ(found[0][i].is_stopped, found[0][i].tokens.back() == 0);
    }
  }
}

TEST(BeamSearch, OfOneBeamIsGreedy) {
  const DecoderOnly model = tests::decoder(2, 30);
  Rng rng(1);
  const TokenSequence wanted =
      generate(model, {4, 1}, {.max_tokens = 20, .temperature = 0, .stop = {3}}, rng);
  EXPECT_EQ(beam_search(model, {{4, 1}}, {.beams = 1, .max_tokens = 20, .stop = {3}})[0][0].tokens,
            wanted);
}

void expect_equal(const std::vector<Hypothesis>& a, const std::vector<Hypothesis>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens);
    EXPECT_EQ(a[i].score, b[i].score);
  }
}

TEST(BeamSearch, OfABatchIsAsOfEachAlone) {
  const DecoderOnly model = tests::decoder(3, 40);
  const BeamOptions options{.beams = 4, .n_best = 3, .max_tokens = 15, .stop = {5}};
  const Sequences prompts = {{1, 2, 3}, {6}, {0, 0, 4, 1}};
  const auto all = beam_search(model, prompts, options);
  const auto recomputed =
      beam_search([&](const Tensor& ids) { return model(ids); }, prompts, options);
  for (size_t i = 0; i < prompts.size(); ++i) {
    SCOPED_TRACE(i);
    expect_equal(all[i], beam_search(model, {prompts[i]}, options)[0]);
    expect_equal(all[i], recomputed[i]);
  }
}

TEST(BeamSearch, OfSourcesOfTheirOwnLengths) {
  const EncoderDecoder model = tests::encoder_decoder(4);
  Rng rng(6);
  const NoGrad no_grad;
  const Tensor source = rng.integers(0, 9, {3, 8});
  const std::vector<int64_t> lengths = {8, 2, 5};
  const BeamOptions options{.beams = 3, .n_best = 3, .max_tokens = 8, .stop = {5}};
  const auto all = beam_search({model, model.encode(source, {.lengths = from_values(lengths)})},
                               {{1}, {1}, {1}}, options);
  for (int64_t b = 0; b < 3; ++b) {
    SCOPED_TRACE(b);
    const Tensor own = slice(slice(source, 0, b, b + 1), 1, 0, lengths[static_cast<size_t>(b)]);
    expect_equal(all[static_cast<size_t>(b)],
                 beam_search({model, model.encode(own)}, {{1}}, options)[0]);
  }
  const RecurrentEncoderDecoder recurrent(
      {.source_vocabulary = 9, .target_vocabulary = 7, .width = 8, .hidden = 12}, rng);
  const auto of_recurrent = beam_search({recurrent, recurrent.encode(source, from_values(lengths))},
                                        {{1}, {1}, {1}}, options);
  const Tensor second = slice(slice(source, 0, 1, 2), 1, 0, 2);
  expect_equal(of_recurrent[1],
               beam_search({recurrent, recurrent.encode(second)}, {{1}}, options)[0]);
}

TEST(BeamSearch, FollowsTheRules) {
  const auto found = beam_search(
      tests::constant({0.0, 2.0, 1.0}), {{0}},
      {.beams = 2, .max_tokens = 3, .stop = {1}, .rules = {.forced = {2}, .min_tokens = 3}});
  EXPECT_EQ(found[0][0].tokens, (TokenSequence{2, 2, 1}));
}

TEST(BeamSearchErrors, SayWhatWasWanted) {
  const auto error = [](const BeamOptions& o) {
    return error_of([&] { beam_search(tests::constant({0, 1}), {{0}}, o); });
  };
  EXPECT_EQ(error({.beams = 0}), "beam_search: wanted beams >= 1; got 0");
  EXPECT_EQ(error({.beams = 2, .n_best = 3}),
            "beam_search: wanted n_best in [1, 2], the number of beams; got 3");
  EXPECT_EQ(error({.max_tokens = 0}), "beam_search: wanted max_tokens >= 1; got 0");
  EXPECT_EQ(error({.stop = {7}}), "beam_search: wanted stop tokens in [0, 2); got 7");
  EXPECT_EQ(error({.rules = {.forbidden = {0, 1}}}),
            "beam_search: wanted a token that is possible; the rules leave none");
  EXPECT_TRUE(beam_search(tests::constant({0, 1}), {}, {}).empty());
}

}  // namespace
}  // namespace rapt::nn
