#pragma once

// Private to rapt's own sources: what a Tensor handle points at.

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "rapt/autograd/kernels/runtime/allocator.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

class Node;
struct Leaf;

/// A block of memory that tensors share: rapt's own, or somebody's who lends it to be read.
struct Storage {
  explicit Storage(size_t size) : data(kernels::allocate(size)), bytes(size) {}
  Storage(const void* lent, size_t size, std::shared_ptr<const void> lender)
      : data(const_cast<void*>(lent)), bytes(size), owner(std::move(lender)) {}
  ~Storage() {
    if (!is_lent()) kernels::release(data, bytes);
  }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  /// True for memory that is only read.
  bool is_lent() const { return owner != nullptr; }

  void* data;
  size_t bytes;
  std::shared_ptr<const void> owner;  // of lent memory
  /// When somebody last wrote here (mutable_data, copy_from), on the clock that orders ops: a
  /// gradient rule never reads what changed behind it. See RuleReads.
  std::atomic<uint64_t> written{0};
  /// A rule may come back to these elements without holding them (kept.h): nobody writes over them.
  std::atomic<bool> is_kept{false};
};

struct TensorImpl {
  std::shared_ptr<Storage> storage;
  int64_t offset = 0;  // of the first element, in elements
  Shape shape;
  Strides strides;
  Dtype dtype = Dtype::f32;
  bool contiguous = true;
  std::shared_ptr<Node> node;  // the op that made it, if one was recorded
  size_t output = 0;           // which of its outputs this is
  std::shared_ptr<Leaf> leaf;  // where its gradient is gathered, if it asked for one
};

struct TensorAccess {
  static const std::shared_ptr<TensorImpl>& impl(const Tensor& x) { return x.impl_; }
  static Tensor handle(std::shared_ptr<TensorImpl> impl) { return Tensor(std::move(impl)); }
};

/// What a handle points at; null if it is undefined.
inline const std::shared_ptr<TensorImpl>& impl_of(const Tensor& x) { return TensorAccess::impl(x); }

/// A handle on it.
inline Tensor handle_on(std::shared_ptr<TensorImpl> impl) {
  return TensorAccess::handle(std::move(impl));
}

/// A dense tensor whose elements are not set yet. Throws when a length is negative or the size
/// overflows.
Tensor empty(const Shape& shape, Dtype dtype);

/// Another look at x's elements, outside the graph. `offset` counts from x's first element.
Tensor make_view(const Tensor& x, const Shape& shape, const Strides& strides, int64_t offset = 0);

/// The clock of ops and writes; and its next moment.
uint64_t this_moment();
uint64_t next_moment();

/// True when nobody but this handle can see the elements, now or later, and they are dense: they
/// may be reused.
bool is_sole_owner(const Tensor& x);

/// True when this handle to an op's output is the last way to its elements, now and later, and they
/// are dense: a gradient rule that runs for the last time may overwrite them.
bool is_last_handle(const Tensor& x);

/// The first element for writing, without the checks of mutable_data: for tensors that an op has
/// just made and nobody else has seen.
template <class T>
T* fresh_data(const Tensor& x) {
  return static_cast<T*>(impl_of(x)->storage->data) + impl_of(x)->offset;
}

/// True when `strides` are those of a dense row-major tensor (axes of length 1 are free).
bool is_row_major(const Shape& shape, const Strides& strides);

/// Makes every handle of `x` show `value`'s elements (and dtype). Module::to uses it; x must be a
/// leaf.
void replace_elements(Tensor& x, const Tensor& value);

}  // namespace rapt
