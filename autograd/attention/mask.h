#pragma once

#include <memory>

#include "rapt/autograd/owned_function.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// Which block of queries and keys a function of the user's is asked about.
struct AttentionBlock {
  Tensor rows;          ///< i64 [rows, 1]: which queries, from 0 on
  Tensor keys;          ///< i64 [1, keys]: which keys, from 0 on; rows - keys is [rows, keys]
  int64_t query_count;  ///< of the whole attention
  int64_t key_count;
};

/// Which keys each query may attend to: all of them by default. What a mask forbids is never
/// computed where it forbids whole blocks, and has no say elsewhere, NaN or not.
///
///   attention(q, k, v, {.mask = Mask::causal() & Mask::lengths(lengths)});
///
/// Query i of Tq stands at the place i + Tk - Tq: the last query beside the last key, as when new
/// tokens are generated; with Align::first at the place i; or wherever at() says.
class Mask {
 public:
  enum class Align { last, first };

  Mask() = default;
  /// A tensor that broadcasts to [..., Tq, Tk]: b8, true = may attend; or f32 / f64 of the queries'
  /// dtype, added to the scores, -inf = may not, with its gradient. Undefined: all may.
  Mask(const Tensor& tensor);
  /// The same, of the first axes of the batch, as lengths(): [B, Tk], which keys are there, for
  /// every head and query (PyTorch's key_padding_mask, the other way round).
  static Mask keys(const Tensor& tensor);
  /// And [Tq, Tk], or [B, Tq, Tk]: which keys each query may attend to, in every head.
  static Mask pairs(const Tensor& tensor);

  /// No query sees what comes after its place.
  static Mask causal(Align align = Align::last);
  /// A query sees the keys from `before` places before its own to `after` places behind it. Both
  /// >= 0.
  static Mask window(Int before, Int after, Align align = Align::last);
  /// Only the first lengths[b] keys are there.   lengths i64, of the first axes of the batch: [B]
  /// for q [B, H, Tq, d]. An error when one is below 0 or above Tk.
  static Mask lengths(const Tensor& lengths);
  /// Causal, but for the first `length` keys, which all queries see; or lengths[b] of them, i64 as
  /// in lengths(). An error when one is below 0.
  static Mask prefix(Int length, Align align = Align::last);
  static Mask prefix(const Tensor& lengths, Align align = Align::last);

  /// Of sequences packed into one: a query sees the keys of its own document alone.   documents
  /// i64 [..., Tk], its leading axes as those of lengths(): a number for each place, the same for
  /// the places of one document, which lie side by side. Tq is at most Tk.
  static Mask documents(const Tensor& documents, Align align = Align::last);

  /// This mask for queries that stand elsewhere, each sequence at a place of its own: query i of
  /// entry b at starts[b] + i, whatever the alignment. Tensors and functions go by i as before.
  ///
  ///   (Mask::causal() & Mask::window(128, 0)).at(starts)
  ///
  /// starts i64, as in lengths(). An error when one is below 0.
  Mask at(const Tensor& starts) const;

  /// A mask of the user's own: b8, broadcast to [..., rows, keys] of the block. It is called block
  /// by block, so what it forbids costs what it allows; joined to the others, blocks that those
  /// forbid are left out. It may be called again for the same block (in backward).
  using Function = OwnedFunction<Tensor(const AttentionBlock&)>;
  static Mask of(Function f);

  /// What both allow.
  friend Mask operator&(const Mask& a, const Mask& b);

  /// True when every query may attend to every key.
  bool is_empty() const { return parts_ == nullptr; }
  /// What Mask(tensor) was given: for a layer to see that they have the axes it wants.
  Tensors tensors() const;
  /// b8: the mask as a tensor, broadcast to [batch..., queries, keys]. What is added counts as true
  /// where it is not -inf.
  Tensor allowed(const Shape& batch, Int queries, Int keys) const;

 private:
  friend class AttentionProblem;
  struct Part;
  struct Parts;  // detail/parts.h
  explicit Mask(Part part);

  std::shared_ptr<const Parts> parts_;
};

}  // namespace rapt
