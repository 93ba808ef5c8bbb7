#include "rapt/nn/decoding/token_model.h"

#include <algorithm>

#include "rapt/autograd/ops.h"

namespace rapt::nn {
namespace {

/// Sequences padded at the right with 0.
struct Padded {
  Tensor ids;      // i64 [B, T]
  Tensor lengths;  // i64 [B]
  bool is_ragged;
};

Padded padded(const std::vector<TokenSequence>& rows) {
  const auto count = static_cast<int64_t>(rows.size());
  int64_t longest = 0, shortest = INT64_MAX;
  std::vector<int64_t> lengths;
  for (const TokenSequence& row : rows) {
    lengths.push_back(static_cast<int64_t>(row.size()));
    longest = std::max(longest, lengths.back());
    shortest = std::min(shortest, lengths.back());
  }
  std::vector<int64_t> ids(static_cast<size_t>(count * longest), 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(rows[i], ids.begin() + static_cast<int64_t>(i) * longest);
  }
  return {from_values(ids, {count, longest}), from_values(lengths, {count}),
          count > 0 && shortest != longest};
}

/// Of logits [B, T, vocabulary], those at the end of each sequence: [B, vocabulary].
Tensor last_of(const Tensor& logits, const Padded& rows) {
  const int64_t batch = logits.size(0), tokens = logits.size(1), vocabulary = logits.size(2);
  if (!rows.is_ragged) return select(logits, 1, tokens - 1);
  const Tensor at = arange(batch) * tokens + rows.lengths - 1;
  return index_select(reshape(logits, {batch * tokens, vocabulary}), 0, at);
}

template <class T>
std::vector<T> taken(const std::vector<T>& x, const std::vector<int64_t>& rows) {
  std::vector<T> out;
  for (const int64_t row : rows) out.push_back(x[static_cast<size_t>(row)]);
  return out;
}

Tensor rows_of(const Tensor& x, const std::vector<int64_t>& rows) {
  if (!x.defined()) return x;
  return index_select(x, 0, from_values(rows, {static_cast<int64_t>(rows.size())}));
}

void check_logits(const Tensor& logits, const Tensor& ids) {
  const bool fits = logits.defined() && is_float(logits.dtype()) && logits.rank() == 3 &&
                    logits.size(0) == ids.size(0) && logits.size(1) == ids.size(1);
  if (fits) return;
  fail("TokenModel: wanted logits [", ids.size(0), ", ", ids.size(1), ", vocabulary]; got ",
       logits.defined() ? text(logits.dtype(), logits.shape()) : "an undefined tensor");
}

/// All tokens are computed again for each new one.
class Recomputed final : public TokenSession {
 public:
  using Logits = OwnedFunction<Tensor(const Tensor&)>;
  explicit Recomputed(std::shared_ptr<const Logits> logits) : logits_(std::move(logits)) {}

  Tensor extend(const std::vector<TokenSequence>& tokens) override {
    rows_.resize(tokens.size());
    for (size_t i = 0; i < tokens.size(); ++i) {
      rows_[i].insert(rows_[i].end(), tokens[i].begin(), tokens[i].end());
    }
    const Padded all = padded(rows_);
    const Tensor logits = (*logits_)(all.ids);
    check_logits(logits, all.ids);
    return last_of(logits, all);
  }
  void select(const std::vector<int64_t>& rows) override { rows_ = taken(rows_, rows); }

 private:
  const std::shared_ptr<const Logits> logits_;
  std::vector<TokenSequence> rows_;
};

class DecoderSession final : public TokenSession {
 public:
  explicit DecoderSession(const DecoderOnly& model)
      : model_(model), context_(model.embedding.options().context) {}

  Tensor extend(const std::vector<TokenSequence>& tokens) override {
    rows_.resize(tokens.size());
    size_t longest = 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
      rows_[i].insert(rows_[i].end(), tokens[i].begin(), tokens[i].end());
      longest = std::max(longest, rows_[i].size());
    }
    const Padded added = padded(tokens);
    const int64_t end = cache_.longest() + added.ids.size(1);
    if (context_ > 0 && std::max(end, static_cast<int64_t>(longest)) > context_) return windows();
    return last_of(model_(added.ids, {.cache = &cache_, .lengths = added.lengths}), added);
  }

  void select(const std::vector<int64_t>& rows) override {
    rows_ = taken(rows_, rows);
    if (!cache_.lengths().empty()) cache_.select(rows);
  }

