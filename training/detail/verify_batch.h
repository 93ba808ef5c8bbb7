#pragma once

// Private to rapt's own sources.

#include <optional>
#include <string>

#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/random.h"

/// Batches that differ from a batch in one respect. Every tensor of a batch is [B, ...].
namespace rapt::training::detail {

/// How many rows the batch has: the first axis of its tensor of that name.
int64_t rows_of(const NamedTensors& batch, const std::string& name);

/// The same batch with that tensor instead of its own of that name.
NamedTensors with(const NamedTensors& batch, const std::string& name, const Tensor& tensor);

/// Rows in the order of `index`, i64 [n].
NamedTensors select_rows(const NamedTensors& batch, const Tensor& index);

/// True when they have the same elements.
bool same_values(const Tensor& a, const Tensor& b);

/// x with something else where `places` is true, such as the model may see: integers are drawn from
/// the others of x, but those below 0 (ignored targets) stay; of other dtypes, another place's
/// whole content is put there. Nothing when x has not two different ones.
/// x [B, T, ...], places b8 [B] or [B, T]
std::optional<Tensor> changed(const Tensor& x, const Tensor& places, Rng& rng);

/// x with two places exchanged in the rows that `which` says.   which b8 [B]
Tensor exchanged(const Tensor& x, int64_t place, int64_t other, const Tensor& which);

/// b8 [B, T]: which places count, by i64 [B] lengths.
Tensor places_within(const Tensor& lengths, int64_t places);

/// i64 [B]: how many places are left when those at the end of a row that are `padding` are not
/// counted.   tokens i64 [B, T]
Tensor lengths_without(const Tensor& tokens, int64_t padding);

}  // namespace rapt::training::detail
