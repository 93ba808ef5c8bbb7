#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rapt/autograd/named_tensors.h"

namespace rapt::data {

/// The value that fills up a tensor of that name.
using Padding = std::pair<std::string, double>;

/// Examples -> one batch: each name's tensors side by side along a new first axis.
///
/// Tensors [T, ...] whose lengths T differ are first filled up at the end of axis 0 to the longest
/// of the batch, with the value that `padding` gives for the name, else 0: [B, longest, ...].
/// Scalars become [B].
/// Adds "lengths", i64 [B]: the length T in each example of its first tensor that has an axis
/// (unless the examples have "lengths" of their own, or nothing but scalars).
///
/// Throws when there is no example, and when two disagree in names, dtypes, or axes other than 0;
/// the message names the tensor and both shapes.
NamedTensors collate(const std::vector<NamedTensors>& examples,
                     const std::vector<Padding>& padding = {});

}  // namespace rapt::data
