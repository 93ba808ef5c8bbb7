#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/tensor.h"

namespace rapt::nn {

/// What a model has made of the tokens that it was given so far, so that each further one costs its
/// own work alone: the keys and values of every layer of attention, of several sequences side by
/// side, each of its own length.
///
///   const NoGrad no_grad;
///   const nn::EvalMode eval_mode;
///   nn::KeyValueCache cache;
///   Tensor logits = model(prompts, {.cache = &cache, .lengths = lengths});  // padded at the right
///   logits = model(next, {.cache = &cache});  // next [B, 1], behind the tokens of each sequence
///
/// In f32 the results have the bits of those of the whole sequences. A cache serves one model,
/// another is refused, whose weights stay as they are; it also keeps them laid out for products
/// with few rows, in as much memory as they take themselves. Nothing is recorded for backward().
class KeyValueCache {
 public:
  KeyValueCache();
  ~KeyValueCache();
  KeyValueCache(KeyValueCache&&) noexcept;
  KeyValueCache& operator=(KeyValueCache&&) noexcept;

  /// How many tokens each sequence has so far; none before the first call.
  const std::vector<int64_t>& lengths() const;
  /// The longest of them.
  int64_t longest() const;

  /// Sequence i becomes what rows[i] was: for beams, and to leave out what has ended.   i64 [n]
  void select(const std::vector<int64_t>& rows);
  /// Forgets what comes behind the first lengths[b] tokens of each sequence.
  void truncate(const std::vector<int64_t>& lengths);
  /// As if it were new; it keeps the weights.
  void clear();

  // ---- for layers, inside of a CacheStep ----

  /// Where the first of the step's tokens stands in all sequences, if it is the same place.
  int64_t start() const;
  /// i64 [B]: where it stands in each, if their lengths differ; else undefined.
  const Tensor& starts() const;
  /// The places of the step's tokens: i64 [T], or [B, T] if lengths differ.
  Tensor places() const;
  /// i64 [B]: the length of each sequence at the end of the step, if they differ or some of the
  /// step's tokens are padding; else undefined.
  const Tensor& ends() const;

  using KeysAndValues = std::pair<Tensor, Tensor>;
  /// Adds those of the step's tokens, [B, H, T, d], behind those of the sequences so far: all of
  /// them, [B, H, longest, d]. Layers call it in the same order in each step; throws when another
  /// layer calls than in the steps before. `layer`: what tells it from others, copies being one.
  KeysAndValues extend(const std::shared_ptr<const void>& layer, const Tensor& keys,
                       const Tensor& values);
  /// Those of a memory, [B, H, S, d], which are made once, in the first step. Throws when `memory`
  /// is another tensor than then.
  KeysAndValues of_memory(const std::shared_ptr<const void>& layer, const Tensor& memory,
                          FunctionRef<KeysAndValues()> make);

 private:
  friend class CacheStep;
  struct Body;
  Body& open() const;  // throws outside of a step

  std::shared_ptr<Body> body_;
};

/// One call of a model with a cache: the model makes it, and its layers find where they are. When
/// it ends the sequences are longer, unless by an exception: then they are as before.
class CacheStep {
 public:
  /// `rows` sequences are given `tokens` more each; of which the first lengths[b] count, the others
  /// being padding: i64 [rows], or undefined if all do. Throws when a graph is being recorded, when
  /// the cache holds another number of sequences, or is in a step already.
  [[nodiscard]] CacheStep(KeyValueCache& cache, int64_t rows, int64_t tokens,
                          const Tensor& lengths = {});
  ~CacheStep();
  CacheStep(const CacheStep&) = delete;
  CacheStep& operator=(const CacheStep&) = delete;

 private:
  struct Use;  // of the weights that are laid out
  KeyValueCache& cache_;
  std::shared_ptr<Use> use_;
  int exceptions_;       // in flight when it began
  bool begins_ = false;  // the cache was empty
};

}  // namespace rapt::nn
