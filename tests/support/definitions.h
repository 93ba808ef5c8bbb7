#pragma once

#include <optional>

#include "tensor_function.h"
#include "tensors.h"

/// Fused ops beside what they mean, written here once more in plain ops.
namespace rapt::tests {

/// exp(x) / sum(exp(x)) over the last axis; 0 where `allowed` (b8) leaves nothing.
inline Tensor plain_softmax(const Tensor& x, const Tensor& allowed = {}) {
  Tensor e = exp(x - max(x, -1, {.keepdim = true}).detach());
  if (allowed.defined()) e = e * allowed.to(x.dtype());
  const Tensor total = sum(e, -1, {.keepdim = true});
  return e / where(equal(total, zeros({}, x.dtype())), ones({}, x.dtype()), total);
}

inline Tensor plain_log_softmax(const Tensor& x) {
  const Tensor shifted = x - max(x, -1, {.keepdim = true}).detach();
  return shifted - log(sum(exp(shifted), -1, {.keepdim = true}));
}

/// b8 [queries, keys]: query i may see key j when j <= i + keys - queries.
inline Tensor plain_causal(int64_t queries, int64_t keys) {
  const Tensor i = unsqueeze(arange(queries), 1), j = arange(keys);
  return less_equal(j, i + static_cast<double>(keys - queries));
}

inline Mask causal_if(bool causal) { return causal ? Mask::causal() : Mask(); }

/// How attention attends, in the formula below and as options of the op.
struct PlainAttention {
  Tensor mask = {};  ///< b8, or added
  bool causal = false;
  std::optional<double> scale = {};
  std::optional<double> soft_cap = {};

  AttentionOptions options() const {
    return {.mask = causal_if(causal) & mask,
            .score = Score::scaled_dot({.scale = scale, .soft_cap = soft_cap})};
  }
};

/// Attention by its formula. The weights' factors `keep` stand for dropout.
inline Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                              const PlainAttention& o = {}, const Tensor& keep = {}) {
  const double scale = o.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(-1))));
  Tensor scores = matmul(q, transpose(k)) * scale;
  if (o.soft_cap) scores = *o.soft_cap * tanh(scores / *o.soft_cap);
  Tensor allowed = ones({q.size(-2), k.size(-2)}, Dtype::b8);
  if (o.causal) allowed = logical_and(allowed, plain_causal(q.size(-2), k.size(-2)));
  if (o.mask.defined() && o.mask.dtype() == Dtype::b8) allowed = logical_and(allowed, o.mask);
  if (o.mask.defined() && o.mask.dtype() != Dtype::b8) scores = scores + o.mask;
  Tensor weights = plain_softmax(scores, allowed);
  if (keep.defined()) weights = weights * keep;
  return matmul(weights, v);
}

/// Compares a fused op with its definition at f64 inputs: values, gradients by the kernels, and
/// gradients by create_graph; in f32 and f64; with dense and with strided inputs. In f32 both are
/// given the rounded inputs, and the definition computes in f64.
inline void expect_as_defined(const TensorFunction& fused, const TensorFunction& definition,
                              const Tensors& inputs, double f32_tolerance = 2e-5) {
  Rng rng(42);
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    for (const bool dense : {true, false}) {
      SCOPED_TRACE(text(dtype, dense ? ", dense" : ", strided"));
      const double allowed = dtype == Dtype::f32 ? f32_tolerance : 1e-11;
      Tensors leaves, exact_leaves, used;
      for (const Tensor& input : inputs) {
        leaves.push_back(input.to(dtype).detach().clone().set_requires_grad());
        exact_leaves.push_back(leaves.back().detach().to(Dtype::f64).clone().set_requires_grad());
        used.push_back(dense ? leaves.back() : strided(leaves.back()));
      }
      const Tensor y = fused(used)[0], exact = definition(exact_leaves)[0];
      ASSERT_EQ(y.dtype(), dtype);
      EXPECT_TRUE(close(y.to(Dtype::f64), exact, allowed)) << "value";
      const Tensor cotangent = rng.normal(y.shape(), 0, 1, dtype);
      const Tensors found = grad({y}, leaves, {.retain_graph = true, .cotangents = {cotangent}});
      const Tensors by_graph = grad({y}, leaves, {.create_graph = true, .cotangents = {cotangent}});
      const Tensors wanted =
          grad({exact}, exact_leaves, {.cotangents = {cotangent.to(Dtype::f64)}});
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_TRUE(close(found[i].to(Dtype::f64), wanted[i], allowed)) << "kernel gradient " << i;
        EXPECT_TRUE(close(by_graph[i].to(Dtype::f64), wanted[i], allowed))
            << "gradient by create_graph " << i;
      }
      if (!y.is_contiguous() || y.numel() == 0) continue;
      // A cotangent that is a strided view.
      const Tensors by_view = grad({fused(used)[0]}, leaves, {.cotangents = {strided(cotangent)}});
      for (size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_TRUE(close(by_view[i].to(Dtype::f64), wanted[i], allowed))
            << "gradient of a strided cotangent " << i;
      }
    }
  }
}

}  // namespace rapt::tests
