#pragma once

// Private to nn: layers computed together. Only here is a layer called otherwise than by its
// operator(), and only while nobody watches: with a ForwardHook, each is called by itself.

#include <initializer_list>

#include "rapt/autograd/ops.h"
#include "rapt/nn/linear.h"

namespace rapt::nn {

/// (*maps[i])(x) for each i, to the bit.
Tensors call_each(const Tensor& x, std::initializer_list<const Linear*> maps);

/// map(gelu(x, form)), to the bit, without keeping gelu(x) for the backward pass.
Tensor call_on_gelu(const Tensor& x, Gelu form, const Linear& map);

}  // namespace rapt::nn
