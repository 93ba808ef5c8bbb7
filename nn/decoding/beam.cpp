#include "rapt/nn/decoding/beam.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapt/autograd/ops.h"
#include "rapt/nn/decoding/detail/choice.h"

namespace rapt::nn {
namespace {

constexpr const char* function = "beam_search";

struct Beam {
  TokenSequence tokens;
  double log_probability = 0;
};

/// The beams of one prompt.
class Search {
 public:
  Search(const TokenSequence& prompt, const BeamOptions& options, const StopRules& stop,
         int64_t longest)
      : prompt_(prompt), o_(options), stop_(stop), longest_(longest), beams_(1) {}

  size_t beams() const { return beams_.size(); }
  const TokenSequence& tokens(size_t beam) const { return beams_[beam].tokens; }
  bool is_over() const { return is_over_; }

  /// Goes on by the logits of each beam. Returns which beam each of the new ones comes from.
  std::vector<int64_t> step(std::vector<std::vector<double>>& logits) {
    std::vector<Beam> next;
    std::vector<int64_t> from;
    size_t rank = 0;
    for (const Continuation& c : best(logits)) {
      Beam beam = beams_[c.beam];
      beam.tokens.push_back(c.token);
      beam.log_probability = c.log_probability;
      const bool ends = is_stopped(stop_, beam.tokens);
      if (ends && rank < static_cast<size_t>(o_.beams)) note(beam, true);
      if (!ends && next.size() < static_cast<size_t>(o_.beams)) {
        next.push_back(std::move(beam));
        from.push_back(static_cast<int64_t>(c.beam));
      }
      ++rank;
    }
    beams_ = std::move(next);
    decide();
    return from;
  }

  std::vector<Hypothesis> results() {
    std::ranges::stable_sort(done_, std::greater<>(), &Hypothesis::score);
    if (static_cast<int64_t>(done_.size()) > o_.n_best) {
      done_.resize(static_cast<size_t>(o_.n_best));
    }
    return std::move(done_);
  }

 private:
  struct Continuation {
    size_t beam;
    int64_t token;
    double log_probability;
  };

  /// Twice as many as there are beams, so that enough of them go on.
  std::vector<Continuation> best(std::vector<std::vector<double>>& logits) const {
    std::vector<Continuation> all;
    for (size_t i = 0; i < beams_.size(); ++i) {
      apply_rules(function, o_.rules, stop_, prompt_, beams_[i].tokens, logits[i]);
      for (size_t token = 0; token < logits[i].size(); ++token) {
        const double p = logits[i][token];
        if (p == -std::numeric_limits<double>::infinity()) continue;
        all.push_back({i, static_cast<int64_t>(token), beams_[i].log_probability + p});
      }
    }
    const auto ends = static_cast<int64_t>(stop_.tokens.size() + stop_.sequences.size());
    const auto wanted =
        std::min(static_cast<int64_t>(all.size()), o_.beams * (1 + std::max<int64_t>(ends, 1)));
    std::ranges::partial_sort(all, all.begin() + wanted, [](const auto& a, const auto& b) {
      if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
      return a.beam < b.beam || (a.beam == b.beam && a.token < b.token);
    });
    all.resize(static_cast<size_t>(wanted));
    return all;
  }

  double score(const Beam& beam) const {
    const auto length = static_cast<double>(beam.tokens.size());
    return beam.log_probability / std::pow(length, o_.length_penalty);
  }

  void note(const Beam& beam, bool is_stopped) {
    done_.push_back({beam.tokens, beam.log_probability, score(beam), is_stopped});
  }

  void decide() {
    const auto generated = static_cast<int64_t>(beams_.empty() ? 0 : beams_.front().tokens.size());
    const auto length = static_cast<int64_t>(prompt_.size()) + generated;
    if (generated >= o_.max_tokens || length > longest_) {
      for (const Beam& beam : beams_) note(beam, false);
      beams_.clear();
    }
    is_over_ = beams_.empty();
    if (is_over_ || static_cast<int64_t>(done_.size()) < o_.beams) return;
    std::ranges::stable_sort(done_, std::greater<>(), &Hypothesis::score);
    done_.resize(static_cast<size_t>(o_.beams));
    is_over_ = score(beams_.front()) <= done_.back().score;
  }

  const TokenSequence& prompt_;
  const BeamOptions& o_;
  const StopRules& stop_;
  const int64_t longest_;
  std::vector<Beam> beams_;
  std::vector<Hypothesis> done_;
  bool is_over_ = false;
};

void check(const BeamOptions& o) {
  if (o.beams < 1) fail(function, ": wanted beams >= 1; got ", o.beams);
  if (o.n_best < 1 || o.n_best > o.beams) {
    fail(function, ": wanted n_best in [1, ", o.beams, "], the number of beams; got ", o.n_best);
  }
  if (o.max_tokens < 1) fail(function, ": wanted max_tokens >= 1; got ", o.max_tokens);
  if (!std::isfinite(o.length_penalty)) {
    fail(function, ": wanted a finite length_penalty; got ", o.length_penalty);
  }
}

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(const TokenModel& model,
                                                 const std::vector<TokenSequence>& prompts,
                                                 const BeamOptions& o) {
  check(o);
  check_prompts(function, prompts);
  if (prompts.empty()) return {};
  const StopRules stop{o.max_tokens, o.stop, o.stop_sequences};
  const NoGrad no_grad;
  const EvalMode eval_mode;
  const std::unique_ptr<TokenSession> session = model.begin();
  const int64_t longest = session->longest().value_or(std::numeric_limits<int64_t>::max());
  std::vector<Search> searches;
  for (const TokenSequence& prompt : prompts) searches.emplace_back(prompt, o, stop, longest);

  std::vector<TokenSequence> next = prompts;
  while (!next.empty()) {
    const Tensor logits = session->extend(next);
    check_rules(function, o.rules, stop, logits.size(1));
    std::vector<std::vector<double>> rows = rows_of(function, log_softmax(logits));
    std::vector<int64_t> from;  // for each beam that goes on, the session's sequence
    next.clear();
    int64_t first = 0;
    for (Search& search : searches) {
      if (search.is_over()) continue;
      const auto count = static_cast<int64_t>(search.beams());
      std::vector<std::vector<double>> own(rows.begin() + first, rows.begin() + first + count);
      const std::vector<int64_t> beams = search.step(own);
      for (size_t i = 0; i < search.beams() && !search.is_over(); ++i) {
        from.push_back(first + beams[i]);
        next.push_back({search.tokens(i).back()});
      }
      first += count;
    }
    if (!next.empty()) session->select(from);
  }
  std::vector<std::vector<Hypothesis>> out;
  for (Search& search : searches) out.push_back(search.results());
  return out;
}

}  // namespace rapt::nn
