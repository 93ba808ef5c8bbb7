#pragma once

#include <cstdint>

#include "rapt/autograd/function_ref.h"

namespace rapt::kernels {

/// Elements of a simple pass over memory that are worth a thread.
inline constexpr int64_t elements_per_piece = 16384;

/// Calls f(begin, end) for [0, grain), [grain, 2 grain), ... up to n, spread over rapt's threads.
/// The pieces depend on n and grain alone, so whatever f computes per piece has the same bits for
/// any number of threads. Each thread begins with its own share of the pieces, the same in every
/// loop of that length. What f throws reaches the caller, once all pieces that have begun are done;
/// of several exceptions, that of the first piece. Runs in the caller's thread when there is one
/// piece, inside another parallel_for, while another thread of the program is using rapt's threads,
/// or when there are as many such callers as threads.
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> f);

}  // namespace rapt::kernels
