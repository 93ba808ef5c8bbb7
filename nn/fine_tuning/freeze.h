#pragma once

#include <string>
#include <vector>

#include "rapt/nn/module.h"

namespace rapt::nn {

/// Parameters of a model that are not to be trained:
///
///   nn::freeze(model, {"tokens.*", "blocks.[01].*"});
///   optim::AdamW optimizer(nn::trainable(model.parameters()), ...);
///
/// They ask for no gradient, and none is computed; one that is there is dropped, so that an
/// optimizer which has them leaves them as they are. A pattern is a shell's: * stands for any text,
/// ? for one character, [01] for one of those; it has to fit the whole name. Throws, and freezes
/// nothing, when a pattern fits no parameter, naming it. Not part of the state: a run that goes on
/// freezes again.
void freeze(const Module& model, const std::vector<std::string>& patterns = {"*"});
/// Parameters that are trained again.
void unfreeze(const Module& model, const std::vector<std::string>& patterns = {"*"});

/// Those that ask for a gradient.
NamedTensors trainable(const NamedTensors& parameters);

}  // namespace rapt::nn
