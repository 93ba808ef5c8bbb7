#include "rapt/autograd/tensor.h"

#include <algorithm>
#include <cstring>

#include "rapt/autograd/gradient.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/rule_run.h"
#include "rapt/autograd/kernels/elementwise.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {

// ---- storage -----------------------------------------------------------------------------------

bool is_row_major(const Shape& shape, const Strides& strides) {
  int64_t expected = 1;
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1 && strides[axis] != expected) return false;
    expected *= shape[axis];
  }
  return true;
}

namespace {

std::shared_ptr<TensorImpl> new_impl() {
  return std::allocate_shared<TensorImpl>(PoolAllocator<TensorImpl>());
}

std::shared_ptr<Leaf> new_leaf(const TensorImpl& impl) {
  return std::allocate_shared<Leaf>(PoolAllocator<Leaf>(),
                                    Leaf{impl.shape, impl.dtype, Tensor(), nullptr});
}

/// Bytes of a dense tensor; throws when it cannot be.
size_t checked_bytes(const Shape& shape, Dtype dtype) {
  for (const int64_t length : shape) {
    if (length < 0) fail("shape: wanted lengths of at least 0; got ", shape);
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(size_of(dtype), shape.numel(), &bytes) ||
      static_cast<size_t>(bytes) > kernels::machine_memory()) {
    fail("shape: ", shape, " of ", dtype, " is larger than this machine's memory, ",
         kernels::machine_memory() >> 20, " MiB");
  }
  return static_cast<size_t>(bytes);
}

const TensorImpl& checked(const std::shared_ptr<TensorImpl>& impl) {
  if (!impl)
    fail(
        "tensor: wanted a tensor; got an undefined one (default-constructed, or a missing "
        "gradient)");
  return *impl;
}

}  // namespace

Tensor empty(const Shape& shape, Dtype dtype) {
  const size_t bytes = checked_bytes(shape, dtype);
  auto impl = new_impl();
  impl->storage = std::allocate_shared<Storage>(PoolAllocator<Storage>(), bytes);
  impl->shape = shape;
  impl->strides = row_major(shape);
  impl->dtype = dtype;
  return handle_on(std::move(impl));
}

template <class T>
Tensor from_memory(const T* data, const Shape& shape, std::shared_ptr<const void> owner) {
  const Dtype dtype = dtype_of<T>();
  const size_t bytes = checked_bytes(shape, dtype);
  if (owner == nullptr) {
    fail("from_memory: wanted an owner of the memory, which lives as long as the tensor; got null");
  }
  if (data == nullptr && bytes > 0) fail("from_memory: wanted elements for ", shape, "; got null");
  if (const uintptr_t off = reinterpret_cast<uintptr_t>(data) % alignof(T); off != 0) {
    fail("from_memory: wanted an address that ", dtype, " can lie at, a multiple of ", alignof(T),
         "; got one ", off, " above that");
  }
  auto impl = new_impl();
  impl->storage =
      std::allocate_shared<Storage>(PoolAllocator<Storage>(), data, bytes, std::move(owner));
  impl->shape = shape;
  impl->strides = row_major(shape);
  impl->dtype = dtype;
  return handle_on(std::move(impl));
}
template Tensor from_memory(const float*, const Shape&, std::shared_ptr<const void>);
template Tensor from_memory(const double*, const Shape&, std::shared_ptr<const void>);
template Tensor from_memory(const int64_t*, const Shape&, std::shared_ptr<const void>);
template Tensor from_memory(const bool*, const Shape&, std::shared_ptr<const void>);

Tensor make_view(const Tensor& x, const Shape& shape, const Strides& strides, int64_t offset) {
  const TensorImpl& from = checked(impl_of(x));
  shape.numel();  // throws for a shape that no memory could have
  auto impl = new_impl();
  impl->storage = from.storage;
  impl->offset = from.offset + offset;
  impl->shape = shape;
  impl->strides = strides;
  impl->dtype = from.dtype;
  impl->contiguous = is_row_major(shape, strides);
  return handle_on(std::move(impl));
}

bool is_last_handle(const Tensor& x) {
  const auto& impl = impl_of(x);
  return impl.use_count() == 1 && impl->storage.use_count() == 1 && impl->contiguous &&
         !impl->leaf && !impl->storage->is_lent() &&
         !impl->storage->is_kept.load(std::memory_order_relaxed);
}

bool is_sole_owner(const Tensor& x) { return is_last_handle(x) && !impl_of(x)->node; }

void replace_elements(Tensor& x, const Tensor& value) {
  if (!x.is_leaf()) fail("to: wanted a leaf; got the output of an op");
  const Tensor dense = value.contiguous();
  TensorImpl& impl = *impl_of(x);
  impl.storage = impl_of(dense)->storage;
  impl.storage->written = next_moment();
  impl.offset = impl_of(dense)->offset;
  impl.shape = dense.shape();
  impl.strides = dense.strides();
  impl.dtype = dense.dtype();
  impl.contiguous = true;
  if (!impl.leaf) return;
  const std::shared_ptr<Hooks> hooks = impl.leaf->hooks;
  impl.leaf = new_leaf(impl);
  impl.leaf->hooks = hooks;
}

// ---- Tensor ------------------------------------------------------------------------------------

const Shape& Tensor::shape() const { return checked(impl_).shape; }
Dtype Tensor::dtype() const { return checked(impl_).dtype; }
const Strides& Tensor::strides() const { return checked(impl_).strides; }
bool Tensor::is_contiguous() const { return checked(impl_).contiguous; }

int64_t Tensor::size(Int axis) const {
  const Shape& s = shape();
  return s[resolve_axis("size", axis, s.rank())];
}

