#include "rapt/data/pack.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"

namespace rapt::data {
namespace {

/// The one length of an example's tensors.
int64_t length_of(const NamedTensors& example, int64_t index, int64_t context) {
  int64_t length = -1;
  for (const auto& [name, tensor] : example) {
    if (name == "documents" || name == "positions") {
      fail("PackedDataset: wanted examples without \"", name, "\", which is made here; got one in ",
           "example ", index);
    }
    if (tensor.rank() == 0 || (length >= 0 && tensor.size(0) != length)) {
      fail("PackedDataset: wanted tensors of one length, ", length, "; got \"", name, "\" ",
           tensor.shape(), " in example ", index);
    }
    length = tensor.size(0);
  }
  if (length < 0 || length > context) {
    fail("PackedDataset: wanted examples of at most context = ", context, " places; got example ",
         index, length < 0 ? ", which has no tensors" : text(", of length ", length));
  }
  return length;
}

/// Best fit, the longest first.
std::vector<std::vector<int64_t>> rows_of(const std::vector<int64_t>& lengths, int64_t context) {
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto length = [&](int64_t i) { return lengths[static_cast<size_t>(i)]; };
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return length(a) > length(b); });
  std::vector<std::vector<int64_t>> rows;
  std::set<std::pair<int64_t, size_t>> room;  // of each row that has some
  for (const int64_t i : order) {
    auto row = room.lower_bound({length(i), 0});
    if (row == room.end()) {
      rows.emplace_back();
      row = room.emplace(context, rows.size() - 1).first;
    }
    const auto [left, at] = *row;
    rows[at].push_back(i);
    room.erase(row);
    if (left > length(i)) room.emplace(left - length(i), at);
  }
  return rows;
}

double padding_of(const std::vector<Padding>& padding, std::string_view name, Dtype dtype) {
  for (const auto& [known, value] : padding) {
    if (known == name) return value;
  }
  if (dtype == Dtype::i64) {
    fail("PackedDataset: wanted a padding for \"", name, "\", which is i64; got none");
  }
  return 0;
}

}  // namespace

PackedDataset::PackedDataset(AnyDataset of, PackOptions options)
    : of_(std::move(of)), options_(std::move(options)) {
  if (options_.context < 1) {
    fail("PackedDataset: wanted a context of at least 1; got ", options_.context);
  }
  const NoGrad no_grad;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < of_->size(); ++i) {
    lengths.push_back(length_of(of_->get(i), i, options_.context));
  }
  rows_ = std::make_shared<const std::vector<Row>>(rows_of(lengths, options_.context));
}

int64_t PackedDataset::size() const { return std::ssize(*rows_); }

NamedTensors PackedDataset::get(int64_t index) const {
  if (index < 0 || index >= size()) {
    fail("PackedDataset: wanted an index from 0 to ", size() - 1, "; got ", index);
  }
  std::vector<NamedTensors> examples;
  std::vector<int64_t> documents, positions;
  const auto add = [&](int64_t length) {
    documents.insert(documents.end(), static_cast<size_t>(length), std::ssize(examples) - 1);
    for (int64_t i = 0; i < length; ++i) positions.push_back(i);
  };
  for (const int64_t i : (*rows_)[static_cast<size_t>(index)]) {
    examples.push_back(of_->get(i));
    add(examples.back().begin()->second.size(0));
  }
  const int64_t filled = options_.context - std::ssize(documents);
  NamedTensors out;
  for (const auto& [name, first] : examples.front()) {
    std::vector<Tensor> parts;
    for (const NamedTensors& example : examples) parts.push_back(example[name]);
    Shape rest = first.shape();
    rest[0] = filled;
    parts.push_back(full(rest, padding_of(options_.padding, name, first.dtype()), first.dtype()));
    out.add(name, concat(parts, 0));
  }
  documents.insert(documents.end(), static_cast<size_t>(filled), std::ssize(examples));
  for (int64_t i = 0; i < filled; ++i) positions.push_back(i);
  out.add("documents", from_values(documents, {options_.context}));
  out.add("positions", from_values(positions, {options_.context}));
  return out;
}

}  // namespace rapt::data
