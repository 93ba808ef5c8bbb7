#pragma once

// Private to rapt's own sources: whether ops on this thread keep a graph.

#include "rapt/autograd/tensor.h"

namespace rapt {

/// While one lives, ops on this thread keep no graph, but what they would have joined to one is
/// noted. grad_enabled() is true, so they compute what they would compute with a graph.
class Watch {
 public:
  Watch();
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Notes x if it requires a gradient.
  void note(const Tensor& x);

  Tensors noted;  ///< one for each place, in the order of their first use

 private:
  Watch* before_;
};

/// While one lives, recompute runs its function again on this thread.
class Rerun {
 public:
  Rerun();
  ~Rerun();
  Rerun(const Rerun&) = delete;
  Rerun& operator=(const Rerun&) = delete;

  uint64_t start() const { return start_; }

 private:
  const uint64_t start_;
  const Rerun* before_;
};

/// True when this thread runs recompute's function again, and x was there before.
bool is_older_than_rerun(const TensorImpl& x);

/// Says that something has had the chance to change what a function computes, such as a hook of
/// layers; `id` is its own. recompute wants the same when the function runs again.
void note_interposed(uint64_t id);

/// While one lives, what is said so on this thread is noted; then by the one outside of it, too.
class NoteInterposed {
 public:
  NoteInterposed();
  ~NoteInterposed();
  NoteInterposed(const NoteInterposed&) = delete;
  NoteInterposed& operator=(const NoteInterposed&) = delete;

  PoolVector<uint64_t> ids;  ///< each once, in ascending order

 private:
  NoteInterposed* before_;
};

/// True when ops on this thread would record a graph: neither under NoGrad nor under Watch.
bool records_graph();

/// Turns recording on or off on this thread while it lives; NoGrad is the public half. What is
/// recorded under one is not watched.
class Recording {
 public:
  explicit Recording(bool on);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
  Watch* watch_before_;
};

}  // namespace rapt
