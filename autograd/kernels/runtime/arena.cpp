#include "rapt/autograd/kernels/runtime/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

namespace rapt::kernels {
namespace {

constexpr size_t unit = 64;  // of sizes and of alignment
// What is left of a chunk becomes one of its own from this size on.
constexpr size_t smallest_rest = 4096;
// Memory is reserved in pieces of at least this size, which grow with what there is. Pages that
// were never written to cost nothing.
constexpr size_t smallest_piece = size_t{64} << 20, largest_piece = size_t{1} << 30;
constexpr size_t most_bytes = ~size_t{0} / 2;
constexpr size_t huge_page = size_t{2} << 20;
// Chunks of the right class that are looked at for one that is large enough.
constexpr int looked_at = 8;

constexpr size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

/// The class whose chunks have at least 8 ... 15 times a power of two units: rounded down.
int class_of(size_t bytes) {
  const size_t units = bytes / unit;
  if (units < 8) return static_cast<int>(units);
  const int shift = std::bit_width(units) - 4;
  return 8 * (shift + 1) + static_cast<int>((units >> shift) - 8);
}

/// The first class all of whose chunks have at least that size.
int class_above(size_t bytes) {
  const size_t units = bytes / unit;
  if (units < 8) return static_cast<int>(units);
  const int shift = std::bit_width(units) - 4;
  const bool exact = (units >> shift) << shift == units;
  return class_of(bytes) + (exact ? 0 : 1);
}

}  // namespace

/// Lies before its block. The last chunk of each piece of memory is followed by one of size 0,
/// which is never free.
struct alignas(unit) Arena::Chunk {
  size_t size;      // with this header
  Chunk* before;    // its neighbour in memory; null for the first of a piece
  Chunk* next;      // in the list of free ones
  Chunk* previous;  // in the list of free ones
  char* reached;    // of a chunk of size 0: up to where its piece has been in use
  bool free;

  char* bytes() { return reinterpret_cast<char*>(this); }
  Chunk* after() { return reinterpret_cast<Chunk*>(bytes() + size); }
};

void* Arena::take(size_t bytes) {
  if (bytes > most_bytes) return nullptr;
  const size_t size = round_up(bytes, unit) + sizeof(Chunk);
  Chunk* chunk = find(size);
  if (chunk == nullptr) chunk = grow(size);
  if (chunk == nullptr) return nullptr;
  unlink(chunk);
  Chunk* const end = chunk->after();
  if (chunk->size - size >= smallest_rest) {
    Chunk* const rest = new (chunk->bytes() + size) Chunk{};
    rest->size = chunk->size - size;
    rest->before = chunk;
    end->before = rest;
    chunk->size = size;
    link(rest);
  }
  chunk->free = false;
  if (end->size == 0) {
    char* const used = chunk->after()->bytes();
    if (used > end->reached) {
      reached_ += static_cast<size_t>(used - end->reached);
      end->reached = used;
    }
  }
  return chunk + 1;
}

void Arena::give(void* block) noexcept {
  Chunk* chunk = static_cast<Chunk*>(block) - 1;
  Chunk* const after = chunk->after();
  if (after->free) {
    unlink(after);
    chunk->size += after->size;
  }
  if (chunk->before != nullptr && chunk->before->free) {
    Chunk* const before = chunk->before;
    unlink(before);
    before->size += chunk->size;
    chunk = before;
  }
  chunk->after()->before = chunk;
  link(chunk);
}

/// A free chunk of that size: an old one of about the size, or else the smallest class that has
/// one.
Arena::Chunk* Arena::find(size_t size) {
  Chunk* chunk = lists_[static_cast<size_t>(class_of(size))];
  for (int i = 0; i < looked_at && chunk != nullptr; ++i, chunk = chunk->next) {
    if (chunk->size >= size) return chunk;
  }
  const auto first = static_cast<size_t>(class_above(size));
  for (size_t i = first / 64; i < has_chunks_.size(); ++i) {
    uint64_t classes = has_chunks_[i];
    if (i == first / 64) classes &= ~uint64_t{0} << first % 64;
    if (classes != 0) return lists_[i * 64 + static_cast<size_t>(std::countr_zero(classes))];
  }
  return nullptr;
}

/// Gives pieces back to the system that are free as a whole.
void Arena::shrink() {
  for (Chunk* first : lists_) {
    for (Chunk *chunk = first, *next = nullptr; chunk != nullptr; chunk = next) {
      next = chunk->next;
      Chunk* const end = chunk->after();
      if (chunk->before != nullptr || end->size != 0) continue;
      unlink(chunk);
      const size_t bytes = chunk->size + sizeof(Chunk);
      reserved_ -= bytes;
      reached_ -= static_cast<size_t>(end->reached - chunk->bytes());
      munmap(chunk, bytes);
    }
  }
}

/// A new piece of memory, as one free chunk, or null. Pieces that lie idle and are too small go
/// first.
Arena::Chunk* Arena::grow(size_t size) {
  shrink();
  const size_t page = 4096, needed = round_up(size + sizeof(Chunk), page);
  const auto reserve = [](size_t bytes) {
    void* piece = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return piece == MAP_FAILED ? nullptr : static_cast<char*>(piece);
  };
  size_t bytes = std::max(needed, std::clamp(reserved_, smallest_piece, largest_piece));
  char* piece = reserve(bytes);
  if (piece == nullptr) piece = reserve(bytes = needed);  // where address space is scarce
  if (piece == nullptr) return nullptr;
  reserved_ += bytes;
  // Fewer misses in the table of pages: 3 % of a training step. Not at the end, which is written to
  // now and may never be reached.
  if (bytes > huge_page) madvise(piece, bytes - huge_page, MADV_HUGEPAGE);
  Chunk* const chunk = new (piece) Chunk{};
  chunk->size = bytes - sizeof(Chunk);
  Chunk* const end = new (chunk->after()) Chunk{};
  end->before = chunk;
  end->reached = piece;
  link(chunk);
  return chunk;
}

void Arena::link(Chunk* chunk) {
  const auto at = static_cast<size_t>(class_of(chunk->size));
  chunk->free = true;
  chunk->previous = nullptr;
  chunk->next = lists_[at];
  if (chunk->next != nullptr) chunk->next->previous = chunk;
  lists_[at] = chunk;
  has_chunks_[at / 64] |= uint64_t{1} << at % 64;
}

void Arena::unlink(Chunk* chunk) {
  const auto at = static_cast<size_t>(class_of(chunk->size));
  if (chunk->next != nullptr) chunk->next->previous = chunk->previous;
  if (chunk->previous != nullptr) {
    chunk->previous->next = chunk->next;
  } else {
    lists_[at] = chunk->next;
    if (chunk->next == nullptr) has_chunks_[at / 64] &= ~(uint64_t{1} << at % 64);
  }
}

}  // namespace rapt::kernels
