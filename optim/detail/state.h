#pragma once

// Private to rapt's own sources: what every load_state here asks before it writes anything.

#include <limits>
#include <string>

#include "rapt/autograd/named_tensors.h"

namespace rapt::optim::detail {

/// Throws when the state says that it is another's. What was saved by 0.1 does not say.
inline void require_state_of(const char* function, const std::string& name,
                             const NamedTensors& given) {
  const Values& made = given.configuration();
  if (!made.contains("name") || made.text("name") == name) return;
  fail(function, ": wanted the state of ", name, "; got that of ", made.text("name"),
       "; nothing was loaded");
}

/// Throws unless the number of that name, if there is one, is finite and not negative.
inline void require_number(const char* function, const NamedTensors& given,
                           const std::string& name) {
  if (!given.contains(name) || given[name].numel() != 1) return;  // assign says so
  const double number = given[name].item();
  if (number >= 0 && number < std::numeric_limits<double>::infinity()) return;
  fail(function, ": wanted ", name, " >= 0; got ", number, "; nothing was loaded");
}

}  // namespace rapt::optim::detail
