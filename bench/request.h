#pragma once

#include <cstdint>
#include <string>

namespace bench {

/// A GPT: pre-norm blocks, GELU (tanh), learned positions, no dropout, a head without bias.
struct Config {
  std::string name;
  int64_t vocabulary, context, width, heads, layers, batch;
};

/// What becomes of a step's gradients in the next one: dropped before the backward pass or, which
/// leaves their memory to the forward pass, before that; or filled with zeros.
enum class Gradients { dropped, dropped_first, zeroed };

/// What the command line asks for.
struct Request {
  Config config;
  int threads = 2;
  int steps = 20;
  int warmup = 3;
  bool tied_head = false;  ///< the head's weight is the token embedding's
  bool fused = false;      ///< attention that does not store its weights, where it is a choice
  Gradients gradients = Gradients::dropped;
  bool json = false;
};

/// Reads `train --config NAME --threads N --steps K ... --json`; see --help. `for_libtorch` adds
/// --fused and --gradients. Prints what is wrong and exits with 2 on bad flags.
Request read_request(int argc, char** argv, bool for_libtorch);

}  // namespace bench
