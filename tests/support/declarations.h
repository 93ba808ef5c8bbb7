#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rapt::tests {

/// The functions that a header declares, in its order, members of structs too: "add(Tensor,
/// double)", "operator-(Tensor)", "Loss::mean()". Of each parameter only the type is kept, without
/// const and &. Understands what a header of plain functions, structs and enums is made of.
std::vector<std::string> declared_functions(std::string_view header);

/// The whole file; throws rapt::Error when it cannot be read.
std::string read_text(const std::string& path);

/// The families that ops.h includes, and operators.h.
std::string ops_headers();

}  // namespace rapt::tests
