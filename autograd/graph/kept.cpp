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

}  // namespace

Kept::Kept(const Tensor& x) {
  const TensorImpl& impl = *impl_of(x);
  if (!impl.node || !impl.node->again || !impl.contiguous || impl.offset != 0) {
    whole_ = x;
    return;
  }
  maker_ = impl.node;
  there_ = impl.storage;
}

Tensor Kept::get() const {
  if (whole_.defined()) return whole_;
  if (std::shared_ptr<Storage> elements = there_.lock()) {
    return output_of(maker_, std::move(elements));
  }
  // The rules of several ops may need it, one after the other: the maker holds it until its own
  // turn.
  Tensor& again = maker_->computed_again;
  if (!again.defined()) {
    maker_->require_not_freed();
    const RuleReads reads(*maker_);
    const Recording off(false);
    again = maker_->again();
  }
  return output_of(maker_, impl_of(again)->storage);
}

}  // namespace rapt
