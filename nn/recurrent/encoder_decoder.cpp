#include "rapt/nn/recurrent/encoder_decoder.h"

#include <cmath>

#include "rapt/autograd/ops.h"
#include "rapt/nn/detail/configuration.h"

namespace rapt::nn {
namespace {

constexpr const char* name = "RecurrentEncoderDecoder: ";

RecurrentEncoderDecoderOptions filled_in(RecurrentEncoderDecoderOptions o) {
  if (o.source_vocabulary < 1 || o.target_vocabulary < 1 || o.width < 1 || o.hidden < 1) {
    fail(name, "wanted source_vocabulary, target_vocabulary, width and hidden of at least 1; got ",
         o.source_vocabulary, ", ", o.target_vocabulary, ", ", o.width, " and ", o.hidden);
  }
  if (o.score < 0) fail(name, "wanted score >= 0; got ", o.score);
  if (o.cell == RecurrentKind::rnn) fail(name, "wanted a cell that is gru or lstm; got rnn");
  if (o.score == 0) o.score = o.hidden;
  return o;
}

void check_ids(const char* argument, const Tensor& ids, const char* axes, int64_t rank) {
  if (ids.defined() && ids.dtype() == Dtype::i64 && ids.rank() == rank) return;
  fail(name, "wanted ", argument, " i64 ", axes, "; got ",
       ids.defined() ? text(ids.dtype(), ids.shape()) : "an undefined one");
}

}  // namespace

RecurrentEncoderDecoder::RecurrentEncoderDecoder(const RecurrentEncoderDecoderOptions& given,
                                                 Rng& rng)
    : RecurrentEncoderDecoder(Filled{filled_in(given)}, rng) {}

RecurrentEncoderDecoder::RecurrentEncoderDecoder(const Values& configuration, Rng& rng)
    : RecurrentEncoderDecoder(detail::options_of<RecurrentEncoderDecoderOptions>(
                                  "RecurrentEncoderDecoder", configuration),
                              rng) {}

RecurrentEncoderDecoder::RecurrentEncoderDecoder(const Filled& filled, Rng& rng)
    : options_(filled.options),
      source_tokens(
          child("source_tokens", Embedding(options_.source_vocabulary, options_.width, rng))),
      target_tokens(
          child("target_tokens", Embedding(options_.target_vocabulary, options_.width, rng))),
      encoder(child("encoder",
                    RecurrentLayer(
                        {.kind = options_.cell, .input = options_.width, .hidden = options_.hidden},
                        true, rng))),
      cell(child("cell", RecurrentDirection({.kind = options_.cell,
                                             .input = options_.width + 2 * options_.hidden,
                                             .hidden = options_.hidden},
                                            rng))),
      start(child("start", Linear(options_.hidden, options_.hidden, rng))),
      query(child("query", Linear(options_.hidden, options_.score, rng, {.bias = false}))),
      key(child("key", Linear(2 * options_.hidden, options_.score, rng, {.bias = false}))),
      readout(
          child("readout", Linear(3 * options_.hidden + options_.width, 2 * options_.hidden, rng))),
      head(child("head", Linear(options_.hidden, options_.target_vocabulary, rng))),
      dropout(child("dropout", Dropout(options_.dropout, rng))) {
  configure_with_layers(detail::values_of("RecurrentEncoderDecoder", options_));
  const double bound = 1 / std::sqrt(static_cast<double>(options_.score));
  score = parameter("score", rng.uniform({options_.score}, -bound, bound));
}

RecurrentEncoderDecoder::Memory RecurrentEncoderDecoder::encode(
    const Tensor& source, const Tensor& source_lengths) const {
  check_ids("source", source, "[B, S]", 2);
  const int64_t rows = source.size(0), hidden = options_.hidden;
  Memory memory;
  RecurrentState last;
  memory.values = encoder(dropout(source_tokens(source)), {source_lengths, {}, &last});
  memory.keys = key(memory.values);
  memory.lengths = source_lengths;
  memory.state.hidden = tanh(start(select(last.hidden, 0, 1)));
  if (options_.cell == RecurrentKind::lstm) {
    memory.state.cell = zeros({rows, hidden}, memory.values.dtype());
  }
  return memory;
}

RecurrentEncoderDecoder::Step RecurrentEncoderDecoder::step_of(const Tensor& embedded,
                                                               Memory& memory,
                                                               Tensor* weights) const {
  const Tensor asked = unsqueeze(query(memory.state.hidden), 1);  // [B, 1, score]
  AttentionOptions options;
  options.score = Score::additive(score);
  if (memory.lengths.defined()) options.mask = Mask::lengths(memory.lengths);
  if (weights != nullptr) {
    *weights = squeeze(attention_weights(asked, memory.keys, options), 1);
  }
  const Tensor context = attention(asked, memory.keys, memory.values, options);
  const Tensor input = concat({embedded, context}, -1);  // [B, 1, width + 2 hidden]
  const Tensor state = cell(input, {{}, memory.state, &memory.state});
  return {state, context};
}

Tensor RecurrentEncoderDecoder::logits_of(const Tensor& states, const Tensor& embedded,
                                          const Tensor& contexts) const {
  const Tensor read = readout(concat({states, embedded, contexts}, -1));
  Shape pairs = read.shape();
  pairs.back() = options_.hidden;
  pairs.push_back(2);
  return head(dropout(max(reshape(read, pairs), -1)));
}

Tensor RecurrentEncoderDecoder::step(const Tensor& ids, Memory& memory, Tensor* weights) const {
  return call(ids, [&] {
    check_ids("ids", ids, "[B]", 1);
    const Tensor embedded = unsqueeze(dropout(target_tokens(ids)), 1);
    const Step one = step_of(embedded, memory, weights);
    return squeeze(logits_of(one.state, embedded, one.context), 1);
  });
}

Tensor RecurrentEncoderDecoder::operator()(const Tensor& source, const Tensor& target,
                                           const Tensor& source_lengths) const {
  return call(source, [&] {
    check_ids("target", target, "[B, T]", 2);
    Memory memory = encode(source, source_lengths);
    if (target.size(0) != source.size(0)) {
      fail(name, "wanted as many rows of source as of target; got source ", source.shape(),
           " and target ", target.shape());
    }
    const int64_t steps = target.size(1);
    if (steps == 0) {
      return zeros({target.size(0), 0, options_.target_vocabulary}, memory.values.dtype());
    }
    const Tensor embedded = dropout(target_tokens(target));  // [B, T, width]
    Tensors states, contexts;
    for (int64_t t = 0; t < steps; ++t) {
      const Step one = step_of(slice(embedded, 1, t, t + 1), memory, nullptr);
      states.push_back(one.state);
      contexts.push_back(one.context);
    }
    return logits_of(concat(states, 1), embedded, concat(contexts, 1));
  });
}

}  // namespace rapt::nn
