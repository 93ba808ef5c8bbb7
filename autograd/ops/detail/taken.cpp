#include "rapt/autograd/ops/detail/taken.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/indexing.h"

namespace rapt {

ValuesAndIndices taken(const char* op, const Tensor& x, int64_t axis, const Tensor& values,
                       const Tensor& indices) {
  const Tensors both =
      join_graph(op, {x}, Tensors{values, indices},
                 [op, indices, axis, shape = x.shape()](const Backward& b) -> Gradients {
                   return {sum_of_elements(op, shape, axis, indices, b.grad)};
                 });
  return {both[0], both[1]};
}

ValuesAndIndices taken_one(const char* op, const Tensor& x, int64_t axis, const Tensor& indices,
                           bool keepdim) {
  Tensor values;
  {
    const NoGrad no_grad;
    values = elements_at(op, x, axis, indices);
  }
  const ValuesAndIndices kept = taken(op, x, axis, values, indices);
  if (keepdim) return kept;
  return {squeeze(kept.values, axis), squeeze(kept.indices, axis)};
}

}  // namespace rapt
