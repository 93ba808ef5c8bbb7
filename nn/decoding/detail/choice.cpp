#include "rapt/nn/decoding/detail/choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "rapt/autograd/error.h"

namespace rapt::nn {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void check_tokens(const char* function, const char* what, const TokenSequence& tokens,
                  int64_t vocabulary) {
  for (const int64_t token : tokens) {
    if (token < 0 || token >= vocabulary) {
      fail(function, ": wanted ", what, " in [0, ", vocabulary, "); got ", token);
    }
  }
}

}  // namespace

void check_rules(const char* function, const TokenRules& rules, const StopRules& stop,
                 int64_t vocabulary) {
  if (!(rules.repetition_penalty >= 1)) {
    fail(function, ": wanted a repetition_penalty >= 1; got ", rules.repetition_penalty);
  }
  if (!std::isfinite(rules.frequency_penalty) || !std::isfinite(rules.presence_penalty)) {
    fail(function, ": wanted finite penalties; got ", rules.frequency_penalty, " and ",
         rules.presence_penalty);
  }
  if (stop.max_tokens < 0) fail(function, ": wanted max_tokens >= 0; got ", stop.max_tokens);
  check_tokens(function, "forbidden tokens", rules.forbidden, vocabulary);
  check_tokens(function, "forced tokens", rules.forced, vocabulary);
  check_tokens(function, "stop tokens", stop.tokens, vocabulary);
  for (const TokenSequence& sequence : stop.sequences) {
    if (sequence.empty())
      fail(function, ": wanted stop sequences of a token or more; got an empty one");
  }
}

void check_prompts(const char* function, const std::vector<TokenSequence>& prompts) {
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) {
      fail(function, ": wanted prompts of at least one token; got none in prompt ", i);
    }
  }
}

std::vector<std::vector<double>> rows_of(const char* function, const Tensor& logits) {
  const std::vector<double> all = logits.to(Dtype::f64).values<double>();
  const auto vocabulary = static_cast<size_t>(logits.size(1));
  std::vector<std::vector<double>> rows;
  for (size_t at = 0; at < all.size(); at += vocabulary) {
    rows.emplace_back(all.begin() + static_cast<int64_t>(at),
                      all.begin() + static_cast<int64_t>(at + vocabulary));
    const std::vector<double>& row = rows.back();
    if (std::ranges::any_of(row, [](double x) { return std::isnan(x); })) {
      fail(function, ": wanted logits that are numbers; got NaN");
    }
    if (std::ranges::all_of(row, [](double x) { return x == -infinity; })) {
      fail(function, ": wanted a token that is possible; got logits of -inf alone");
    }
  }
  return rows;
}

void apply_rules(const char* function, const TokenRules& rules, const StopRules& stop,
                 const TokenSequence& prompt, const TokenSequence& generated,
                 std::vector<double>& logits) {
  const auto logit = [&](int64_t token) -> double& { return logits[static_cast<size_t>(token)]; };
  if (generated.size() < rules.forced.size()) {
    const int64_t token = rules.forced[generated.size()];
    const double own = std::max(logit(token), std::numeric_limits<double>::lowest());
    std::ranges::fill(logits, -infinity);
    logit(token) = own;
    return;
  }
  std::unordered_map<int64_t, int64_t> counts;
  for (const int64_t token : generated) ++counts[token];
  if (rules.repetition_penalty != 1) {
    std::unordered_map<int64_t, int64_t> seen = counts;
    for (const int64_t token : prompt) ++seen[token];
    for (const auto& [token, count] : seen) {
      double& x = logit(token);
      x = x > 0 ? x / rules.repetition_penalty : x * rules.repetition_penalty;
    }
  }
  for (const auto& [token, count] : counts) {
    logit(token) -= rules.frequency_penalty * static_cast<double>(count) + rules.presence_penalty;
  }
  for (const int64_t token : rules.forbidden) logit(token) = -infinity;
  if (static_cast<int64_t>(generated.size()) + 1 < rules.min_tokens) {
    for (const int64_t token : stop.tokens) logit(token) = -infinity;
  }
  if (std::ranges::all_of(logits, [](double x) { return x == -infinity; })) {
    fail(function, ": wanted a token that is possible; the rules leave none");
  }
}

bool is_stopped(const StopRules& stop, const TokenSequence& generated) {
  if (generated.empty()) return false;
  if (std::ranges::find(stop.tokens, generated.back()) != stop.tokens.end()) return true;
  return std::ranges::any_of(stop.sequences, [&](const TokenSequence& end) {
    return end.size() <= generated.size() &&
           std::equal(end.rbegin(), end.rend(), generated.rbegin());
  });
}

}  // namespace rapt::nn
