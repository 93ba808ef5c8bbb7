#include "rapt/data/collate.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"

namespace rapt::data {
namespace {

/// What fills up tensors of that name; nothing if nobody has said it.
std::optional<double> padding_of(const std::string& name, Dtype dtype,
                                 const std::vector<Padding>& padding) {
  for (const auto& [named, value] : padding) {
    if (named != name) continue;
    if (dtype == Dtype::i64 && value != std::floor(value)) {
      fail("collate: wanted a whole number as padding of the i64 \"", name, "\"; got ", value);
    }
    return value;
  }
  return {};
}

/// True when the shapes are equal but for the length of axis 0.
bool stackable(const Shape& a, const Shape& b) {
  if (a.rank() != b.rank()) return false;
  for (int64_t axis = 1; axis < a.rank(); ++axis) {
    if (a[axis] != b[axis]) return false;
  }
  return true;
}

void check(const std::string& name, const Tensor& first, const Tensor& other, size_t example) {
  if (!other.defined()) fail("collate: \"", name, "\" of example ", example, " is undefined");
  if (other.dtype() != first.dtype() || !stackable(first.shape(), other.shape())) {
    fail("collate: wanted \"", name, "\" alike in all examples, but for axis 0; got ",
         first.dtype(), first.shape(), " and ", other.dtype(), other.shape());
  }
}

/// [T, ...] each -> [B, longest, ...]
Tensor stack_padded(const std::string& name, const Tensors& parts,
                    const std::optional<double>& padding) {
  const Shape& shape = parts[0].shape();
  if (shape.rank() == Shape::max_rank) {
    fail("collate: wanted tensors of at most ", Shape::max_rank - 1, " axes; got \"", name, "\" ",
         shape);
  }
  Shape out_shape = shape;
  bool varies = false;
  if (shape.rank() > 0) {
    for (const Tensor& part : parts) {
      varies = varies || part.size(0) != shape[0];
      out_shape[0] = std::max(out_shape[0], part.size(0));
    }
  }
  if (varies && !padding && parts[0].dtype() == Dtype::i64) {
    fail("collate: wanted a padding of \"", name, "\", i64 of different lengths, such as {{\"",
         name, "\", 0}} for tokens and -100 for targets; got none");
  }
  const int64_t row = out_shape.numel();
  out_shape.insert(0, static_cast<int64_t>(parts.size()));
  Tensor out = varies ? full(out_shape, padding.value_or(0), parts[0].dtype())
                      : zeros(out_shape, parts[0].dtype());
  visit_any(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.mutable_data<T>();
    for (const Tensor& part : parts) {
      const Tensor dense = part.contiguous();
      if (dense.numel() > 0) std::copy_n(dense.data<T>(), dense.numel(), to);
      to += row;
    }
  });
  return out;
}

/// "NAME.lengths" for each tensor that has an axis, and "lengths" if they all agree.
void add_lengths(NamedTensors& batch, const std::vector<NamedTensors>& examples) {
  Tensor all;  // what they agree on
  bool agree = true;
  for (const auto& [name, first] : examples[0]) {
    if (first.rank() == 0) continue;
    Tensor lengths = zeros({static_cast<int64_t>(examples.size())}, Dtype::i64);
    int64_t* to = lengths.mutable_data<int64_t>();
    for (const NamedTensors& example : examples) *to++ = example[name].size(0);
    if (std::string named = name + ".lengths"; !batch.contains(named)) {
      batch.add(std::move(named), lengths);
    }
    if (all.defined()) {
      const int64_t* const agreed = all.data<int64_t>();
      agree = agree && std::equal(agreed, agreed + examples.size(), lengths.data<int64_t>());
    }
    all = lengths;
  }
  if (agree && all.defined() && !batch.contains("lengths")) batch.add("lengths", all);
}

}  // namespace

NamedTensors collate(const std::vector<NamedTensors>& examples,
                     const std::vector<Padding>& padding) {
  if (examples.empty()) fail("collate: wanted at least one example; got none");
  const NoGrad no_grad;
  NamedTensors batch;
  for (size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].size() != examples[0].size()) {
      fail("collate: wanted the same names in all examples; got ", examples[0].size(),
           " tensors in the first and ", examples[i].size(), " in example ", i);
    }
  }
  for (const auto& [name, first] : examples[0]) {
    Tensors parts;
    for (size_t i = 0; i < examples.size(); ++i) {
      if (!examples[i].contains(name)) {
        fail("collate: wanted the same names in all examples; got \"", name,
             "\" in the first but not in example ", i);
      }
      parts.push_back(examples[i][name]);
      check(name, parts[0], parts[i], i);
    }
    batch.add(name, stack_padded(name, parts, padding_of(name, first.dtype(), padding)));
  }
  add_lengths(batch, examples);
  return batch;
}

}  // namespace rapt::data