const void* Tensor::raw_data(Dtype wanted) const {
  const TensorImpl& impl = checked(impl_);
  if (impl.dtype != wanted) fail("data: wanted a tensor of ", wanted, "; got ", impl.dtype);
  RuleReads::check(impl);
  return static_cast<const std::byte*>(impl.storage->data) + impl.offset * size_of(wanted);
}

void* Tensor::raw_mutable_data(Dtype wanted) {
  const TensorImpl& impl = checked(impl_);
  if (impl.dtype != wanted) fail("mutable_data: wanted a tensor of ", wanted, "; got ", impl.dtype);
  if (impl_->node) {
    fail("mutable_data: wanted a leaf; got the output of ", impl_->node->op,
         ", whose graph may need its values (clone() it, or compute it under NoGrad)");
  }
  if (impl.storage->is_lent()) {
    fail("mutable_data: wanted memory of rapt's own; got ", impl.dtype, impl.shape,
         " made by from_memory, which is only read (clone() it)");
  }
  impl.storage->written.store(next_moment(), std::memory_order_relaxed);
  return static_cast<std::byte*>(impl.storage->data) + impl.offset * size_of(wanted);
}

template <class T>
std::vector<T> Tensor::values() const {
  const NoGrad no_grad;
  const T* from = data<T>();
  const size_t n = static_cast<size_t>(numel());
  std::vector<T> out(n);
  if (n == 0) return out;
  const Tensor dense = contiguous();
  from = dense.data<T>();
  std::copy_n(from, n, out.begin());
  return out;
}
template std::vector<float> Tensor::values() const;
template std::vector<double> Tensor::values() const;
template std::vector<int64_t> Tensor::values() const;
template std::vector<bool> Tensor::values() const;

double Tensor::item() const {
  if (numel() != 1) fail("item: wanted a tensor of one element; got shape ", shape());
  return visit_any(dtype(),
                   [&](auto zero) { return static_cast<double>(*data<decltype(zero)>()); });
}

void Tensor::copy_from(const Tensor& source) {
  if (source.shape() != shape()) {
    fail("copy_from: wanted shape ", shape(), "; got ", source.shape());
  }
  if (!is_leaf()) {
    fail("copy_from: wanted a leaf to write to; got the output of ", impl_->node->op,
         ", whose graph may need its values (clone() it, or compute it under NoGrad)");
  }
  if (grad_enabled() && !source.is_leaf()) {
    fail("copy_from: wanted values that nothing would be lost of; got the output of ",
         impl_of(source)->node->op,
         ", whose graph a copy does not keep (detach() it, or copy inside NoGrad)");
  }
  const NoGrad no_grad;
  visit_any(dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (!is_contiguous()) fail("copy_from: wanted a dense tensor to write to; got a strided view");
    const Tensor from = source.to(dtype()).contiguous();
    std::copy_n(from.data<T>(), numel(), mutable_data<T>());
  });
}

bool Tensor::requires_grad() const {
  const TensorImpl& impl = checked(impl_);
  return impl.node || impl.leaf;
}

bool Tensor::is_leaf() const { return !checked(impl_).node; }

Tensor& Tensor::set_requires_grad(bool on) {
  const TensorImpl& impl = checked(impl_);
  if (impl.node) {
    fail("set_requires_grad: wanted a leaf; got the output of ", impl.node->op,
         " (detach() it first)");
  }
  if (on && !is_float(impl.dtype)) {
    fail("set_requires_grad: wanted f32 or f64; got ", impl.dtype);
  }
  if (!on) {
    impl_->leaf.reset();
  } else if (!impl_->leaf) {
    impl_->leaf = new_leaf(impl);
  }
  return *this;
}

Tensor Tensor::grad() const {
  const TensorImpl& impl = checked(impl_);
  return impl.leaf ? impl.leaf->grad : Tensor();
}

void Tensor::set_grad(const Tensor& gradient) {
  const TensorImpl& impl = checked(impl_);
  if (gradient.defined() &&
      (!impl.leaf || gradient.shape() != impl.shape || gradient.dtype() != impl.dtype)) {
    if (!impl.leaf) fail("set_grad: wanted a leaf that requires a gradient");
    fail("set_grad: wanted ", impl.dtype, impl.shape, "; got ", gradient.dtype(), gradient.shape());
  }
  if (impl.leaf) impl.leaf->grad = gradient;
}

Tensor Tensor::operator[](Int index) const { return select(*this, 0, index); }

Tensor Tensor::detach() const { return make_view(*this, shape(), strides()); }

namespace {

template <class T>
void append_element(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>) {
    out += value ? "true" : "false";
  } else if constexpr (std::is_same_v<T, int64_t>) {
    out += std::to_string(value);
  } else {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.5g", static_cast<double>(value));
    out += digits;
  }
}

// Axes longer than this are printed with their middle cut out.
constexpr int64_t printed_length = 8;

template <class T>
void append_elements(std::string& out, const T* data, const Shape& shape, const Strides& strides,
                     int64_t axis) {
  if (axis == shape.rank()) return append_element(out, *data);
  out += '{';
  for (int64_t i = 0; i < shape[axis]; ++i) {
    if (i > 0) out += ", ";
    if (shape[axis] > printed_length && i == printed_length / 2) {
      out += "..., ";
      i = shape[axis] - printed_length / 2;
    }
    append_elements(out, data + i * strides[axis], shape, strides, axis + 1);
  }
  out += '}';
}

}  // namespace

std::string Tensor::str() const {
  if (!defined()) return "undefined";
  std::string out = text(dtype(), shape(), " ");
  visit_any(dtype(), [&](auto zero) {
    append_elements(out, data<decltype(zero)>(), shape(), strides(), 0);
  });
  return out;
}

}  // namespace rapt
