#pragma once

#include "rapt/nn/embedding.h"
#include "rapt/nn/linear.h"
#include "rapt/nn/recurrent/gru.h"
#include "rapt/nn/recurrent/lstm.h"

namespace rapt::nn {

struct RecurrentEncoderDecoderOptions {
  int64_t source_vocabulary = 0;
  int64_t target_vocabulary = 0;
  int64_t width = 64;   ///< of the embeddings
  int64_t hidden = 64;  ///< of the encoder's states in each direction, and of the decoder's
  int64_t score = 0;    ///< width of the attention's score; 0 stands for hidden
  RecurrentKind cell = RecurrentKind::gru;  ///< gru or lstm
  double dropout = 0;                       ///< of embeddings, and of what the head reads
};

/// The encoder and decoder with attention of Bahdanau, Cho and Bengio (arXiv:1409.0473), which
/// attention in translation began with:
///
///   h_1 ... h_S = encoder(source)            both directions, side by side
///   s_0  = tanh(W_s h)                       of the state before the first token, read backwards
///   c_i  = sum_j softmax_j(v . tanh(W_a s_(i-1) + U_a h_j)) h_j
///   s_i  = cell([y_(i-1), c_i], s_(i-1))     y: embeddings of the target
///   logits_i = head(maxout(readout([s_i, y_(i-1), c_i])))
///
/// maxout is the larger of each two neighbours (arXiv:1302.4389). An LSTM's first cell is 0.
class RecurrentEncoderDecoder : public Module {
 private:
  RecurrentEncoderDecoderOptions options_;  // with what a 0 stands for; the members are made by it

 public:
  RecurrentEncoderDecoder(const RecurrentEncoderDecoderOptions& options, Rng& rng);
  /// As configuration() says. Throws for that of another model, and
  /// for names and values that are not its own.
  RecurrentEncoderDecoder(const Values& configuration, Rng& rng);

  /// What the decoder knows of a batch, and where it stands.
  struct Memory {
    Tensor values;         ///< h_j [B, S, 2 hidden]
    Tensor keys;           ///< U_a h_j [B, S, score]
    Tensor lengths;        ///< i64 [B]; or undefined
    RecurrentState state;  ///< s_(i-1), [B, hidden]
  };

  /// With the right tokens before each place (teacher forcing). target: the decoder's inputs, so a
  /// token that starts every sequence, then those that are to be predicted but the last.
  ///   source i64 [B, S], target i64 [B, T] -> logits [B, T, target_vocabulary]
  /// source_lengths i64 [B]: what lies past them has no say. Undefined: all of S.
  Tensor operator()(const Tensor& source, const Tensor& target,
                    const Tensor& source_lengths = {}) const;

  /// The two halves of the above, for decoding token by token: the same bits.
  Memory encode(const Tensor& source, const Tensor& source_lengths = {}) const;
  /// ids i64 [B], the tokens before -> logits [B, target_vocabulary]; moves memory.state on. If
  /// `weights` is given, it is set to the attention's, [B, S].
  Tensor step(const Tensor& ids, Memory& memory, Tensor* weights = nullptr) const;

  Embedding source_tokens, target_tokens;
  RecurrentLayer encoder;
  RecurrentDirection cell;
  Linear start, query, key;  ///< W_s, W_a and U_a
  Tensor score;              ///< v [score], uniform in +-1 / sqrt(score)
  Linear readout, head;
  Dropout dropout;

 private:
  struct Filled {
    RecurrentEncoderDecoderOptions options;
  };
  RecurrentEncoderDecoder(const Filled& filled, Rng& rng);
  struct Step {
    Tensor state, context;  // [B, 1, hidden], [B, 1, 2 hidden]
  };
  Step step_of(const Tensor& embedded, Memory& memory, Tensor* weights) const;
  Tensor logits_of(const Tensor& states, const Tensor& embedded, const Tensor& contexts) const;
};

}  // namespace rapt::nn
