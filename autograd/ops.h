#pragma once

#include <string_view>
#include <vector>

#include "rapt/autograd/attention/score.h"
#include "rapt/autograd/create.h"
#include "rapt/autograd/random.h"
#include "rapt/autograd/tensor.h"
#include "rapt/autograd/tensor_or_number.h"

/// Every function of tensors, family by family, in the order of ops/*.cpp.
///
/// Unless a line says otherwise: arguments are f32 or f64, all of one dtype; shapes broadcast as in
/// NumPy; the result is new, without gaps, in row-major order (of an elementwise function in that
/// of its first argument, which may be permuted); every function is differentiable to any order;
/// axes may be negative; a bad argument throws rapt::Error naming it. "View" means that the result
/// shares the elements of its argument.
///
/// NaN in, NaN out, but where a line below says that something has no say. Where everything that
/// counts is -inf, weights are 0, and so is the gradient, whatever arrives. The gradient by a
/// kernel and that by create_graph are inf and NaN in the same places; docs/design.md, "Numbers at
/// the edge", has the exceptions.
namespace rapt {

// ---- elementwise (elementwise.cpp): arithmetic works on i64 too -------------------------------

Tensor add(TensorOrNumber a, TensorOrNumber b);
Tensor sub(TensorOrNumber a, TensorOrNumber b);
Tensor mul(TensorOrNumber a, TensorOrNumber b);
/// f32 and f64 only.
Tensor div(TensorOrNumber a, TensorOrNumber b);
Tensor neg(const Tensor& x);
/// The larger of the two; where they are equal each gets half of the gradient.
Tensor maximum(TensorOrNumber a, TensorOrNumber b);
/// The smaller of the two; where they are equal each gets half of the gradient.
Tensor minimum(TensorOrNumber a, TensorOrNumber b);
/// x held inside [low, high]; the gradient passes where low <= x <= high.
Tensor clamp(const Tensor& x, double low, double high);
/// a where `condition` (b8) is true, else b.
Tensor where(const Tensor& condition, TensorOrNumber a, TensorOrNumber b);
/// x, with `value` where `mask` (b8, broadcast to x's shape) is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
/// x * x, in one pass.
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
/// 1 / sqrt(x).
Tensor rsqrt(const Tensor& x);
/// x^exponent. At x = 0 the gradient is that of the limit: exponent * 0^(exponent - 1).
Tensor pow(const Tensor& x, double exponent);
/// |x|, with gradient 0 at 0.
Tensor abs(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
/// max(x, 0), with gradient 0 at 0.
Tensor relu(const Tensor& x);
/// The two usual forms of GELU (arXiv:1606.08415): x * Phi(x) exactly, or with Phi's tanh
/// approximation as in GPT-2.
enum class Gelu { erf, tanh };
Tensor gelu(const Tensor& x, Gelu form = Gelu::erf);
/// x * sigmoid(x) (arXiv:1710.05941).
Tensor silu(const Tensor& x);

// ---- comparison (compare.cpp): b8 results, no gradient; any dtype, both the same --------------

Tensor equal(TensorOrNumber a, TensorOrNumber b);
Tensor not_equal(TensorOrNumber a, TensorOrNumber b);
Tensor less(TensorOrNumber a, TensorOrNumber b);
Tensor less_equal(TensorOrNumber a, TensorOrNumber b);
Tensor greater(TensorOrNumber a, TensorOrNumber b);
Tensor greater_equal(TensorOrNumber a, TensorOrNumber b);
/// b8 arguments.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_not(const Tensor& a);
/// True where x is neither inf nor NaN.
Tensor is_finite(const Tensor& x);

// ---- reductions (reduce.cpp): over `axes`, which vanish, or stay with length 1 (keepdim); without
// ---- the argument over all, with a list of none over none. NaN in, NaN out. --------------------

struct ReduceOptions {
  bool keepdim = false;  ///< the axes stay, with length 1
};
struct VarOptions {
  double correction = 1;  ///< 1 gives the unbiased estimate, 0 the population's variance
  bool keepdim = false;
};

/// i64 too.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// NaN over an empty axis.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// Ties share the gradient equally. Throws over an empty axis.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, ReduceOptions options = {});
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// Sum of squared deviations over (count - correction).
Tensor var(const Tensor& x);
Tensor var(const Tensor& x, const Axes& axes, VarOptions options = {});
/// log(sum(exp(x))), without overflow; -inf over nothing but -inf, with gradient 0.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, const Axes& axes, ReduceOptions options = {});
/// i64: the index of the largest element, the first of equals, or of the first NaN. No gradient.
/// Throws over an empty axis.
Tensor argmax(const Tensor& x, Int axis, ReduceOptions options = {});
struct ValuesAndIndices {
  Tensor values;   ///< differentiable
  Tensor indices;  ///< i64, constant
};
/// The largest element along an axis, and argmax's index of it: i64 too. All of the gradient goes
/// to that element, where max shares it among equals. Throws over an empty axis.
ValuesAndIndices max_with_indices(const Tensor& x, Int axis, ReduceOptions options = {});

// ---- shape (shape.cpp): any dtype --------------------------------------------------------------

/// The same elements in row-major order under another shape; one length may be -1. A view where
/// the strides allow it, else a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
/// View: axis i of the result is axis order[i] of x.
Tensor permute(const Tensor& x, const Axes& order);
/// View with two axes exchanged; by default the last two.
Tensor transpose(const Tensor& x, Int a = -2, Int b = -1);
/// View in which axes of length 1 are stretched, and new ones put in front. -1 keeps a length.
Tensor expand(const Tensor& x, const Shape& shape);
/// View without an axis of length 1; throws when its length is another.
Tensor squeeze(const Tensor& x, Int axis);
/// View with a new axis of length 1 at that place of the result.
Tensor unsqueeze(const Tensor& x, Int axis);
/// View of the indices begin, begin + step, ... below end along one axis. Negative begin and end
/// count from the end; both are cut to the axis. step >= 1.
Tensor slice(const Tensor& x, Int axis, Int begin, Int end, Int step = 1);
/// View of one index along an axis, which vanishes.
Tensor select(const Tensor& x, Int axis, Int index);
/// Views of consecutive pieces along an axis; the sizes add up to its length.
Tensors split(const Tensor& x, const std::vector<int64_t>& sizes, Int axis = 0);
/// View of the elements whose indices along both axes agree; the diagonal is the last axis.
Tensor diagonal(const Tensor& x, Int a = -2, Int b = -1);
/// One after another along an axis; the other lengths agree.
Tensor concat(TensorList parts, Int axis = 0);
/// Side by side along a new axis; the shapes agree.
Tensor stack(TensorList parts, Int axis = 0);
/// The lower triangle of the last two axes, 0 elsewhere; diagonal > 0 keeps more.
Tensor tril(const Tensor& x, Int diagonal = 0);
/// The upper triangle of the last two axes, 0 elsewhere; diagonal > 0 keeps less.
Tensor triu(const Tensor& x, Int diagonal = 0);

// ---- indexing (index.cpp): `index` is i64; an index outside the axis throws, naming it ---------

/// The slices of x at index [N] along an axis, which gets length N.
Tensor index_select(const Tensor& x, Int axis, const Tensor& index);
/// x, with source's i-th slice added at index[i] along an axis; repeated indices add up.
Tensor index_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source);
/// out[.., i, ..] = x[.., index[.., i, ..], ..]: index has x's rank, and on the other axes lengths
/// no larger than x's.
Tensor gather(const Tensor& x, Int axis, const Tensor& index);
/// x, with source[.., i, ..] added at [.., index[.., i, ..], ..]; the adjoint of gather. source has
/// index's shape.
Tensor scatter_add(const Tensor& x, Int axis, const Tensor& index, const Tensor& source);
/// weight [V, ...], ids i64 of any shape -> ids' shape + [...].
Tensor embedding(const Tensor& weight, const Tensor& ids);
/// ids i64 of any shape -> that shape + [classes]: 1 at the id, else 0. No gradient.
Tensor one_hot(const Tensor& ids, Int classes, Dtype dtype = Dtype::f32);

// ---- products (matmul.cpp, einsum.cpp) ---------------------------------------------------------

/// [..., m, k] x [..., k, n] -> [..., m, n]; leading axes broadcast. A vector is a row on the left,
/// a column on the right, and its axis vanishes again.
Tensor matmul(const Tensor& a, const Tensor& b);
/// x W^T + bias.   x [..., in], weight [out, in], bias [out] or undefined -> [..., out]
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
/// linear(x, weights[i], biases[i]) for each i: the maps of one x (queries, keys and values, say),
/// worked on together. `biases` may be empty, and some of them undefined.
Tensors linear_each(const Tensor& x, TensorList weights, TensorList biases = Tensors());
/// linear(gelu(x, form), weight, bias), which keeps x alone for its gradient: gelu(x), the largest
/// thing a feed-forward layer makes, is computed again.
Tensor gelu_linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                   Gelu form = Gelu::erf);
/// Einstein summation, e.g. einsum("bqhd,bkhd->bhqk", {q, k}). Labels are letters; a label repeated
/// within an operand takes its diagonal; "..." stands for any axes, which broadcast, and are summed
/// when an explicit output leaves them out; length 1 stretches under a label too; without "->" the
/// output has the labels seen once, in alphabetical order, behind the ellipsis; spaces are ignored.
/// As torch.einsum. Operands are contracted in pairs, in the cheapest order, each as a batched
/// product; the result may be a permuted view. Throws naming the label and its two lengths when
/// they disagree.
Tensor einsum(std::string_view equation, TensorList operands);

