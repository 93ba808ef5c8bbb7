#pragma once

#include <cstdint>

namespace rapt::kernels {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace rapt::kernels
