#include "rapt/nn/recurrent/lstm.h"

namespace rapt::nn {

LSTM::LSTM(const LSTMOptions& options, Rng& rng)
    : RecurrentStack("LSTM", RecurrentKind::lstm, options, rng) {}

}  // namespace rapt::nn