// ---- normalization (normalize.cpp) -------------------------------------------------------------

/// exp(x) / sum(exp(x)) along an axis. Where everything is -inf (all masked) the result is 0, and
/// so is the gradient.
Tensor softmax(const Tensor& x, Int axis = -1);
/// log(softmax(x)) along an axis. Where everything is -inf so is the result, and the gradient is 0.
Tensor log_softmax(const Tensor& x, Int axis = -1);
/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis (arXiv:1607.06450), var with
/// correction 0.   x [..., d], weight [d], bias [d]; each of the two may be undefined.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);
/// x / sqrt(mean(x^2) + eps) * weight over the last axis (arXiv:1910.07467).   weight [d] or
/// undefined
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, double eps = 1e-5);
/// Each element set to 0 with probability p, the others divided by 1 - p (arXiv:1207.0580). The
/// mask is a function of rng's state, which advances; it is not stored. 0 <= p < 1.
Tensor dropout(const Tensor& x, double p, Rng& rng);

// ---- attention (../attention) ------------------------------------------------------------------

struct AttentionOptions {
  Mask mask = {};      ///< which keys each query may attend to: mask.h
  Score score = {};    ///< how a query and a key become a score: score.h
  double dropout = 0;  ///< probability of dropping a weight; needs rng
  Rng* rng = nullptr;
};

