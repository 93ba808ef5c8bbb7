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

bool are_equal(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return std::equal(a.data<int64_t>(), a.data<int64_t>() + a.numel(), b.data<int64_t>());
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

void SpanMask::add_band(int64_t before, int64_t after, const Place& first_query,
                        const Tensor& prefix) {
  const Place place = for_each_entry(first_query);
  Band band{place.everywhere - before, place.everywhere + after, place.starts, {}};
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

void SpanMask::add_documents(const Tensor& documents, const Place& first_query) {
  if (documents.size(-1) != keys_) {
    fail(op_, ": wanted documents [..., ", keys_, "], a number for each key; got ",
         documents.shape());
  }
  const Place place = for_each_entry(first_query);
  const int64_t first = place.starts.defined() ? range_of(place.starts).second : place.everywhere;
  if (first < 0 || first + queries_ > keys_) {
    fail(op_, ": wanted a key beside each query with Mask::documents; got ", queries_,
         " queries from place ", first, " on and ", keys_, " keys");
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
  const bool is_other = place.everywhere != documents_place_.everywhere ||
                        !are_equal(place.starts, documents_place_.starts);
  if (!documents_.empty() && is_other) {
    fail(op_, ": wanted the queries at the same places in all documents; got others");
  }
  documents_place_ = place;
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

SpanMask::Place SpanMask::for_each_entry(const Place& place) const {
  if (!place.starts.defined()) return place;
  const NoGrad no_grad;
  const Tensor starts = for_each_entry("starts", place.starts);
  return {0, minimum(starts, kernels::Band::unbounded)};  // beyond all keys, without overflow
}

kernels::KeySpans SpanMask::spans() const {
  constexpr int64_t unbounded = kernels::Band::unbounded;
  const auto numbers = [](const Tensor& x) { return x.defined() ? x.data<int64_t>() : nullptr; };
  kernels::KeySpans out;
  for (const Band& band : bands_) {
    const bool has_prefix = band.prefix.defined();
    if (has_prefix) {
      out.prefixes.push_back({band.diagonal, numbers(band.starts), numbers(band.prefix)});
    }
    const int64_t upper = has_prefix ? unbounded : band.diagonal;
    if (band.starts.defined()) {
      out.moved.push_back({band.lower, upper, numbers(band.starts)});
    } else {
      out.lower = std::max(out.lower, band.lower);
      out.upper = std::min(out.upper, upper);
    }
  }
  if (lengths_.defined()) out.lengths = lengths_.data<int64_t>();
  if (!documents_.empty()) {
    out.documents = documents_.data();
    out.documents_offset = documents_place_.everywhere;
    out.documents_starts = numbers(documents_place_.starts);
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
         std::any_of(bands_.begin(), bands_.end(),
                     [](auto& b) { return b.prefix.defined() || b.starts.defined(); });
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
