// What a Loader saves, and what it takes of what was saved.
#include <array>
#include <string_view>
#include <utility>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/tensor.h"
#include "rapt/data/detail/tensor_bytes.h"
#include "rapt/data/loader.h"

namespace rapt::data {
namespace {

Tensor integer(int64_t value) { return from_values(std::vector<int64_t>{value}, Shape{}); }

int64_t integer(const NamedTensors& state, std::string_view name) {
  const Tensor& value = state[name];
  if (value.dtype() != Dtype::i64 || value.rank() != 0) {
    fail("Loader::load_state: wanted \"", name, "\" as i64[]; got ", value.dtype(), value.shape());
  }
  return value.values<int64_t>()[0];
}

/// Of an example's names, dtypes, shapes and elements.
uint32_t checksum_of(const NamedTensors& example, uint32_t before) {
  for (const auto& [name, tensor] : example) {
    const std::string head = text(name, " ", tensor.dtype(), tensor.shape());
    before = detail::crc32_of(head.data(), static_cast<int64_t>(head.size()), before);
    const Tensor dense = tensor.contiguous();
    before = detail::crc32_of(detail::bytes_of(dense), detail::byte_count(dense), before);
  }
  return before;
}

int64_t checksum_of(const Dataset& dataset) {
  const NoGrad no_grad;
  const uint32_t first = checksum_of(dataset.get(0), 0);
  return checksum_of(dataset.get(dataset.size() - 1), first);
}

/// What decides where the batches of a bucket are cut.
std::array<std::pair<const char*, int64_t>, 3> bucket_options(const LoaderOptions& o) {
  return {
      {{"bucket_size", o.bucket_size}, {"batch_size", o.batch_size}, {"max_tokens", o.max_tokens}}};
}

}  // namespace

NamedTensors Loader::state() const {
  NamedTensors out = {{"seed", integer(static_cast<int64_t>(place_.seed))},
                      {"epoch", integer(place_.epoch)},
                      {"position", integer(place_.position)},
                      {"size", integer(dataset_->size())},
                      {"shuffle", integer(options_.shuffle)},
                      {"examples", integer(checksum_of(*dataset_))}};
  if (options_.bucket_size > 0) {
    for (const auto& [name, value] : bucket_options(options_)) out.add(name, integer(value));
  }
  return out;
}

Loader::Place Loader::place_in(const NamedTensors& state) const {
  const Place place{static_cast<uint64_t>(integer(state, "seed")), integer(state, "epoch"),
                    integer(state, "position")};
  const int64_t size = integer(state, "size");
  if (size != dataset_->size()) {
    fail("Loader::load_state: wanted the state of a loader over ", dataset_->size(),
         " examples; got one over ", size);
  }
  if (integer(state, "shuffle") != int64_t{options_.shuffle}) {
    fail("Loader::load_state: wanted a state with shuffle = ", options_.shuffle,
         "; got one with the opposite");
  }
  const bool has_buckets = state.contains("bucket_size");
  if (has_buckets != (options_.bucket_size > 0)) {
    fail("Loader::load_state: wanted a state ", has_buckets ? "without" : "with",
         " buckets, as this loader is; got one ", has_buckets ? "with" : "without");
  }
  if (has_buckets) {
    for (const auto& [name, wanted] : bucket_options(options_)) {
      if (integer(state, name) == wanted) continue;
      fail("Loader::load_state: wanted a state with ", name, " = ", wanted,
           ", of which the batches in a bucket depend; got ", integer(state, name));
    }
  }
  if (place.epoch < 0 || place.position < 0 || place.position >= size) {
    fail("Loader::load_state: wanted an epoch of at least 0 and a position in [0, ", size,
         "); got epoch ", place.epoch, " and position ", place.position);
  }
  // 0.1's has none.
  if (state.contains("examples") && integer(state, "examples") != checksum_of(*dataset_)) {
    fail(
        "Loader::load_state: wanted the state of a loader over this dataset; got one over another "
        "of the same size: its first or last example differs");
  }
  return place;
}

void Loader::check_state(const NamedTensors& state) const { place_in(state); }

}  // namespace rapt::data
