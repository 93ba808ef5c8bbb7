#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <vector>

#include "rapt/autograd/owned_function.h"
#include "rapt/nn/decoding/token_rules.h"
#include "rapt/nn/models/encoder_decoder.h"
#include "rapt/nn/recurrent/encoder_decoder.h"

namespace rapt::nn {

/// Some sequences side by side that a model continues.
class TokenSession {
 public:
  virtual ~TokenSession() = default;
  /// Puts tokens[i], at least one, behind sequence i. Returns the logits of what comes next,
  /// [sequences, vocabulary]. The first call begins the sequences.
  virtual Tensor extend(const std::vector<TokenSequence>& tokens) = 0;
  /// Sequence i becomes what rows[i] was.
  virtual void select(const std::vector<int64_t>& rows) = 0;
  /// The most tokens that a sequence can have; none if it may go on and on.
  virtual std::optional<int64_t> longest() const { return std::nullopt; }
};

/// What generate and beam_search ask: a model that predicts the next token.
///
///   generate(model, prompts, ...)                                    a DecoderOnly
///   generate({model, model.encode(source, {.lengths = lengths})}, ...)   an EncoderDecoder
///   generate([&](const Tensor& ids) { return my_model(ids); }, ...)  one of the user's own
class TokenModel {
 public:
  /// With a cache. Beyond the context, each token follows from the last `context` tokens, all of
  /// which are computed again: a window that moves on, as nanoGPT's.
  TokenModel(const DecoderOnly& model);
  /// With a cache; the prompts are what the targets begin with. At the end of the target's context
  /// sequences end.
  TokenModel(const EncoderDecoder& model, EncodedSource source);
  /// As above, with the state handed on.
  TokenModel(const RecurrentEncoderDecoder& model, RecurrentEncoderDecoder::Memory source);
  /// ids i64 [B, T] -> logits [B, T, vocabulary]. All tokens are computed again for each new one.
  /// Shorter sequences are padded at the right with 0, which must have no say in what comes before:
  /// a causal model, or sequences of one length.
  template <std::invocable<const Tensor&> F>
  requires(!std::derived_from<F, Module>) TokenModel(F logits)
      : TokenModel(Logits(std::move(logits))) {}
  /// Anything else: a function that makes a session.
  using MakeSession = OwnedFunction<std::unique_ptr<TokenSession>()>;
  static TokenModel of(MakeSession make) { return TokenModel(Sessions{std::move(make)}); }

  std::unique_ptr<TokenSession> begin() const { return make_(); }

 private:
  using Logits = OwnedFunction<Tensor(const Tensor& ids)>;
  struct Sessions {
    MakeSession make;
  };
  explicit TokenModel(Logits logits);
  explicit TokenModel(Sessions sessions) : make_(std::move(sessions.make)) {}

  MakeSession make_;
};

}  // namespace rapt::nn
