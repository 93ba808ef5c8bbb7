#pragma once

// Private to attention: what masks and scores are made of.

#include "rapt/autograd/attention/score.h"

namespace rapt {

struct Mask::Part {
  enum class Kind { band, lengths, documents, tensor, tensor_of_first_axes, function };
  Kind kind;
  Tensor tensor = {};             // lengths, documents, a band's prefix, or the mask itself
  int64_t before = 0, after = 0;  // of a band, around a query's place
  Align align = Align::last;
  std::shared_ptr<const Function> f = {};
  Tensor starts = {};  // where the first query of each entry stands, instead of the alignment
};

struct Mask::Parts {
  PoolVector<Part> all;
};

struct Score::State {
  enum class Kind { dot, bilinear, cosine, additive };
  Kind kind = Kind::dot;
  ScoreOptions options = {};
  Tensor weight = {};   // bilinear's or additive's; of cosine, its scale if that is a tensor
  Tensors biases = {};  // relative
  PoolVector<std::shared_ptr<const Function>> functions = {};
};

}  // namespace rapt
