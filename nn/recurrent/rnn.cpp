#include "rapt/nn/recurrent/rnn.h"

namespace rapt::nn {

RNN::RNN(const RNNOptions& o, Rng& rng)
    : RecurrentStack("RNN", RecurrentKind::rnn,
                     {o.input, o.hidden, o.layers, o.bidirectional, o.dropout, o.bias}, rng,
                     o.nonlinearity) {}

}  // namespace rapt::nn
