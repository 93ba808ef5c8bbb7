#include "rapt/autograd/ops/detail/weight_layouts.h"

#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/storage.h"

namespace rapt {
namespace {

thread_local WeightLayouts* in_use = nullptr;

// More rows than these are worth a copy of the weights for themselves.
constexpr int64_t most_rows = 32;

}  // namespace

WeightLayouts::Use::Use(WeightLayouts& layouts) : before_(in_use) { in_use = &layouts; }
WeightLayouts::Use::~Use() { in_use = before_; }

WeightLayouts* WeightLayouts::for_rows(int64_t rows, Dtype dtype) {
  const bool fits = kernels::has_tiles<float> && dtype == Dtype::f32 && rows <= most_rows;
  return fits && in_use != nullptr && !records_graph() ? in_use : nullptr;
}

bool WeightLayouts::can_hold(const Tensor& weight) { return !impl_of(weight)->storage->is_lent(); }

const kernels::PackedB<float>& WeightLayouts::of(const Tensor& weight) {
  const Storage& storage = *impl_of(weight)->storage;
  const uint64_t version = storage.written;
  One& one = all_[weight.data<float>()];
  const bool is_there = one.transposed && one.version == version &&
                        one.weight.shape() == weight.shape() &&
                        one.weight.strides() == weight.strides();
  if (is_there) return *one.transposed;
  const kernels::Matrix<const float> transposed{weight.data<float>(), weight.strides()[1],
                                                weight.strides()[0]};
  one = {weight.detach(), version,
         std::make_unique<kernels::PackedB<float>>(transposed, weight.size(1), weight.size(0))};
  one.transposed->pack();
  return *one.transposed;
}

}  // namespace rapt
