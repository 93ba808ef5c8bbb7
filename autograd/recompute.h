#pragma once

#include "rapt/autograd/owned_function.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// f(inputs), with a graph that keeps only the inputs: what f computes on the way is dropped, and
/// backward() runs f once more to have it again (arXiv:1604.06174). It trades time for memory; for
/// a block of a Transformer, a third more time for all but the block's input.
///
///   Tensor y = recompute([block](const Tensors& in) { return block(in[0]); }, {x});
///
/// f takes a const Tensors& (the inputs; undefined ones are handed on) and returns one Tensor of
/// any shape. It is kept until the graph is freed, so it captures by value (a layer's copy aliases
/// the layer) what must still be there. Value and gradients are those of f itself:
/// - Gradients reach the inputs and whatever else f uses: parameters, and tensors of the graph that
///   it captured. backward(), grad() and derivatives of any order work, also through recompute in
///   f.
/// - Each time f runs again it draws the same random numbers, and no Rng advances.
/// - They are the same to the bit, unless a tensor is used both in f and outside of it: then a
///   gradient may be the same sum with other parentheses.
///
/// f must do the same whenever it runs: backward() throws when its result has another shape or
/// dtype, when it depends on other leaves, or when it draws other random numbers (as after
/// Module::eval). What it wrote elsewhere is written again. It cannot take gradients of its own
/// inside (there is no graph in the first run), and it draws in the thread that it is called in.
Tensor recompute(OwnedFunction<Tensor(const Tensors&)> f, TensorList inputs);

}  // namespace rapt
