#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "rapt/autograd/function_ref.h"
#include "rapt/autograd/owned_function.h"
#include "rapt/data/dataset.h"

/// Datasets made of datasets. Each shares what it is made of, and is copied for nothing.
///
///   auto [train, test] = data::random_split(Sentences("all.txt"), {.test_fraction = 0.1});
///   data::Loader loader(data::MappedDataset(train, add_noise), {.batch_size = 64});
namespace rapt::data {

/// Any dataset, kept as what it is: a value (a copy is kept), or one that is shared.
class AnyDataset {
 public:
  template <class D>
  requires(std::derived_from<D, Dataset> && !std::is_abstract_v<D>) AnyDataset(D dataset)
      : dataset_(std::make_shared<const D>(std::move(dataset))) {}
  /// Throws for a null pointer.
  AnyDataset(std::shared_ptr<const Dataset> dataset);
  template <std::derived_from<Dataset> D>
  AnyDataset(std::shared_ptr<D> dataset)
      : AnyDataset(std::shared_ptr<const Dataset>(std::move(dataset))) {}

  const Dataset& operator*() const { return *dataset_; }
  const Dataset* operator->() const { return dataset_.get(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
};

/// Some examples of a dataset, in an order of their own.
class Subset : public Dataset {
 public:
  /// Throws naming an index that the dataset does not have.
  Subset(AnyDataset of, std::vector<int64_t> indices);
  /// Those from `begin` up to `end`, as slice: negative numbers count from the end.
  Subset(AnyDataset of, int64_t begin, int64_t end);

  int64_t size() const override;
  NamedTensors get(int64_t index) const override;

 private:
  AnyDataset of_;
  std::shared_ptr<const std::vector<int64_t>> indices_;  // null: all from begin_ on
  int64_t begin_ = 0, size_ = 0;
};

/// One dataset after the other.
class ConcatDataset : public Dataset {
 public:
  /// Throws when there are none.
  explicit ConcatDataset(std::vector<AnyDataset> parts);

  int64_t size() const override;
  NamedTensors get(int64_t index) const override;

 private:
  std::vector<AnyDataset> parts_;
  std::vector<int64_t> ends_;  // of each, counted from the first's beginning
};

/// What a function makes of each example, when it is asked for: tokens of a text, say. The function
/// gives the same for the same example (draw from an Rng that is seeded with the index), and may be
/// called by several threads at once.
class MappedDataset : public Dataset {
 public:
  using Function = OwnedFunction<NamedTensors(const NamedTensors& example, int64_t index)>;
  MappedDataset(AnyDataset of, Function f);

  int64_t size() const override { return of_->size(); }
  NamedTensors get(int64_t index) const override;

 private:
  AnyDataset of_;
  std::shared_ptr<const Function> f_;
};

/// The examples for which keep() is true, which is asked of each once, here.
Subset filter(const AnyDataset& of, FunctionRef<bool(const NamedTensors& example)> keep);

struct RandomSplitOptions {
  double test_fraction = 0.1;  ///< in (0, 1); each side gets one example at least
  uint64_t seed = 0;
};
struct TrainAndTest {
  Subset train, test;
};
/// Each example on one side, by lot: disjoint, but only as far as the examples are different.
/// Throws for fewer than two examples, or a fraction outside (0, 1).
TrainAndTest random_split(const AnyDataset& of, const RandomSplitOptions& options = {});

}  // namespace rapt::data
