#pragma once

namespace rapt {

/// How many threads rapt's own loops use, the caller's included: rapt's only global setting. It
/// starts as the number of cores this process may use (affinity and cgroup limits respected).
/// No result depends on it, to the bit. The user's own OpenMP and BLAS settings are left alone.
int num_threads();

/// Throws unless 1 <= count <= 256.
void set_num_threads(int count);

}  // namespace rapt
