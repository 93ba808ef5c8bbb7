#pragma once

// Private to the models: the heads that are left, as a configuration says them.

#include <initializer_list>
#include <string_view>

#include "rapt/autograd/values.h"
#include "rapt/nn/models/stack.h"

namespace rapt::nn::detail {

/// Whether a value of that name says which heads of a layer are left.
bool is_of_kept_heads(std::string_view name);

struct NamedStack {
  std::string_view prefix;  // of its names: "encoder."
  TransformerStack& stack;
};

/// Leaves, in each layer of the stacks that the configuration names, the heads that it lists.
/// Throws, as `model`, when there is no such layer or head.
void keep_heads(const char* model, const Values& configuration,
                std::initializer_list<NamedStack> stacks);

}  // namespace rapt::nn::detail
