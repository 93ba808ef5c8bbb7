#pragma once

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/named_tensors.h"
#include "rapt/nn/forward_hook.h"

/// The heads of a model's attention, each layer by its path: what they look at, which of them
/// matter, how alike they are.
namespace rapt::nn {

/// The weights of every MultiHeadAttention that is called in run(), [B, H, Tq, Tk] before dropout:
///
///   const NamedTensors maps = nn::attention_maps(model, [&] { model(ids); });
///   maps["blocks.0.attention"]
///
/// Of a layer that is called several times, those of the last.
NamedTensors attention_maps(const Module& model, FunctionRef<void()> run);

/// How much the loss would change if a head were switched off, to first order: |d loss / d m_h|,
/// where m_h = 1 multiplies what head h gives (arXiv:1905.10650, eq. 2), of every layer that
/// run() calls: [H]. Parameters' gradients stay as they are. Sum it over batches: the paper takes
/// the mean over the data of one example's.
///
///   nn::head_importance(model, [&] { return cross_entropy(model(ids), targets).mean(); });
NamedTensors head_importance(const Module& model, FunctionRef<Tensor()> loss);

/// While it lives, what the heads of these layers give is multiplied by the masks, [H] each: 0
/// switches a head off. By path; throws for a path without attention.
ForwardHook mask_heads(const Module& model, NamedTensors masks);

/// For MultiHeadAttention::keep_heads: of each layer, [H] importances, the heads that remain when
/// the `count` least important of all are taken away; at least one stays in each.
std::vector<std::vector<int64_t>> most_important_heads(const NamedTensors& importance,
                                                       int64_t count);

/// -sum over keys of p log p, in nats.   weights [..., Tk] -> [...]: 0 looks at one key alone, log
/// Tk at all alike.
Tensor attention_entropy(const Tensor& weights);

/// 1 - JS(p_g, p_h) / log 2 for each pair of heads, where JS is the Jensen-Shannon divergence of
/// their weights, mean over the batch and the queries that may attend to something: 1 for the same,
/// 0 if they share no key (arXiv:1906.04341, section 6).   weights [B, H, Tq, Tk] -> [H, H]
Tensor head_similarity(const Tensor& weights);

}  // namespace rapt::nn
