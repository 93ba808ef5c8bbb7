#pragma once

#include <optional>
#include <vector>

#include "rapt/autograd/ops/recurrent.h"
#include "rapt/nn/dropout.h"

/// What RNN, LSTM and GRU are made of.
namespace rapt::nn {

struct RecurrentStackOptions {
  int64_t input = 0;           ///< width of x
  int64_t hidden = 0;          ///< width of the state
  int64_t layers = 1;          ///< each of which reads the outputs of the one before
  bool bidirectional = false;  ///< each layer reads from both ends (Schuster and Paliwal, 1997)
  double dropout = 0;          ///< of what one layer hands to the next
  bool bias = true;
};

enum class RecurrentKind { rnn, lstm, gru };

/// How one call goes.
///
///   RecurrentState state;
///   const Tensor y = lstm(x, {.lengths = lengths, .last = &state});
///   const Tensor next = lstm(more, {.initial = state, .last = &state});
struct RecurrentCallOptions {
  /// i64 [B], from 0 to T: row b is x[b, :lengths[b]]. Time goes with their sum, and what lies
  /// behind has no say. Undefined: all of T.
  Tensor lengths = {};
  /// hidden and, of LSTM, cell, each [layers * D, B, hidden], where D is 1 or, in both directions,
  /// 2: layer by layer, forward before backward. Undefined: zeros.
  RecurrentState initial = {};
  /// If given, set to the same of each row behind its own last token (before its first, backward).
  /// May be what `initial` was copied from.
  RecurrentState* last = nullptr;
};

/// One layer in one direction: the op of that kind (autograd/ops/recurrent.h) and its weights, by
/// PyTorch's names, uniform in +-1 / sqrt(hidden).
class RecurrentDirection : public Module {
 public:
  struct Options {
    RecurrentKind kind = RecurrentKind::rnn;
    int64_t input = 0, hidden = 0;
    bool bias = true;
    bool reverse = false;
    RnnNonlinearity nonlinearity = RnnNonlinearity::tanh;
  };
  RecurrentDirection(const Options& options, Rng& rng);
  /// x [B, T, input] -> [B, T, hidden]; initial and *last [B, hidden]
  Tensor operator()(const Tensor& x, const RecurrentCallOptions& how = {}) const;

  Tensor weight_ih, weight_hh;
  Tensor bias_ih, bias_hh;  ///< undefined when there are none

 private:
  Options options_;
};

/// Both directions of a layer, or one.   x [B, T, input] -> [B, T, D hidden]
class RecurrentLayer : public Module {
 public:
  RecurrentLayer(RecurrentDirection::Options options, bool bidirectional, Rng& rng);
  /// initial and *last [D, B, hidden]
  Tensor operator()(const Tensor& x, const RecurrentCallOptions& how = {}) const;

  RecurrentDirection forward;
  std::optional<RecurrentDirection> backward;
};

/// Several layers, one upon the other.   x [B, T, input] -> [B, T, D hidden]: what the last one
/// gives, forward beside backward; 0 past a row's length
class RecurrentStack : public Module {
 public:
  Tensor operator()(const Tensor& x, const RecurrentCallOptions& how = {}) const;

  const RecurrentStackOptions& options() const { return options_; }
  RecurrentKind kind() const { return kind_; }

  std::vector<RecurrentLayer> layers;
  Dropout dropout;

 protected:
  /// `name` is what errors begin with.
  RecurrentStack(const char* name, RecurrentKind kind, const RecurrentStackOptions& options,
                 Rng& rng, RnnNonlinearity nonlinearity = RnnNonlinearity::tanh);

 private:
  void check(const Tensor& x, const RecurrentCallOptions& how) const;
  void check_state(const char* argument, const Tensor& state, const Tensor& x) const;

  const char* name_;
  RecurrentKind kind_;
  RecurrentStackOptions options_;
};

}  // namespace rapt::nn
