#include <algorithm>
#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/einsum_equation.h"
#include "rapt/autograd/ops/detail/einsum_path.h"
#include "rapt/autograd/ops/detail/layout.h"

// Einstein summation out of differentiable ops, so its gradient of any order is made of the same
// ones: operands become parts whose labels are distinct, parts are contracted in pairs through
// matmul, and the last part is turned to the output's order.
namespace rapt {
namespace {

using namespace einsum_detail;

// A tensor with one label per axis: none twice, none of length 1 (those stretch, and come back at
// the end).
struct Part {
  Tensor tensor;
  Labels labels;

  int64_t axis_of(int64_t label) const {
    return std::find(labels.begin(), labels.end(), label) - labels.begin();
  }
  int64_t length(int64_t label) const { return tensor.size(axis_of(label)); }
  int64_t stride(int64_t label) const { return tensor.strides()[axis_of(label)]; }
};

Part without_repeats(const Tensor& operand, const Labels& labels) {
  Part part{operand, labels};
  for (int64_t i = 0; i < part.labels.size(); ++i) {
    const int64_t label = part.labels[i];
    for (int64_t j = i + 1; j < part.labels.size(); ++j) {
      if (part.labels[j] != label) continue;
      part.tensor = diagonal(part.tensor, i, j);  // the diagonal is the last axis
      part.labels.erase(j);
      part.labels.erase(i);
      part.labels.push_back(label);
      i = -1;
      break;
    }
  }
  return part;
}

Part without_ones(const Part& part) {
  Shape shape;
  Labels labels;
  for (int64_t i = 0; i < part.labels.size(); ++i) {
    if (part.tensor.size(i) == 1) continue;
    shape.push_back(part.tensor.size(i));
    labels.push_back(part.labels[i]);
  }
  if (labels.size() == part.labels.size()) return part;
  return {reshape(part.tensor, shape), labels};
}

Part summed_to(const Part& part, LabelSet keep) {
  Axes axes;
  Labels labels;
  for (int64_t i = 0; i < part.labels.size(); ++i) {
    if (keep & bit(part.labels[i])) {
      labels.push_back(part.labels[i]);
    } else {
      axes.push_back(i);
    }
  }
  if (axes.empty()) return part;
  return {sum(part.tensor, axes), labels};
}

// The labels of `set`: those in `first` in its order, then those in `second` in its own.
Labels ordered(LabelSet set, const Labels& first, const Labels& second) {
  Labels out;
  for (const Labels* list : {&first, &second}) {
    for (const int64_t label : *list) {
      if ((set & bit(label)) && !out.contains(label)) out.push_back(label);
    }
  }
  return out;
}

Labels by_stride(const Part& part, Labels labels) {
  sort_axes(labels.begin(), labels.end(),
            [&](int64_t x, int64_t y) { return part.stride(x) > part.stride(y); });
  return labels;
}

// True when the labels, in this order, can be seen as one axis without a copy.
bool merges(const Part& part, const Labels& labels) {
  for (int64_t i = 0; i + 1 < labels.size(); ++i) {
    if (part.stride(labels[i]) != part.stride(labels[i + 1]) * part.length(labels[i + 1])) {
      return false;
    }
  }
  return true;
}

// The order in which labels that only `part` has become one axis: the output's, unless another one
// saves a copy.
Labels outer_order(const Part& part, const Labels& labels) {
  if (merges(part, labels)) return labels;
  const Labels sorted = by_stride(part, labels);
  return merges(part, sorted) ? sorted : labels;
}

// The order in which labels that are summed over become one axis, the same on both sides: the one
// that copies fewer elements.
Labels inner_order(const Part& a, const Part& b, const Labels& labels) {
  const auto copied = [&](const Labels& order) {
    return (merges(a, order) ? 0 : a.tensor.numel()) + (merges(b, order) ? 0 : b.tensor.numel());
  };
  const Labels as_a = by_stride(a, labels);
  const Labels as_b = by_stride(b, labels);
  return copied(as_b) < copied(as_a) ? as_b : as_a;
}

Tensor permuted(const Part& part, const Labels& labels) {
  if (labels == part.labels) return part.tensor;
  Axes order;
  for (const int64_t label : labels) order.push_back(part.axis_of(label));
  return permute(part.tensor, order);
}

Tensor reshaped(const Tensor& x, const Shape& shape) {
  return x.shape() == shape ? x : reshape(x, shape);
}

// [batch..., first, second]: a view wherever the strides allow it.
Tensor as_matrices(const Part& part, const Labels& batch, const Labels& first,
                   const Labels& second) {
  Labels order = batch;
  Shape shape;
  for (const int64_t label : batch) shape.push_back(part.length(label));
  for (const Labels* merged : {&first, &second}) {
    int64_t length = 1;
    for (const int64_t label : *merged) {
      order.push_back(label);
      length *= part.length(label);
    }
    shape.push_back(length);
  }
  return reshaped(permuted(part, order), shape);
}

// Element by element, one part stretched to the other, with what is not in `keep` summed out.
Part multiplied(const Part& a, const Part& b, LabelSet keep, const Labels& output) {
  const Labels& longer = a.labels.size() >= b.labels.size() ? a.labels : b.labels;
  const Labels labels = ordered(set_of(longer), output, longer);  // what is summed comes last
  const auto aligned = [&](const Part& part) {
    const LabelSet own = set_of(part.labels);
    Shape shape;
    for (const int64_t label : labels) shape.push_back(own & bit(label) ? part.length(label) : 1);
    return reshaped(permuted(part, ordered(own, labels, {})), shape);
  };
  const Tensor left = aligned(a), right = aligned(b);  // in this order, whatever the compiler
  return summed_to({mul(left, right), labels}, keep);
}

// The product of two parts, with what is not in `keep` summed out. Every label that only one of
// them has is in `keep`.
Part contracted(Part a, Part b, LabelSet keep, const Labels& output) {
  const LabelSet in_a = set_of(a.labels);
  const LabelSet in_b = set_of(b.labels);
  const LabelSet inner_set = in_a & in_b & ~keep;
  const LabelSet one_sided = in_a ^ in_b;
  // A matrix product needs two of rows, columns and a sum: one alone is a loop over memory, which
  // BLAS would take in many products of a single number.
  const int extents = (inner_set != 0) + ((in_a & one_sided) != 0) + ((in_b & one_sided) != 0);
  if (extents < 2) return multiplied(a, b, keep, output);

  // The product is dense along its columns: let them be the output's last axis.
  for (int64_t i = output.size() - 1; i >= 0; --i) {
    if (!(one_sided & bit(output[i]))) continue;
    if (in_a & bit(output[i])) std::swap(a, b);
    break;
  }
  const Labels batch = ordered(in_a & in_b & keep, output, a.labels);
  const LabelSet left = set_of(a.labels);
  const LabelSet right = set_of(b.labels);
  const Labels rows = outer_order(a, ordered(left & ~right, output, a.labels));
  const Labels columns = outer_order(b, ordered(right & ~left, output, b.labels));
  const Labels inner = inner_order(a, b, ordered(inner_set, a.labels, {}));

  const Tensor first = as_matrices(a, batch, rows, inner);      // [batch..., R, K]
  const Tensor second = as_matrices(b, batch, inner, columns);  // [batch..., K, C]
  const Tensor product = matmul(first, second);
  Part out{product, {}};
  Shape shape;
  for (const auto& [labels, from] : {std::pair(&batch, &a), {&rows, &a}, {&columns, &b}}) {
    for (const int64_t label : *labels) {
      out.labels.push_back(label);
      shape.push_back(from->length(label));
    }
  }
  out.tensor = reshaped(product, shape);
  return out;
}

}  // namespace

Tensor einsum(std::string_view equation, TensorList operands) {
  const Equation e = parse(equation, operands);
  const LabelSet output = set_of(e.output);
  PoolVector<Part> parts;
  LabelSets sets;
  for (size_t i = 0; i < operands.size(); ++i) {
    parts.push_back(without_ones(without_repeats(operands[i], e.terms[i])));
    sets.push_back(set_of(parts.back().labels));
  }
  const auto needed = [&](size_t a, size_t b) {
    LabelSet set = output;
    for (size_t i = 0; i < sets.size(); ++i) {
      if (i != a && i != b) set |= sets[i];
    }
    return set;
  };
  for (size_t i = 0; i < operands.size(); ++i) {
    parts[i] = summed_to(parts[i], needed(i, i));
    sets[i] = set_of(parts[i].labels);
  }
  for (const auto& [a, b] : contraction_path(sets, output, e.lengths).steps) {
    Part made = contracted(parts[a], parts[b], needed(a, b), e.output);
    // What has been used up holds no labels and no memory.
    parts[a] = parts[b] = {};
    sets[a] = sets[b] = 0;
    sets.push_back(set_of(made.labels));
    parts.push_back(std::move(made));
  }

  const Part& last = parts.back();
  Shape shape;
  for (const int64_t label : e.output) shape.push_back(e.lengths[label]);
  return reshaped(permuted(last, ordered(set_of(last.labels), e.output, {})), shape);
}

}  // namespace rapt
