#pragma once

#include <string_view>

#include "rapt/autograd/named_tensors.h"

namespace rapt {

/// Writes the elements of `source` into the tensors of `target` that have the same names: how saved
/// state comes back. Strict: throws, listing every name that is missing or unexpected and every
/// shape or dtype that differs, and then nothing has been written. `op` opens the message.
void assign(std::string_view op, const NamedTensors& target, const NamedTensors& source);
/// Throws where assign would; writes nothing.
void check_assign(std::string_view op, const NamedTensors& target, const NamedTensors& source);

}  // namespace rapt
