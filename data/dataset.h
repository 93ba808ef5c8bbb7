#pragma once

#include <cstdint>

#include "rapt/autograd/named_tensors.h"

namespace rapt::data {

/// Which part of the data: what a model learns from, or what was held out to judge it by.
enum class Split : uint8_t { train, test };

/// A numbered collection of examples. An example is some tensors by name, such as
/// {"tokens": i64 [T], "targets": i64 [T]}; all examples of a dataset have the same names, dtypes
/// and shapes, but for the length of axis 0, which may vary (see collate).
///
/// A dataset is a value: a Loader keeps a copy of it. Let a large one share what it holds, as
/// Tensor does, so that a copy is cheap.
class Dataset {
 public:
  virtual ~Dataset() = default;
  /// The number of examples.
  virtual int64_t size() const = 0;
  /// The example at 0 <= index < size(): the same one whenever it is asked for. May be called from
  /// several threads at once; runs under NoGrad when a Loader calls it.
  virtual NamedTensors get(int64_t index) const = 0;

 protected:
  // A dataset is copied as what it is, never cut down to this base.
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset(Dataset&&) = default;
  Dataset& operator=(const Dataset&) = default;
  Dataset& operator=(Dataset&&) = default;
};

}  // namespace rapt::data
