#include "rapt/nn/recurrent/gru.h"

namespace rapt::nn {

GRU::GRU(const GRUOptions& options, Rng& rng)
    : RecurrentStack("GRU", RecurrentKind::gru, options, rng) {}

}  // namespace rapt::nn
