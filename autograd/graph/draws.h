#pragma once

#include <cstdint>

#include "rapt/autograd/philox_key.h"
#include "rapt/autograd/pool.h"

namespace rapt {

/// What a piece of a program took from any Rng, in order: enough to draw the same numbers again.
class Draws {
 public:
  /// Notes that `blocks` blocks were taken at `at`.
  void add(PhiloxKey at, int64_t blocks) { taken_.push_back({at, blocks}); }
  size_t size() const { return taken_.size(); }
  /// Where the i-th were taken. Throws when there were not that many, or of another length.
  PhiloxKey at(size_t i, int64_t blocks) const;

 private:
  struct Taken {
    PhiloxKey at;
    int64_t blocks;
  };
  PoolVector<Taken> taken_;
};

/// While one lives, what this thread takes from any Rng is noted in `into`.
class NoteDraws {
 public:
  explicit NoteDraws(Draws& into);
  ~NoteDraws();
  NoteDraws(const NoteDraws&) = delete;
  NoteDraws& operator=(const NoteDraws&) = delete;

 private:
  Draws* before_;
};

/// While one lives, this thread takes what `from` holds, one after the other, and no Rng advances.
class RepeatDraws {
 public:
  explicit RepeatDraws(const Draws& from);
  ~RepeatDraws();
  RepeatDraws(const RepeatDraws&) = delete;
  RepeatDraws& operator=(const RepeatDraws&) = delete;

  PhiloxKey next(int64_t blocks) { return from_.at(next_++, blocks); }
  /// Throws when something is left.
  void expect_all_taken() const;

 private:
  const Draws& from_;
  size_t next_ = 0;
  RepeatDraws* before_;
};

}  // namespace rapt
