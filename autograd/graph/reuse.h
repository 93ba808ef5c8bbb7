#pragma once

// Private to the ops: how a gradient rule spares memory. docs/design.md, "Memory reuse".

#include "rapt/autograd/record.h"

namespace rapt {

/// What has been gathered so far of that input's gradient, dense and seen by nobody else (it is
/// copied first if need be); undefined if nothing has been, and while create_graph. The rule adds
/// its own gradient to those elements and returns this very tensor as its gradient; anything else
/// is an error. It spares a tensor, and a pass to add it up; and a sum over tokens thus goes on
/// where the last micro-batch ended.
Tensor accumulate_into(const Backward& b, size_t input);

/// True when the rule, which captured x, may write its result where x lies: nobody else has the
/// elements or may come back to them, and the rule does not run again.
bool may_overwrite(const Backward& b, const Tensor& x);

}  // namespace rapt
