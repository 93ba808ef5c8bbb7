#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rapt/data/collate.h"
#include "rapt/data/compose.h"

namespace rapt::data {

struct PackOptions {
  int64_t context = 128;  ///< places of a row
  /// What fills up the end of a row: as for a Loader.
  std::vector<Padding> padding = {{"tokens", 0}, {"targets", -100}};
};

/// Short sequences side by side in rows of `context` places, so that little is filled up:
///
///   data::Loader loader(data::PackedDataset(sentences, {.context = 256}));
///   ...
///   model(batch["tokens"], {.mask = Mask::causal() & Mask::documents(batch["documents"])});
///
/// An example of it has the tensors of the given ones, [context, ...], and besides
///
///   "documents"  i64 [context]: which sequence of the row each place belongs to, from 0 on; what
///   is
///                filled up is one more. For Mask::documents, without which one sequence sees the
///                next one.
///   "positions"  i64 [context]: the place in its sequence, for positions that are not relative.
///
/// Rotary and other relative positions are right as they are, since only differences count in them.
class PackedDataset : public Dataset {
 public:
  /// Reads every example once, for its length. The longest are placed first, each in the row that
  /// it leaves the least room of. Throws naming an example that is longer than `context`, has
  /// tensors of different lengths or scalars, and for names that are taken.
  explicit PackedDataset(AnyDataset of, PackOptions options = {});

  int64_t size() const override;
  NamedTensors get(int64_t index) const override;

 private:
  using Row = std::vector<int64_t>;  // of the examples that lie in it

  AnyDataset of_;
  PackOptions options_;
  std::shared_ptr<const std::vector<Row>> rows_;
};

}  // namespace rapt::data
