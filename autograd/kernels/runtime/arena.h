#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace rapt::kernels {

/// Large blocks of changing sizes, cut from a few large pieces of memory: a block that is given
/// back joins its free neighbours, so what tensors of one size leave behind serves those of
/// another. Good fit in constant time (two-level segregated fit: Masmano et al., ECRTS 2004).
/// Callers lock.
class Arena {
 public:
  /// A block of at least `bytes`, aligned to 64; null if the system has none.
  void* take(size_t bytes);
  void give(void* block) noexcept;

  /// The memory that blocks have reached: as far as the system has had to provide it.
  size_t bytes_reached() const { return reached_; }

 private:
  struct Chunk;

  Chunk* find(size_t bytes);
  Chunk* grow(size_t bytes);
  void shrink();
  void link(Chunk* chunk);
  void unlink(Chunk* chunk);

  // Free chunks by size: 8 classes per doubling.
  static constexpr int class_count = 8 * 60;
  std::array<Chunk*, class_count> lists_{};
  std::array<uint64_t, (class_count + 63) / 64> has_chunks_{};
  size_t reserved_ = 0;
  size_t reached_ = 0;
};

}  // namespace rapt::kernels
