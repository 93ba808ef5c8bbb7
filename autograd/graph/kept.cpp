#include "rapt/autograd/graph/kept.h"

#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/rule_run.h"

namespace rapt {
namespace {

/// The output of `maker` with those elements, dense.
Tensor output_of(const std::shared_ptr<Node>& maker, std::shared_ptr<Storage> elements) {
  auto impl = std::allocate_shared<TensorImpl>(PoolAllocator<TensorImpl>());
  impl->storage = std::move(elements);
  impl->shape = maker->first.shape;
  impl->strides = row_major(impl->shape);
  impl->dtype = maker->first.dtype;
  impl->node = maker;
  return handle_on(std::move(impl));
}

/// True if the op that made x computes these very elements again.
bool can_be_made_again(const TensorImpl& x) {
  if (!x.node || !x.node->again || !x.contiguous || x.offset != 0) return false;
  return x.storage->written.load(std::memory_order_relaxed) <= x.node->order;
}

}  // namespace

Kept::Kept(const Tensor& x) {
  const TensorImpl& impl = *impl_of(x);
  if (!can_be_made_again(impl)) {
    whole_ = x;
    return;
  }
  maker_ = impl.node;
  elements_ = impl.storage;
  impl.storage->is_kept.store(true, std::memory_order_relaxed);
}

Tensor Kept::get(const Backward& b) const {
  if (whole_.defined()) return whole_;
  if (std::shared_ptr<Storage> elements = elements_.lock()) {
    return output_of(maker_, std::move(elements));
  }
  Tensor& again = b.run().computed_again[maker_.get()];
  if (!again.defined()) {
    maker_->require_not_freed();
    const RuleReads reads(*maker_);
    const Recording off(false);
    again = maker_->again();
  }
  return output_of(maker_, impl_of(again)->storage);
}

}  // namespace rapt