 private:
  /// From the last tokens of each sequence, as many as the context has.
  Tensor windows() {
    cache_.clear();
    std::vector<TokenSequence> ends;
    for (const TokenSequence& row : rows_) {
      const auto count = std::min(context_, static_cast<int64_t>(row.size()));
      ends.emplace_back(row.end() - count, row.end());
    }
    const Padded all = padded(ends);
    // Sequences that are short enough could go on from here with a cache: not worth a second way.
    return last_of(model_(all.ids), all);
  }

  const DecoderOnly model_;
  const int64_t context_;
  KeyValueCache cache_;
  std::vector<TokenSequence> rows_;
};

class EncoderDecoderSession final : public TokenSession {
 public:
  EncoderDecoderSession(const EncoderDecoder& model, EncodedSource source)
      : model_(model), source_(std::move(source)) {
    for (int64_t i = 0; i < source_.memory.size(0); ++i) source_rows_.push_back(i);
  }

  Tensor extend(const std::vector<TokenSequence>& tokens) override {
    if (tokens.size() != source_rows_.size()) {
      fail("TokenModel: wanted a sequence for each of ", source_rows_.size(), " sources; got ",
           tokens.size());
    }
    const Padded added = padded(tokens);
    return last_of(model_.decode(added.ids, source_, {.cache = &cache_, .lengths = added.lengths}),
                   added);
  }

  void select(const std::vector<int64_t>& rows) override {
    const std::vector<int64_t> now = taken(source_rows_, rows);
    if (now != source_rows_) {
      source_ = {rows_of(source_.memory, rows), rows_of(source_.lengths, rows)};
      source_rows_ = now;
    }
    if (!cache_.lengths().empty()) cache_.select(rows);
  }

  std::optional<int64_t> longest() const override {
    const int64_t context = model_.target.options().context;
    return context > 0 ? std::optional(context) : std::nullopt;
  }

 private:
  const EncoderDecoder model_;
  EncodedSource source_;
  std::vector<int64_t> source_rows_;  // which source each sequence is of
  KeyValueCache cache_;
};

class RecurrentSession final : public TokenSession {
 public:
  RecurrentSession(const RecurrentEncoderDecoder& model, RecurrentEncoderDecoder::Memory memory)
      : model_(model), memory_(std::move(memory)) {}

  Tensor extend(const std::vector<TokenSequence>& tokens) override {
    const Padded added = padded(tokens);
    Tensor logits;
    for (int64_t t = 0; t < added.ids.size(1); ++t) {
      RecurrentEncoderDecoder::Memory next = memory_;
      const Tensor now = model_.step(rapt::select(added.ids, 1, t), next);
      const Tensor counts = unsqueeze(added.lengths, 1) > t;  // [B, 1]: no padding
      logits = logits.defined() ? where(counts, now, logits) : now;
      const auto moved = [&](const Tensor& to, const Tensor& from) {
        return to.defined() && added.is_ragged ? where(counts, to, from) : to;
      };
      memory_.state = {moved(next.state.hidden, memory_.state.hidden),
                       moved(next.state.cell, memory_.state.cell)};
    }
    return logits;
  }

  void select(const std::vector<int64_t>& rows) override {
    for (Tensor* x : {&memory_.values, &memory_.keys, &memory_.lengths, &memory_.state.hidden,
                      &memory_.state.cell}) {
      *x = rows_of(*x, rows);
    }
  }

 private:
  const RecurrentEncoderDecoder model_;
  RecurrentEncoderDecoder::Memory memory_;
};

}  // namespace

TokenModel::TokenModel(const DecoderOnly& model)
    : make_([model] { return std::make_unique<DecoderSession>(model); }) {}

TokenModel::TokenModel(const EncoderDecoder& model, EncodedSource source)
    : make_([model, source = std::move(source)] {
        return std::make_unique<EncoderDecoderSession>(model, source);
      }) {}

TokenModel::TokenModel(const RecurrentEncoderDecoder& model, RecurrentEncoderDecoder::Memory source)
    : make_([model, source = std::move(source)] {
        return std::make_unique<RecurrentSession>(model, source);
      }) {}

TokenModel::TokenModel(Logits logits)
    : make_([shared = std::make_shared<const Logits>(std::move(logits))] {
        return std::make_unique<Recomputed>(shared);
      }) {}

}  // namespace rapt::nn
