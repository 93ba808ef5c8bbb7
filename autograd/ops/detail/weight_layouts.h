#pragma once

// Private to rapt: the weights of linear maps, laid out once for many products with few rows, as a
// decoder that gives one token after another has them.

#include <memory>
#include <unordered_map>

#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// While a Use of it lives, `linear` and `linear_each` of this thread take their weights from here,
/// outside the graph and for few rows: to the bit what they give otherwise. It holds as much memory
/// as the weights do.
class WeightLayouts {
 public:
  /// On this thread, until it ends.
  class Use {
   public:
    [[nodiscard]] explicit Use(WeightLayouts& layouts);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    WeightLayouts* const before_;
  };

  /// Those in use on this thread, for maps of so many rows of that dtype; null if there are none,
  /// or they are of no use.
  static WeightLayouts* for_rows(int64_t rows, Dtype dtype);

  /// False over memory of somebody else's, who may write there unseen.
  static bool can_hold(const Tensor& weight);

  /// The transpose of weight [out, in], laid out: made now if it is not there, or if the weight was
  /// overwritten since.
  const kernels::PackedB<float>& of(const Tensor& weight);

 private:
  struct One {
    Tensor weight;  // so that no other comes to lie in its place
    uint64_t version;
    std::unique_ptr<kernels::PackedB<float>> transposed;
  };
  std::unordered_map<const float*, One> all_;
};

}  // namespace rapt
