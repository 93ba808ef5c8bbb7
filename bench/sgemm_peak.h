#pragma once

#include <string>

namespace bench {

/// GFLOP/s that this machine's OpenBLAS reaches with that many threads: each multiplies matrices
/// of its own, 2048 x 2048, single-threaded, all at the same time; the best of several rounds.
/// So nothing is shared, nobody waits, and every build of OpenBLAS (OpenMP, pthread, serial) is
/// measured in the same way. The user's setting of OpenBLAS's threads is put back.
double sgemm_peak_gflops(int threads);

/// The OpenBLAS that is loaded: its version, its kernels, and how it was built.
std::string blas_name();

}  // namespace bench
