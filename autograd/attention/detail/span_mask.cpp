#include "rapt/autograd/attention/detail/span_mask.h"

#include <algorithm>

#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"
#include "rapt/autograd/ops/detail/layout.h"

namespace rapt {
namespace {

/// The element that is smallest, and the largest; {0, 0} of none.
std::pair<int64_t, int64_t> range_of(const Tensor& integers) {
  const int64_t* at = integers.data<int64_t>();
  const auto [least, most] = std::minmax_element(at, at + integers.numel());
  return integers.numel() == 0 ? std::pair<int64_t, int64_t>{0, 0} : std::pair{*least, *most};
}

/// to[i] = the run of equal numbers that place i lies in. False if a number comes back after its
/// run has ended, at *again.
bool runs_of(const int64_t* numbers, int64_t count, kernels::KeySpan* to, int64_t* again) {
  PoolVector<int64_t> ended;  // the first number of each run
  for (int64_t begin = 0; begin < count;) {
    int64_t end = begin + 1;
    while (end < count && numbers[end] == numbers[begin]) ++end;
    std::fill(to + begin, to + end, kernels::KeySpan{begin, end});
    ended.push_back(numbers[begin]);
    begin = end;
  }
  PoolVector<int64_t> sorted = ended;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return true;
  *again = *twice;
  return false;
}

}  // namespace

void SpanMask::add_band(int64_t lower, int64_t diagonal, const Tensor& prefix) {
  Band band{lower, diagonal, {}};
  if (prefix.defined()) band.prefix = for_each_entry("lengths", prefix);
  bands_.push_back(band);
}

void SpanMask::add_lengths(const Tensor& lengths) {
  const Tensor own = for_each_entry("lengths", lengths);
  if (range_of(own).second > keys_) {
    fail(op_, ": wanted lengths in [0, ", keys_, "], the number of keys; got ",
         range_of(own).second);
  }
  const NoGrad no_grad;
  lengths_ = lengths_.defined() ? minimum(lengths_, own) : own;
}

void SpanMask::add_documents(const Tensor& documents, int64_t offset) {
  if (documents.size(-1) != keys_) {
    fail(op_, ": wanted documents [..., ", keys_, "], a number for each key; got ",
         documents.shape());
  }
  if (queries_ > keys_) {
    fail(op_, ": wanted at most as many queries as keys with Mask::documents; got ", queries_,
         " and ", keys_);
  }
  Shape leading = documents.shape();
  leading.erase(leading.rank() - 1);
  const int64_t rows = leading.numel();
  const Tensor row_of = for_each_entry("documents", reshape(arange(rows), leading));
  const Tensor numbers = documents.contiguous();
  PoolVector<kernels::KeySpan> runs(static_cast<size_t>(rows * keys_));
  for (int64_t row = 0; row < rows; ++row) {
    int64_t again = 0;
    if (runs_of(numbers.data<int64_t>() + row * keys_, keys_, runs.data() + row * keys_, &again)) {
      continue;
    }
    fail(op_, ": wanted the places of a document side by side; got document ", again,
         " in several pieces");
  }
  const bool first = documents_.empty();
  if (!first && offset != documents_offset_) {
    fail(op_, ": wanted one alignment for all documents; got both");
  }
  documents_offset_ = offset;
  documents_.resize(static_cast<size_t>(batch_.numel() * keys_), {0, keys_});
  for (int64_t entry = 0; entry < batch_.numel(); ++entry) {
    const kernels::KeySpan* const own = runs.data() + row_of.data<int64_t>()[entry] * keys_;
    kernels::KeySpan* const all = documents_.data() + entry * keys_;
    for (int64_t key = 0; key < keys_; ++key) {
      all[key] = {std::max(all[key].begin, own[key].begin), std::min(all[key].end, own[key].end)};
    }
  }
}

/// i64 [entries of the batch], from numbers >= 0 of its first axes.
Tensor SpanMask::for_each_entry(const char* what, const Tensor& numbers) const {
  Shape shape = numbers.shape();
  while (shape.rank() < batch_.rank()) shape.push_back(1);
  if (numbers.rank() > batch_.rank() || !broadcasts_to(shape, batch_)) {
    fail(op_, ": wanted ", what, " of the first axes of the batch, ", batch_, "; got ",
         numbers.shape());
  }
  const NoGrad no_grad;
  const Tensor all = reshape(expand(reshape(numbers, shape), batch_), {-1}).clone();
  if (range_of(all).first < 0) fail(op_, ": wanted ", what, " >= 0; got ", range_of(all).first);
  return all;
}

kernels::KeySpans SpanMask::spans() const {
  kernels::KeySpans out;
  for (const Band& band : bands_) {
    out.lower = std::max(out.lower, band.lower);
    if (band.prefix.defined()) {
      out.prefixes.push_back({band.diagonal, band.prefix.data<int64_t>()});
    } else {
      out.upper = std::min(out.upper, band.diagonal);
    }
  }
  if (lengths_.defined()) out.lengths = lengths_.data<int64_t>();
  if (!documents_.empty()) {
    out.documents = documents_.data();
    out.documents_offset = documents_offset_;
  }
  return out;
}

ScoreBlock SpanMask::of_rows(int64_t row, int64_t rows) const {
  const kernels::KeySpans all = spans();
  const int64_t entries = batch_.numel();
  if (rows == 0 || entries == 0) return {row, rows, 0, keys_};
  int64_t begin = keys_, end = 0;
  for (int64_t entry = 0; entry < entries; ++entry) {
    const kernels::KeySpansOf spans(all, entry, keys_);
    begin = std::min(begin, spans(row).begin);
    end = std::max(end, spans(row + rows - 1).end);
  }
  begin = std::min(begin, end);
  return {row, rows, begin, end - begin};
}

bool SpanMask::entries_differ() const {
  return lengths_.defined() || !documents_.empty() ||
         std::any_of(bands_.begin(), bands_.end(), [](auto& b) { return b.prefix.defined(); });
}

Tensor SpanMask::outside(const ScoreBlock& block) const {
  const kernels::KeySpans all = spans();
  const bool differ = entries_differ();
  const Tensor out =
      empty(matrices_shape(differ ? batch_ : Shape{}, block.rows, block.keys), Dtype::b8);
  bool* at = fresh_data<bool>(out);
  for (int64_t entry = 0; entry < (differ ? batch_.numel() : 1); ++entry) {
    const kernels::KeySpansOf spans(all, entry, keys_);
    for (int64_t i = 0; i < block.rows; ++i) {
      const kernels::KeySpan span = spans(block.row + i);
      for (int64_t j = 0; j < block.keys; ++j) {
        *at++ = block.key + j < span.begin || block.key + j >= span.end;
      }
    }
  }
  return out;
}

}  // namespace rapt
