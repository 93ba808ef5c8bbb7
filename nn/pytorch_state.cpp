#include "rapt/nn/pytorch_state.h"

#include <algorithm>
#include <string>
#include <vector>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/fields.h"
#include "rapt/nn/models/stack.h"
#include "rapt/nn/recurrent/stack.h"

namespace rapt::nn {
namespace {

/// The names that PyTorch has, each for one or several of rapt's parameters, which lie one below
/// the other in PyTorch's.
class Names {
 public:
  /// op: what the user called.
  explicit Names(const char* op) : op_(op) {}

  void add(const std::string& name, const std::vector<Tensor>& parts) {
    if (parts.front().defined()) entries_.push_back({name, parts});
  }
  /// A Linear or a Norm.
  template <class Layer>
  void add_layer(const std::string& name, const Layer& layer) {
    add(name + ".weight", {layer.weight});
    add(name + ".bias", {layer.bias});
  }

  void refuse_unless(bool fits, const char* wanted, const std::string& got) const {
    if (!fits) fail(op_, ": wanted ", wanted, "; got ", got);
  }
  /// Throws unless all of the layer's parameters are among them.
  void expect_all_of(const Module& layer, const char* ours, const char* theirs) const {
    std::string others;
    for (const auto& [name, p] : layer.parameters()) {
      if (!has(p)) others += (others.empty() ? "" : ", ") + name;
    }
    if (others.empty()) return;
    fail(op_, ": wanted a ", ours, " of the parameters that ", theirs, " has; got also ", others);
  }

  NamedTensors state() const {
    const NoGrad no_grad;
    NamedTensors out;
    for (const Entry& entry : entries_) {
      const Tensors parts(entry.parts.begin(), entry.parts.end());
      out.add(entry.name, parts.size() == 1 ? parts[0].detach().clone() : concat(parts, 0));
    }
    return out;
  }

  void load(const NamedTensors& state) const {
    const NoGrad no_grad;
    NamedTensors given = this->state();  // of the shapes that are wanted
    assign(op_, given, state);
    for (const Entry& entry : entries_) {
      int64_t row = 0;
      for (Tensor part : entry.parts) {
        part.copy_from(slice(given[entry.name], 0, row, row + part.size(0)));
        row += part.size(0);
      }
    }
  }

 private:
  struct Entry {
    std::string name;
    std::vector<Tensor> parts;
  };

  bool has(const Tensor& p) const {
    return std::ranges::any_of(entries_, [&](const Entry& entry) {
      return std::ranges::any_of(entry.parts, [&](const Tensor& part) { return part.same_as(p); });
    });
  }

