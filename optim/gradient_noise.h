#pragma once

#include <cstdint>

#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/random.h"

namespace rapt::optim {

/// Adds Gaussian noise of that standard deviation to every gradient that is there (Neelakantan et
/// al. 2015, arXiv:1511.06807), in the order of the parameters. Before the step, and before
/// clipping; in a training::Loop, in before_update. The Rng is a part of the run, like a model's
/// streams: add it to the State. 0 changes nothing, and draws nothing. Throws unless stddev is
/// finite and not negative.
void add_gradient_noise(const NamedTensors& parameters, double stddev, Rng& rng);

/// The paper's standard deviation after `step` steps, sqrt(eta / (1 + step)^gamma): eta 0.01, 0.3
/// or 1.
double gradient_noise_stddev(double eta, int64_t step, double gamma = 0.55);

}  // namespace rapt::optim
