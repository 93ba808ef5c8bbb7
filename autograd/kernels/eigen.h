#pragma once

// rapt's copy of Eigen lives in a namespace of its own: a program that uses Eigen itself, with
// other flags or of another version, never shares a symbol with it.
#define Eigen rapt_eigen  // NOLINT(readability-identifier-naming): Eigen's own name
#include <Eigen/Core>
#include <unsupported/Eigen/SpecialFunctions>
#undef Eigen

namespace rapt::kernels {
namespace eigen = ::rapt_eigen;
/// Vectors of the machine's own width.
namespace packets = eigen::internal;
}  // namespace rapt::kernels