/// softmax(score(q, k) + mask) v (arXiv:1706.03762, eq. 1).
/// q [..., Tq, d], k [..., Tk, d], v [..., Tk, dv] -> [..., Tq, dv]; leading axes (batch, heads)
/// broadcast. A query that may attend to nothing gives 0, and its gradients are 0. What is masked
/// has no say: NaN or inf there changes nothing for the others, forward or backward. The Tq x Tk
/// weights are never stored.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options = {});
/// The weights that the function above applies, before dropout: [..., Tq, Tk].
Tensor attention_weights(const Tensor& q, const Tensor& k, const AttentionOptions& options = {});

struct RotaryOptions {
  int64_t offset = 0;   ///< the place of the first row
  double base = 10000;  ///< of the wavelengths, 2 pi * base^(2i / d)
};
/// Rotary position embedding (RoPE, arXiv:2104.09864, eq. 34), rotary.cpp: row t of x is turned by
/// the angle (offset + t) * base^(-2i / d) in the plane of its elements 2i and 2i + 1, so that the
/// product of a query and a key depends on the distance between them.
/// x [..., T, d], d even -> the same, with the axes in memory in the order of x's
Tensor rotary(const Tensor& x, const RotaryOptions& options = {});

// ---- losses (loss.cpp) -------------------------------------------------------------------------

/// A loss as a sum and what it is to be divided by, so that micro-batches can be added up to
/// exactly what the whole batch gives, padding or not:
///
///   const double whole = count_targets(targets);            // of the batch, before it is cut
///   for (const auto& [ids, targets] : micro_batches) {
///     cross_entropy(model(ids), targets).mean(whole).backward();
///   }
struct Loss {
  Tensor sum;        ///< scalar, differentiable
  double count = 0;  ///< targets that counted, or the sum of their class weights
  /// sum / count; 0 (with gradient 0) when nothing counted.
  Tensor mean() const { return mean(count); }
  /// sum / whole: what a micro-batch adds to the mean of a batch whose count is `whole`.
  Tensor mean(double whole) const;
};

struct ClassificationOptions {
  int64_t ignore_index = -100;  ///< targets of this value do not count
  double label_smoothing = 0;   ///< in [0, 1]: the share spread evenly over all classes
  Tensor class_weights = {};    ///< [C], without a gradient; finite; or undefined for 1 each
};

/// The count of a loss over these targets: those that are not ignored, or the sum of their class
/// weights. label_smoothing does not matter.   targets i64 of any shape
double count_targets(const Tensor& targets, const ClassificationOptions& options = {});

/// -log softmax(logits)[target].   logits [..., C], targets i64 [...]. Definition, smoothing and
/// weights as in torch.nn.CrossEntropyLoss, but with the classes on the last axis.
Loss cross_entropy(const Tensor& logits, const Tensor& targets,
                   const ClassificationOptions& options = {});
/// -log_probabilities[target]; label_smoothing must be 0.   log_probabilities [..., C]
Loss nll_loss(const Tensor& log_probabilities, const Tensor& targets,
              const ClassificationOptions& options = {});
/// (prediction - target)^2.   Same shapes.
Loss mse_loss(const Tensor& prediction, const Tensor& target);
/// -(t log s(x) + (1 - t) log(1 - s(x))), s the sigmoid, without overflow.   Same shapes; targets
/// in [0, 1].
Loss binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets);

}  // namespace rapt

#include "rapt/autograd/misuse.h"
#include "rapt/autograd/operators.h"
