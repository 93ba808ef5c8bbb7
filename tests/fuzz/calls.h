#pragma once

#include <functional>
#include <string>
#include <vector>

#include "draw.h"

namespace rapt::fuzz {

/// A function of ops.h, called with arguments that are drawn.
struct Call {
  std::string function;  ///< as tests/support/declarations.h spells it
  std::function<Tensors(Draw&)> run;
};

/// One for each function of ops.h.
const std::vector<Call>& calls();

/// Makes the call, and checks what has to hold of any result:
/// - What is thrown is rapt::Error.
/// - The result and its gradients can be read, and have the shapes that they should.
/// - The gradient that a kernel gives and that of create_graph agree, and so do the results of
/// dense
///   arguments and of any others; inf and NaN too. Not of wild numbers: rounding decides there.
/// False when rapt refused the arguments; throws Finding when something does not hold.
bool make(const Call& call, const uint8_t* data, size_t size);

}  // namespace rapt::fuzz