  const char* op_;
  std::vector<Entry> entries_;
};

constexpr const char* give = "pytorch_state";
constexpr const char* take = "load_pytorch_state";

// ---- recurrent layers --------------------------------------------------------------------------

void add_direction(Names& names, const RecurrentDirection& direction, const std::string& end) {
  names.add("weight_ih" + end, {direction.weight_ih});
  names.add("weight_hh" + end, {direction.weight_hh});
  names.add("bias_ih" + end, {direction.bias_ih});
  names.add("bias_hh" + end, {direction.bias_hh});
}

Names names_of(const char* op, const RecurrentStack& layer) {
  Names names(op);
  for (size_t i = 0; i < layer.layers.size(); ++i) {
    const std::string end = "_l" + std::to_string(i);
    add_direction(names, layer.layers[i].forward, end);
    if (layer.layers[i].backward) {
      add_direction(names, *layer.layers[i].backward, end + "_reverse");
    }
  }
  return names;
}

// ---- attention ---------------------------------------------------------------------------------

void add_attention(Names& names, const std::string& prefix, const MultiHeadAttention& a) {
  const MultiHeadAttentionOptions& o = a.options();
  names.refuse_unless(o.key_value_heads == o.heads,
                      "as many heads of keys and values as of queries, as nn.MultiheadAttention",
                      text(o.key_value_heads, " for ", o.heads));
  names.refuse_unless(static_cast<int64_t>(a.kept_heads().size()) == o.heads,
                      "all of its heads, as nn.MultiheadAttention",
                      text(a.kept_heads().size(), " of ", o.heads));
  names.refuse_unless(o.heads * o.head_width == o.width,
                      "heads that are together as wide as the layer, as nn.MultiheadAttention",
                      text(o.heads, " of ", o.head_width, " in a width of ", o.width));
  names.refuse_unless(
      o.score == ScoreKind::scaled_dot && !o.soft_cap,
      "ScoreKind::scaled_dot without a soft_cap, as nn.MultiheadAttention",
      text(detail::names_of(o.score)[static_cast<size_t>(o.score)], o.soft_cap ? " with one" : ""));
  if (o.memory_width == o.width) {
    names.add(prefix + "in_proj_weight", {a.query.weight, a.key.weight, a.value.weight});
  } else {
    names.add(prefix + "q_proj_weight", {a.query.weight});
    names.add(prefix + "k_proj_weight", {a.key.weight});
    names.add(prefix + "v_proj_weight", {a.value.weight});
  }
  names.add(prefix + "in_proj_bias", {a.query.bias, a.key.bias, a.value.bias});
  names.add_layer(prefix + "out_proj", a.output);
}

Names names_of(const char* op, const MultiHeadAttention& layer) {
  Names names(op);
  add_attention(names, "", layer);
  names.expect_all_of(layer, "MultiHeadAttention", "nn.MultiheadAttention");
  return names;
}

// ---- blocks ------------------------------------------------------------------------------------

void add_block(Names& names, const std::string& prefix, const TransformerBlock& block) {
  const TransformerBlockOptions& o = block.options();
  names.refuse_unless(o.norm == NormKind::layer, "NormKind::layer, as PyTorch's layers have it",
                      "NormKind::rms");
  names.refuse_unless(o.attention.bias && o.feed_forward.bias,
                      "attention and a feed_forward with biases, as PyTorch's layers have them",
                      "bias = false");
  names.refuse_unless(!block.cross_attention || o.memory_width == o.width,
                      "a memory_width that is the width, as nn.TransformerDecoderLayer has it",
                      text(o.memory_width, " and ", o.width));
  add_attention(names, prefix + "self_attn.", block.attention);
  if (block.cross_attention) {
    add_attention(names, prefix + "multihead_attn.", *block.cross_attention);
  }
  names.add_layer(prefix + "linear1", block.feed_forward.up);
  names.add_layer(prefix + "linear2", block.feed_forward.down);
  names.add_layer(prefix + "norm1", block.norm1);
  if (block.cross_norm) names.add_layer(prefix + "norm2", *block.cross_norm);
  names.add_layer(prefix + (block.cross_norm ? "norm3" : "norm2"), block.norm2);
}

Names names_of(const char* op, const TransformerBlock& block) {
  Names names(op);
  add_block(names, "", block);
  names.expect_all_of(
      block, "TransformerBlock",
      block.cross_attention ? "nn.TransformerDecoderLayer" : "nn.TransformerEncoderLayer");
  return names;
}

// ---- stacks ------------------------------------------------------------------------------------

bool is_decoder(const TransformerStack& stack) {
  return stack.blocks.front().cross_attention.has_value();
}

void add_stack(Names& names, const std::string& prefix, const TransformerStack& stack) {
  for (size_t i = 0; i < stack.blocks.size(); ++i) {
    add_block(names, text(prefix, "layers.", i, "."), stack.blocks[i]);
  }
  if (stack.norm) names.add_layer(prefix + "norm", *stack.norm);
  names.expect_all_of(stack, "TransformerStack",
                      is_decoder(stack) ? "nn.TransformerDecoder" : "nn.TransformerEncoder");
}

Names names_of(const char* op, const TransformerStack& stack) {
  Names names(op);
  add_stack(names, "", stack);
  return names;
}

Names names_of(const char* op, const TransformerStack& encoder, const TransformerStack& decoder) {
  Names names(op);
  const auto kind = [](const TransformerStack& stack) {
    return is_decoder(stack) ? "one with it" : "one without";
  };
  names.refuse_unless(!is_decoder(encoder) && is_decoder(decoder),
                      "an encoder without cross_attention and a decoder with it",
                      text(kind(encoder), " and ", kind(decoder)));
  names.refuse_unless(encoder.norm && decoder.norm,
                      "stacks with final_norm, as nn.Transformer has them", "one without");
  add_stack(names, "encoder.", encoder);
  add_stack(names, "decoder.", decoder);
  return names;
}

}  // namespace

NamedTensors pytorch_state(const RecurrentStack& layer) { return names_of(give, layer).state(); }
void load_pytorch_state(RecurrentStack& layer, const NamedTensors& state) {
  names_of(take, layer).load(state);
}

NamedTensors pytorch_state(const MultiHeadAttention& layer) {
  return names_of(give, layer).state();
}
void load_pytorch_state(MultiHeadAttention& layer, const NamedTensors& state) {
  names_of(take, layer).load(state);
}

NamedTensors pytorch_state(const TransformerBlock& block) { return names_of(give, block).state(); }
void load_pytorch_state(TransformerBlock& block, const NamedTensors& state) {
  names_of(take, block).load(state);
}

NamedTensors pytorch_state(const TransformerStack& stack) { return names_of(give, stack).state(); }
void load_pytorch_state(TransformerStack& stack, const NamedTensors& state) {
  names_of(take, stack).load(state);
}

NamedTensors pytorch_state(const TransformerStack& encoder, const TransformerStack& decoder) {
  return names_of(give, encoder, decoder).state();
}
void load_pytorch_state(TransformerStack& encoder, TransformerStack& decoder,
                        const NamedTensors& state) {
  names_of(take, encoder, decoder).load(state);
}

}  // namespace rapt::nn
