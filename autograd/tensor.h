#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rapt/autograd/dtype.h"
#include "rapt/autograd/pool.h"
#include "rapt/autograd/shape.h"

namespace rapt {

class Tensor;
struct TensorImpl;

/// How a graph is treated by backward().
struct BackwardOptions {
  bool retain_graph = false;  ///< keep the graph for another walk; by default it is freed
};

/// An n-dimensional array with a dtype, and the place where a gradient arrives.
///
/// A Tensor is a handle: copying it aliases the same elements, and costs one reference count.
/// Operations (ops.h) never change their inputs; the elements of a tensor are written only through
/// mutable_data() and copy_from(), which optimizers and loading use. A view (reshape, permute,
/// slice, ...) shares the elements of what it was taken from.
///
/// Threads: distinct tensors may be used freely in distinct threads; one tensor may be read by
/// many. Writing, set_grad and backward need the caller's own order.
class Tensor {
 public:
  /// No tensor at all: defined() is false.
  Tensor() = default;

  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  ~Tensor() = default;
  // Not to what a function returns: x[0] = y, say, would change nothing that anybody sees.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;

  bool defined() const { return impl_ != nullptr; }
  const Shape& shape() const;
  /// The length of one axis; a negative axis counts from the last.
  int64_t size(Int axis) const;
  int64_t rank() const { return shape().rank(); }
  int64_t numel() const { return shape().numel(); }
  Dtype dtype() const;
  const Strides& strides() const;
  /// True when the elements lie densely in row-major order.
  bool is_contiguous() const;
  /// View of one index along the first axis, which vanishes: select(x, 0, index). To write there,
  /// see copy_from.
  Tensor operator[](Int index) const;
  /// "f32[2, 3] {{1, 2, 3}, {4, 5, 6}}", long axes cut in the middle.
  std::string str() const;

  /// The first element. The others lie as strides() says: row by row only if is_contiguous(), which
  /// a view and what was computed from one need not be (see contiguous(), values()). Throws when T
  /// is not the dtype.
  template <class T>
  const T* data() const {
    return static_cast<const T*>(raw_data(dtype_of<T>()));
  }
  /// As data(), for writing. Every alias sees the change. Throws for a tensor that is the recorded
  /// output of an op. A backward() that needs the overwritten values throws too, whether they were
  /// an op's input, a side argument (index, mask, targets) or captured by its rule.
  template <class T>
  T* mutable_data() {
    return static_cast<T*>(raw_mutable_data(dtype_of<T>()));
  }
  /// The elements in row-major order, whatever the strides. Throws when T is not the dtype.
  template <class T>
  std::vector<T> values() const;
  /// The only element, of any dtype, as a double. Throws unless numel() is 1.
  double item() const;
  /// Overwrites the elements with those of `source`: same shape, any dtype. Throws for the output
  /// of an op, whose graph would be lost without a word: detach() it, or copy inside NoGrad.
  void copy_from(const Tensor& source);

  /// The same values with another dtype. The tensor itself when the dtype is already right. The
  /// gradient is cast back; i64 and b8 carry none: as a comparison's, such a result is a constant.
  Tensor to(Dtype dtype) const;
  /// A dense row-major tensor of the same values; the tensor itself when it already is one.
  Tensor contiguous() const;
  /// A dense copy with its own elements. The gradient flows through.
  Tensor clone() const;
  /// The same elements, cut from the graph.
  Tensor detach() const;

  /// True for a leaf that asked for a gradient and for whatever was computed from one.
  bool requires_grad() const;
  /// True unless this is the output of a recorded op.
  bool is_leaf() const;
  /// Asks that backward() leaves d(output)/d(this) in grad(). f32 or f64 leaves only.
  Tensor& set_requires_grad(bool on = true);
  /// The gradient gathered so far; undefined when none has arrived.
  Tensor grad() const;
  /// Replaces the gradient. An undefined tensor clears it.
  void set_grad(const Tensor& gradient);
  void clear_grad() { set_grad(Tensor()); }
  /// Walks the graph behind this scalar and adds d(this)/d(leaf) to the grad() of every leaf.
  /// Frees the graph on the way unless told to retain it.
  void backward(BackwardOptions options = {}) const;
  /// As above, for a tensor of any shape: `cotangent` is d(loss)/d(this), of this shape.
  void backward(const Tensor& cotangent, BackwardOptions options = {}) const;

  /// True when both are handles to one tensor.
  bool same_as(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  friend struct TensorAccess;  // rapt's own sources: graph/storage.h
  explicit Tensor(std::shared_ptr<TensorImpl> impl) : impl_(std::move(impl)) {}

  const void* raw_data(Dtype wanted) const;
  void* raw_mutable_data(Dtype wanted);

  std::shared_ptr<TensorImpl> impl_;
};

/// What a function that gives or keeps any number of tensors deals in: a vector whose memory comes
/// from rapt's pool. It becomes a std::vector<Tensor>, and is made from one, where that is wanted.
class Tensors : public PoolVector<Tensor> {
 public:
  using PoolVector<Tensor>::PoolVector;
  Tensors(const std::vector<Tensor>& list) : PoolVector<Tensor>(list.begin(), list.end()) {}
  operator std::vector<Tensor>() const { return {begin(), end()}; }
};

/// What a function that takes any number of tensors accepts: {a, b, c}, a Tensors or a
/// std::vector<Tensor>. Borrowed: it must not outlive the call.
class TensorList {
 public:
  TensorList(std::initializer_list<Tensor> list) : first_(std::data(list)), size_(list.size()) {}
  TensorList(const Tensors& list) : first_(list.data()), size_(list.size()) {}
  TensorList(const std::vector<Tensor>& list) : first_(list.data()), size_(list.size()) {}
  TensorList(const Tensor* first, size_t size) : first_(first), size_(size) {}
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Tensor& operator[](size_t i) const { return first_[i]; }
  const Tensor* begin() const { return first_; }
  const Tensor* end() const { return first_ + size_; }

 private:
  const Tensor* first_;
  size_t size_;
};

/// While one lives, this thread records no graph: what is computed needs no gradient.
class NoGrad {
 public:
  [[nodiscard]] NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// True unless this thread is inside a NoGrad.
bool grad_enabled();

}  // namespace rapt
