#pragma once

// Private to the ops: products of matrices outside the graph, as rules need them.

#include "rapt/autograd/pool.h"
#include "rapt/autograd/tensor.h"

namespace rapt {

/// Throws unless x [..., in], weight [out, in] and bias [out] or undefined fit each other.
void check_linear(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias);

/// Products of matrices that do not touch one another, worked on together.
class Products {
 public:
  /// A dense tensor of `shape` that run() sets to a b (plus `bias`, one for each column, if that is
  /// defined). `into`, if that is defined, takes its place: the product is added to what it holds.
  /// a [m, k], b [k, n]; shape and into have m * n elements.
  Tensor add(const Tensor& a, const Tensor& b, const Shape& shape, const Tensor& into = {},
             const Tensor& bias = {});
  void run();

 private:
  struct One {
    Tensor a, b, bias, out;
    bool adds;
  };
  PoolVector<One> all_;
};

}  // namespace rapt
