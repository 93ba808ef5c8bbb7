#include "rapt/nn/models/detail/kept_heads.h"

#include "rapt/autograd/error.h"
#include "rapt/nn/detail/configuration.h"

namespace rapt::nn::detail {
namespace {

constexpr std::string_view ending = ".kept_heads";

/// The attention of that path, or none.
MultiHeadAttention* attention_at(std::string_view path, TransformerStack& stack) {
  for (size_t i = 0; i < stack.blocks.size(); ++i) {
    TransformerBlock& block = stack.blocks[i];
    if (path == text("blocks.", i, ".attention")) return &block.attention;
    if (block.cross_attention && path == text("blocks.", i, ".cross_attention")) {
      return &*block.cross_attention;
    }
  }
  return nullptr;
}

}  // namespace

bool is_of_kept_heads(std::string_view name) { return name.ends_with(ending); }

void keep_heads(const char* model, const Values& configuration,
                std::initializer_list<NamedStack> stacks) {
  for (const auto& [name, list] : configuration) {
    if (!is_of_kept_heads(name)) continue;
    const std::string_view path = std::string_view(name).substr(0, name.size() - ending.size());
    MultiHeadAttention* attention = nullptr;
    for (const NamedStack& named : stacks) {
      if (!path.starts_with(named.prefix)) continue;
      attention = attention_at(path.substr(named.prefix.size()), named.stack);
      if (attention) break;
    }
    if (!attention) {
      fail(model, ": wanted heads of a layer that it has; got \"", name, "\"");
    }
    try {
      attention->keep_heads(integers_of(configuration, name));
    } catch (const Error& error) {
      fail(model, ": in its configuration, \"", name, "\": ", error.what());
    }
  }
}

}  // namespace rapt::nn::detail
