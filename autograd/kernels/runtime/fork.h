#pragma once

/// fork(): every lock of rapt is taken before, in one order, and free after it in both processes;
/// the child starts threads of its own when it first needs some.
namespace rapt::kernels {

/// Called by whatever comes first: the pool or the threads.
void handle_forks();

/// What each source with a lock does. `in_child`: the other threads are gone, whatever they held.
enum class ForkPhase { before, in_parent, in_child };
void fork_threads(ForkPhase phase);  // parallel.cpp
void fork_blas(ForkPhase phase);     // blas.cpp
void fork_memory(ForkPhase phase);   // allocator.cpp

}  // namespace rapt::kernels
