#include "rapt/nn/attention/heads.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/attention/detail/multi_head_body.h"
#include "rapt/nn/attention/multi_head.h"
#include "rapt/nn/detail/configuration.h"

namespace rapt::nn {
namespace {

/// "blocks.0.attention" of "blocks.0.attention.heads"; nothing if the path ends otherwise.
std::optional<std::string> layer_with(std::string_view probe, const std::string& path) {
  if (path == probe) return "";
  const std::string end = text(".", probe);
  if (!path.ends_with(end)) return std::nullopt;
  return path.substr(0, path.size() - end.size());
}

/// The layers of attention: those with both of its probes.
std::vector<std::string> attention_paths(const Module& model) {
  const std::vector<std::string> all = model.layer_paths();
  std::vector<std::string> out;
  for (const std::string& path : all) {
    const auto layer = layer_with("heads", path);
    if (!layer) continue;
    const std::string weights = layer->empty() ? "weights" : *layer + ".weights";
    if (std::ranges::find(all, weights) != all.end()) out.push_back(*layer);
  }
  return out;
}

NamedTensors checked(const Module& model, NamedTensors masks) {
  const std::vector<std::string> paths = attention_paths(model);
  for (const auto& [path, mask] : masks) {
    if (std::ranges::find(paths, path) != paths.end()) continue;
    std::string there;
    for (const std::string& known : paths) there += (there.empty() ? "" : ", ") + known;
    fail("mask_heads: wanted paths of layers of attention; got \"", path, "\"; there are ",
         there.empty() ? "none" : there);
  }
  return masks;
}

/// [H] as [1, H, 1, 1].
Tensor for_each_head(const Tensor& mask) { return reshape(mask, {1, mask.numel(), 1, 1}); }

}  // namespace

NamedTensors attention_maps(const Module& model, FunctionRef<void()> run) {
  std::vector<std::string> order;
  std::map<std::string, Tensor> maps;
  const ForwardHook hook(model,
                         [&](const LayerCall& call) {
                           const auto layer = layer_with("weights", call.path);
                           if (!layer) return Tensor();
                           if (!maps.contains(*layer)) order.push_back(*layer);
                           maps[*layer] = call.output;
                           return Tensor();
                         },
                         {.attention_weights = true});
  run();
  NamedTensors out;
  for (const std::string& layer : order) out.add(layer, maps[layer]);
  return out;
}

NamedTensors head_importance(const Module& model, FunctionRef<Tensor()> loss) {
  NamedTensors masks;
  const ForwardHook hook(model, [&](const LayerCall& call) {
    const auto layer = layer_with("heads", call.path);
    if (!layer) return Tensor();
    if (!masks.contains(*layer)) {
      masks.add(*layer, ones({call.output.size(1)}, call.output.dtype()).set_requires_grad());
    }
    return call.output * for_each_head(masks[*layer]);
  });
  const Tensor y = loss();
  Tensors leaves;
  for (const auto& [layer, mask] : masks) leaves.push_back(mask);
  if (leaves.empty())
    fail("head_importance: wanted a loss of a model with attention; none was called");
  const Tensors gradients = grad({y}, leaves);
  NamedTensors out;
  size_t at = 0;
  for (const auto& [layer, mask] : masks) out.add(layer, abs(gradients[at++]));
  return out;
}

ForwardHook mask_heads(const Module& model, NamedTensors masks) {
  return ForwardHook(model, [masks = checked(model, std::move(masks))](const LayerCall& call) {
    const auto layer = layer_with("heads", call.path);
    if (!layer || !masks.contains(*layer)) return Tensor();
    const Tensor& mask = masks[*layer];
    if (mask.shape() != Shape{call.output.size(1)}) {
      fail("mask_heads: wanted a mask [", call.output.size(1), "] for ",
           layer->empty() ? "the layer" : *layer, "; got ", mask.shape());
    }
    return call.output * for_each_head(mask.to(call.output.dtype()));
  });
}

std::vector<std::vector<int64_t>> most_important_heads(const NamedTensors& importance,
                                                       int64_t count) {
  struct Head {
    double importance;
    size_t layer;
    int64_t head;
  };
  std::vector<Head> all;
  std::vector<int64_t> left;
  for (const auto& [name, values] : importance) {
    if (values.rank() != 1) {
      fail("most_important_heads: wanted importances [H] of ", name, "; got ", values.shape());
    }
    int64_t head = 0;
    for (const double value : values.to(Dtype::f64).values<double>()) {
      all.push_back({value, left.size(), head++});
    }
    left.push_back(values.numel());
  }
  const auto most = static_cast<int64_t>(all.size() - left.size());
  if (count < 0 || count > most) {
    fail("most_important_heads: wanted a count in [0, ", most,
         "], so that a head is left in each of ", left.size(), " layers; got ", count);
  }
  std::ranges::stable_sort(all, {}, &Head::importance);
  std::vector<std::vector<int64_t>> kept(left.size());
  for (const Head& head : all) {
    if (count > 0 && left[head.layer] > 1) {
      --count;
      --left[head.layer];
    } else {
      kept[head.layer].push_back(head.head);
    }
  }
  for (std::vector<int64_t>& heads : kept) std::ranges::sort(heads);
  return kept;
}

// ---- what weights are like ---------------------------------------------------------------------

namespace {

/// x log x, 0 at 0.
Tensor x_log_x(const Tensor& x) { return x * log(where(x > 0, x, 1)); }

}  // namespace

Tensor attention_entropy(const Tensor& weights) {
  if (!weights.defined() || weights.rank() < 1) {
    fail("attention_entropy: wanted weights [..., Tk]");
  }
  return -sum(x_log_x(weights), {-1});
}

Tensor head_similarity(const Tensor& weights) {
  if (!weights.defined() || weights.rank() != 4) {
    fail("head_similarity: wanted weights [B, H, Tq, Tk]; got ",
         weights.defined() ? text(weights.shape()) : "an undefined tensor");
  }
  const int64_t heads = weights.size(1);
  const Tensor attends = (sum(weights, {-1}) > 0).to(weights.dtype());  // [B, H, Tq]
  const Tensor entropy = attention_entropy(weights);
  Tensors rows;
  for (int64_t h = 0; h < heads; ++h) {
    const Tensor mean = (weights + slice(weights, 1, h, h + 1)) / 2.0;
    const Tensor divergence =  // [B, H, Tq]
        attention_entropy(mean) - (entropy + slice(entropy, 1, h, h + 1)) / 2.0;
    const Tensor counts = attends * slice(attends, 1, h, h + 1);
    rows.push_back(1.0 - sum(divergence * counts, {0, 2}) / sum(counts, {0, 2}) / std::log(2.0));
  }
  return stack(rows, 0);
}

// ---- pruning -----------------------------------------------------------------------------------

namespace {

/// The columns of the heads that are kept, of `width` each.
Tensor columns_of(const std::vector<int64_t>& heads, int64_t width) {
  std::vector<int64_t> columns;
  for (const int64_t head : heads) {
    for (int64_t i = 0; i < width; ++i) columns.push_back(head * width + i);
  }
  return from_values(columns, {static_cast<int64_t>(columns.size())});
}

void keep(const Tensor& x, int64_t axis, const Tensor& indices) {
  if (!x.defined()) return;
  Tensor handle = x;
  replace_elements(handle, index_select(x.detach(), axis, indices));
}

/// The heads of keys that these use; throws unless each is left with all of its queries.
std::vector<int64_t> key_value_heads_of(const std::vector<int64_t>& heads, int64_t shared_by) {
  std::vector<int64_t> kept;
  for (size_t i = 0; i < heads.size(); ++i) {
    const auto within = static_cast<int64_t>(i) % shared_by;
    if (within == 0) kept.push_back(heads[i] / shared_by);
    if (heads[i] != kept.back() * shared_by + within) {
      fail("keep_heads: wanted the ", shared_by,
           " heads that share keys and values together, in their order");
    }
  }
  if (static_cast<int64_t>(heads.size()) % shared_by != 0) {
    fail("keep_heads: wanted the ", shared_by, " heads that share keys and values together");
  }
  return kept;
}

}  // namespace

void MultiHeadAttention::keep_heads(const std::vector<int64_t>& kept) {
  const MultiHeadAttentionOptions& o = options();
  std::vector<int64_t> sorted = kept;
  std::ranges::sort(sorted);
  const auto count = static_cast<int64_t>(kept_heads().size());
  if (kept.empty() || sorted.front() < 0 || sorted.back() >= count ||
      std::ranges::adjacent_find(sorted) != sorted.end()) {
    fail("keep_heads: wanted some of the heads 0 to ", count - 1, ", each once");
  }
  const std::vector<int64_t> shared = key_value_heads_of(kept, o.heads / o.key_value_heads);
  if (static_cast<int64_t>(kept.size()) == count && std::ranges::is_sorted(kept)) return;
  const NoGrad no_grad;
  const Tensor heads_left = from_values(kept, {static_cast<int64_t>(kept.size())});
  const Tensor columns = columns_of(kept, o.head_width);
  const Tensor shared_columns = columns_of(shared, o.head_width);
  keep(query.weight, 0, columns);
  keep(query.bias, 0, columns);
  for (const Linear* map : {&key, &value}) {
    keep(map->weight, 0, shared_columns);
    keep(map->bias, 0, shared_columns);
  }
  keep(output.weight, 1, columns);
  if (gate) {
    keep(gate->weight, 0, columns);
    keep(gate->bias, 0, columns);
  }
  keep(score_weight, 0, heads_left);
  keep(sink, 0, heads_left);
  if (relative_bias) keep(relative_bias->weight, 1, heads_left);
  std::vector<int64_t> as_built;
  as_built.reserve(kept.size());
  for (const int64_t head : kept) {
    as_built.push_back(kept_heads()[static_cast<size_t>(head)]);
  }
  body_->kept_heads = std::move(as_built);
  reconfigure("kept_heads", detail::text_of(kept_heads()));
}

}  // namespace rapt::nn
