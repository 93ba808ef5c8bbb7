#include "rapt/data/compose.h"

#include <algorithm>
#include <cmath>

#include "rapt/autograd/error.h"
#include "rapt/autograd/tensor.h"
#include "rapt/data/shuffle.h"

namespace rapt::data {
namespace {

void check_index(const char* function, int64_t index, int64_t size) {
  if (index >= 0 && index < size) return;
  fail(function, ": wanted an index from 0 to ", size - 1, "; got ", index);
}

}  // namespace

AnyDataset::AnyDataset(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)) {
  if (dataset_ == nullptr) fail("AnyDataset: wanted a dataset; got a null pointer");
}

Subset::Subset(AnyDataset of, std::vector<int64_t> indices) : of_(std::move(of)) {
  for (const int64_t index : indices) check_index("Subset", index, of_->size());
  size_ = std::ssize(indices);
  indices_ = std::make_shared<const std::vector<int64_t>>(std::move(indices));
}

Subset::Subset(AnyDataset of, int64_t begin, int64_t end) : of_(std::move(of)) {
  const int64_t all = of_->size();
  const auto place = [all](int64_t at) {
    return std::clamp(at < 0 ? at + all : at, int64_t{0}, all);
  };
  begin_ = place(begin);
  size_ = std::max<int64_t>(0, place(end) - begin_);
}

int64_t Subset::size() const { return size_; }

NamedTensors Subset::get(int64_t index) const {
  check_index("Subset", index, size_);
  return of_->get(indices_ != nullptr ? (*indices_)[static_cast<size_t>(index)] : begin_ + index);
}

ConcatDataset::ConcatDataset(std::vector<AnyDataset> parts) : parts_(std::move(parts)) {
  if (parts_.empty()) fail("ConcatDataset: wanted at least one dataset; got none");
  int64_t end = 0;
  ends_.reserve(parts_.size());
  for (const AnyDataset& part : parts_) {
    if (__builtin_add_overflow(end, part->size(), &end)) {
      fail("ConcatDataset: wanted fewer than 2^63 examples in all");
    }
    ends_.push_back(end);
  }
}

int64_t ConcatDataset::size() const { return ends_.back(); }

NamedTensors ConcatDataset::get(int64_t index) const {
  check_index("ConcatDataset", index, size());
  const auto part = static_cast<size_t>(std::ranges::upper_bound(ends_, index) - ends_.begin());
  return parts_[part]->get(part == 0 ? index : index - ends_[part - 1]);
}

MappedDataset::MappedDataset(AnyDataset of, Function f)
    : of_(std::move(of)), f_(std::make_shared<const Function>(std::move(f))) {
  if (!*f_) fail("MappedDataset: wanted a function; got none");
}

NamedTensors MappedDataset::get(int64_t index) const { return (*f_)(of_->get(index), index); }

Subset filter(const AnyDataset& of, FunctionRef<bool(const NamedTensors& example)> keep) {
  const NoGrad no_grad;
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < of->size(); ++i) {
    if (keep(of->get(i))) kept.push_back(i);
  }
  return {of, std::move(kept)};
}

TrainAndTest random_split(const AnyDataset& of, const RandomSplitOptions& options) {
  const int64_t size = of->size();
  if (size < 2) fail("random_split: wanted at least 2 examples; got ", size);
  if (!(options.test_fraction > 0 && options.test_fraction < 1)) {
    fail("random_split: wanted a test_fraction in (0, 1); got ", options.test_fraction);
  }
  const auto wanted =
      static_cast<int64_t>(std::llround(options.test_fraction * static_cast<double>(size)));
  const int64_t tests = std::clamp<int64_t>(wanted, 1, size - 1);
  const Shuffle order(size, options.seed, 0);
  std::vector<int64_t> train, test;
  train.reserve(static_cast<size_t>(size - tests));
  test.reserve(static_cast<size_t>(tests));
  for (int64_t i = 0; i < size; ++i) (i < tests ? test : train).push_back(order[i]);
  return {Subset(of, std::move(train)), Subset(of, std::move(test))};
}

}  // namespace rapt::data
