#pragma once

// Private to rapt's own sources: the graph behind a tensor.

#include <memory>
#include <vector>

#include "rapt/autograd/record.h"
#include "rapt/autograd/storage.h"

namespace rapt {

/// Where the gradient of a leaf is gathered.
struct Leaf {
  Shape shape;
  Dtype dtype;
  Tensor grad;
};

/// From an op to what made one of its inputs: a node, a leaf, or neither (a constant). It never
/// holds the input's elements; it notes their version, to notice an overwritten value.
struct Edge {
  std::shared_ptr<Node> node;
  std::shared_ptr<Leaf> leaf;
  std::weak_ptr<Storage> storage;
  uint32_t version = 0;

  explicit operator bool() const { return node || leaf; }
};

using Edges = std::vector<Edge, kernels::PoolAllocator<Edge>>;

/// One recorded op.
class Node {
 public:
  const char* op = "";
  uint64_t order = 0;  // of creation: an op is younger than its inputs
  Shape shape;         // of the output
  Dtype dtype = Dtype::f32;
  bool broadcasts = false;
  bool freed = false;  // by a walk that did not retain it
  Edges inputs;
  Rule rule;
  std::shared_ptr<TensorImpl> output;  // without its node (no cycle); only if the rule asked for it
  uint32_t output_version = 0;
  Tensor pending;               // the gradient gathered so far by the walk under way
  Node* next_doomed = nullptr;  // see release in node.cpp

  /// The output as a tensor of this graph.
  Tensor output_tensor(const std::shared_ptr<Node>& self) const;
  /// Drops what the rule kept.
  void free();
};

/// A node whose release, however long the chain behind it, does not recurse.
std::shared_ptr<Node> make_node();

/// Turns recording on or off on this thread while it lives; NoGrad is the public half.
class Recording {
 public:
  explicit Recording(bool on);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

 private:
  bool before_;
};

/// The gradient summed back to `shape`, from which its own shape was broadcast.
Tensor sum_to(const Tensor& gradient, const Shape& shape);

}  // namespace rapt
