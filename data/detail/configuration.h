#pragma once

// Private to rapt's own sources: a configuration stands in a file among its values, behind a
// prefix.

#include "rapt/autograd/values.h"

namespace rapt::data::detail {

/// Both as one. Throws, as `function`, when one of the values has a name of the configuration's.
Values joined(const char* function, const Values& values, const Values& configuration);

/// What joined() made one of.
struct Parted {
  Values values, configuration;
};
Parted parted(const Values& in_file);

}  // namespace rapt::data::detail
