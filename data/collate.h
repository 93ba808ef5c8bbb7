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
/// of the batch, with the value that `padding` gives for the name: [B, longest, ...]. Of names that
/// it does not list, numbers and bools are filled up with 0; i64 throw, since 0 is a class or a
/// token like any other, and would be learnt. Scalars become [B].
///
/// Adds "NAME.lengths", i64 [B], for each tensor that has an axis: its length T in each example.
/// And "lengths", where all of them agree, as tokens and their targets do; not for pairs, of which
/// nobody could say whose they are. Names that the examples have already stay theirs.
///
/// Throws when there is no example, and when two disagree in names, dtypes, or axes other than 0;
/// the message names the tensor and both shapes.
NamedTensors collate(const std::vector<NamedTensors>& examples,
                     const std::vector<Padding>& padding = {});

}  // namespace rapt::data
