#pragma once

// Private to rapt's own sources: options as Values, and back.

#include <cstdint>
#include <string>
#include <vector>

#include "rapt/autograd/values.h"

namespace rapt::nn::detail {

/// The fields (fields.h) that differ from those of Options(), so that a field that comes later is
/// as it was before in what is saved today. A default is therefore part of what is saved.
template <class Options>
Values values_of(const Options& options);

/// The same, for a model: with its class as "model".
template <class Options>
Values values_of(const char* model, const Options& options);

/// The options again. Throws, as `model`, for a name that is not a field's, a value of another
/// kind, and the configuration of another model. Names of heads that are left (kept_heads) are for
/// those who have the layers.
template <class Options>
Options options_of(const char* model, const Values& configuration);

/// A list of whole numbers as one text, "0 2 3", and back; throws for other texts.
std::string text_of(const std::vector<int64_t>& list);
std::vector<int64_t> integers_of(const Values& values, const std::string& name);

}  // namespace rapt::nn::detail
