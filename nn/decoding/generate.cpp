#include "rapt/nn/decoding/generate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "rapt/autograd/kernels/portable.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/decoding/detail/choice.h"

namespace rapt::nn {
namespace {

void check(const char* function, const GenerateOptions& o) {
  if (!(o.temperature >= 0)) fail(function, ": wanted temperature >= 0; got ", o.temperature);
  if (o.top_k < 0) fail(function, ": wanted top_k >= 0; got ", o.top_k);
  const auto check_share = [&](const char* name, double value) {
    if (!(value >= 0 && value <= 1)) {
      fail(function, ": wanted ", name, " in [0, 1]; got ", value);
    }
  };
  check_share("top_p", o.top_p);
  check_share("min_p", o.min_p);
  check_share("typical_p", o.typical_p);
}

/// Tokens that may be drawn, most probable first.
struct Candidate {
  int64_t token;
  double logit;
  double p;
};
using Candidates = std::vector<Candidate>;

void normalize(Candidates& all) {
  double sum = 0;
  for (const Candidate& c : all) sum += c.p;
  for (Candidate& c : all) c.p /= sum;
}

/// The first of them that are as probable as `share` together.
void keep_share(Candidates& all, double share) {
  double sum = 0;
  size_t count = 0;
  while (count < all.size() && (count == 0 || sum < share)) sum += all[count++].p;
  all.resize(count);
  normalize(all);
}

/// Of softmax(logits / temperature).
Candidates candidates_of(const std::vector<double>& logits, const GenerateOptions& o) {
  Candidates all;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -std::numeric_limits<double>::infinity()) {
      all.push_back({static_cast<int64_t>(i), logits[i] / o.temperature, 0});
    }
  }
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  };
  if (o.top_k > 0 && o.top_k < static_cast<int64_t>(all.size())) {
    std::ranges::partial_sort(all, all.begin() + o.top_k, better);
    all.resize(static_cast<size_t>(o.top_k));
  } else {
    std::ranges::sort(all, better);
  }
  const double top = all.front().logit;
  for (Candidate& c : all) c.p = kernels::portable::exp(c.logit - top);
  normalize(all);
  return all;
}

/// |-log p - mean of -log p|, in which log p may be the logit: they differ by a number.
void keep_typical(Candidates& all, double share) {
  double mean = 0;
  for (const Candidate& c : all) mean += c.p * c.logit;
  const auto distance = [&](const Candidate& c) { return std::abs(c.logit - mean); };
  std::ranges::stable_sort(all, std::less<>(), distance);
  keep_share(all, share);
}

int64_t chosen(const std::vector<double>& logits, const GenerateOptions& o, Rng& rng) {
  if (o.temperature == 0) return std::ranges::max_element(logits) - logits.begin();
  Candidates all = candidates_of(logits, o);
  if (o.top_p < 1) keep_share(all, o.top_p);
  if (o.min_p > 0) {
    const double least = o.min_p * all.front().p;
    std::erase_if(all, [&](const Candidate& c) { return c.p < least; });
    normalize(all);
  }
  if (o.typical_p < 1) keep_typical(all, o.typical_p);
  double rest = rng.uniform();
  for (const Candidate& c : all) {
    rest -= c.p;
    if (rest < 0) return c.token;
  }
  return all.back().token;
}

std::vector<Generated> run(const char* function, const TokenModel& model,
                           const std::vector<TokenSequence>& prompts, const GenerateOptions& o,
                           Rng& rng) {
  check(function, o);
  check_prompts(function, prompts);
  const StopRules stop{o.max_tokens, o.stop, o.stop_sequences};
  const NoGrad no_grad;
  const EvalMode eval_mode;
  std::vector<Generated> out(prompts.size());
  std::vector<Rng> streams;
  for (size_t i = 0; i < prompts.size(); ++i) streams.push_back(rng.fork());
  if (prompts.empty() || o.max_tokens <= 0) {
    check_rules(function, o.rules, stop, std::numeric_limits<int64_t>::max());
    return out;
  }
  const std::unique_ptr<TokenSession> session = model.begin();
  const int64_t longest = session->longest().value_or(std::numeric_limits<int64_t>::max());
  std::vector<int64_t> alive(prompts.size());  // which prompt each sequence of the session is of
  std::iota(alive.begin(), alive.end(), 0);
  std::vector<TokenSequence> next = prompts;
  while (!alive.empty()) {
    const Tensor logits = session->extend(next);
    check_rules(function, o.rules, stop, logits.size(1));
    std::vector<std::vector<double>> rows = nn::rows_of(function, logits);
    const std::vector<double> log_p = log_softmax(logits).to(Dtype::f64).values<double>();
    std::vector<int64_t> left;
    next.clear();
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto at = static_cast<size_t>(alive[i]);
      Generated& sequence = out[at];
      apply_rules(function, o.rules, stop, prompts[at], sequence.tokens, rows[i]);
      const int64_t token = chosen(rows[i], o, streams[at]);
      sequence.tokens.push_back(token);
      sequence.log_probability += log_p[i * rows[i].size() + static_cast<size_t>(token)];
      sequence.is_stopped = is_stopped(stop, sequence.tokens);
      const auto count = static_cast<int64_t>(sequence.tokens.size());
      const auto length = static_cast<int64_t>(prompts[at].size()) + count;
      if (sequence.is_stopped || count >= o.max_tokens || length > longest) continue;
      left.push_back(static_cast<int64_t>(i));
      next.push_back({token});
    }
    if (left.size() < alive.size()) {
      for (size_t i = 0; i < left.size(); ++i) alive[i] = alive[static_cast<size_t>(left[i])];
      alive.resize(left.size());
      if (!alive.empty()) session->select(left);
    }
  }
  return out;
}

}  // namespace

TokenSequence generate(const TokenModel& model, const TokenSequence& prompt,
                       const GenerateOptions& options, Rng& rng) {
  return run("generate", model, {prompt}, options, rng).front().tokens;
}

std::vector<Generated> generate_each(const TokenModel& model,
                                     const std::vector<TokenSequence>& prompts,
                                     const GenerateOptions& options, Rng& rng) {
  return run("generate_each", model, prompts, options, rng);
}

}  // namespace rapt::nn
