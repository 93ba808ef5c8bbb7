#pragma once

#include <cstdint>

/// One recurrent layer in one direction over a batch of rows of their own lengths. What depends on
/// no other step is a product for all tokens at once, and the caller's; here is what runs from step
/// to step. Rows do not depend on one another: each thread takes some of them through all steps.
namespace rapt::kernels {

enum class RecurrentCell { rnn_tanh, rnn_relu, lstm, gru };

/// G: how many parts of `hidden` numbers W_hh h has.
constexpr int64_t gates_of(RecurrentCell cell) {
  return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1;
}

/// K: how many such parts the gradient needs of each token, besides the gates. lstm: c and
/// tanh(c); gru: W_hn h + b_hn.
constexpr int64_t kept_of(RecurrentCell cell) {
  return cell == RecurrentCell::lstm ? 2 : cell == RecurrentCell::gru ? 1 : 0;
}

/// The tokens of a batch, N in all. Token t of row b is at starts[b] + t where tokens are packed,
/// one row after another, and at [b, t] of a padded tensor [B, T, ...].
struct RecurrentTokens {
  int64_t rows, steps, total;  // B, T, N
  const int64_t* lengths;      // [B]
  const int64_t* starts;       // [B]
  const int64_t* order;        // [B]: the rows, the longest first
  bool reverse;

  /// Which token of row b comes at that step, and whether there is one.
  int64_t token(int64_t b, int64_t step) const { return reverse ? lengths[b] - 1 - step : step; }
  /// The neighbour from which the state comes: behind `step` >= 1.
  int64_t before() const { return reverse ? 1 : -1; }
};

template <class T>
struct Recurrent {
  RecurrentCell cell;
  RecurrentTokens tokens;
  int64_t hidden;
  const T* weight;  // W_hh [G hidden, hidden], dense
  const T* bias;    // b_hh [G hidden]; or null
  const T* h0;      // [B, hidden]; null: zeros
  const T* c0;      // the same, of lstm
};

/// gates [N, G hidden]: in, W_ih x + b_ih; out, what the gates became (of rnn: h).
template <class T>
struct RecurrentForward {
  T* gates;
  T* kept;    // [N, K hidden]
  T* output;  // [B, T, hidden]
  T* last_h;  // [B, hidden]
  T* last_c;  // the same, of lstm
};
template <class T>
void recurrent_forward(const Recurrent<T>& r, const RecurrentForward<T>& to);

/// What arrives is null where it is 0.
template <class T>
struct RecurrentBackward {
  const T *gates, *kept, *output;  // as the forward pass left them
  const T *d_output, *d_last_h, *d_last_c;
  /// [N, G hidden], the gradient of W_ih x + b_ih; may be `gates`. That of W_hh h + b_hh is the
  /// same, but for gru's last part: d_inner [N, hidden], which may be `kept`.
  T *d_gates, *d_inner;
  T *d_h0, *d_c0;  // [B, hidden]; or null
};
template <class T>
void recurrent_backward(const Recurrent<T>& r, const RecurrentBackward<T>& of);

/// The h that each token's step began with: [N, hidden]. output [B, T, hidden]
template <class T>
void previous_hidden(const Recurrent<T>& r, const T* output, T* to);

/// The tokens of x [B, T, width], packed: [N, width]; and back, where the padding becomes 0.
template <class T>
void pack_tokens(const RecurrentTokens& tokens, int64_t width, const T* x, T* packed);
template <class T>
void unpack_tokens(const RecurrentTokens& tokens, int64_t width, const T* packed, T* x);

}  // namespace rapt::kernels
