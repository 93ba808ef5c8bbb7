#pragma once

// Private to rapt's own sources: names chosen by a shell's patterns.

#include <string>
#include <vector>

namespace rapt::nn::detail {

/// Those of the names that a pattern fits, in their order. Throws, by the function's name, when a
/// pattern fits none of them: a `what`.
std::vector<std::string> fitting(const char* function, const char* what,
                                 const std::vector<std::string>& patterns,
                                 const std::vector<std::string>& names);

}  // namespace rapt::nn::detail
