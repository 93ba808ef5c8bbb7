#include "rapt/nn/recurrent/encoder_decoder.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/autograd/ops.h"
#include "rapt/optim/adam.h"

namespace rapt::nn {
namespace {

using reference::close;
using reference::error_of;
using tests::same_bits;

constexpr RecurrentKind kinds[] = {RecurrentKind::gru, RecurrentKind::lstm};

RecurrentEncoderDecoderOptions small(RecurrentKind cell) {
  return {.source_vocabulary = 9,
          .target_vocabulary = 7,
          .width = 4,
          .hidden = 5,
          .score = 6,
          .cell = cell};
}

TEST(RecurrentEncoderDecoder, AgreesWithPyTorch) {
  Rng rng(1);
  for (const RecurrentKind kind : kinds) {
    reference::expect_as_pytorch(
        kind == RecurrentKind::gru ? "encoder_decoder.gru" : "encoder_decoder.lstm",
        [&] { return RecurrentEncoderDecoder(small(kind), rng); },
        [](const RecurrentEncoderDecoder& model, const NamedTensors& in) {
          return NamedTensors{{"y", model(in["source"], in["target"], in["lengths"])}};
        },
        "recurrent");
  }
}

TEST(RecurrentEncoderDecoder, TokenByTokenIsTheWhole) {
  Rng rng(2);
  for (const RecurrentKind kind : kinds) {
    const RecurrentEncoderDecoder model(small(kind), rng);
    const Tensor source = rng.integers(0, 9, {3, 6}), target = rng.integers(0, 7, {3, 4});
    const Tensor lengths = from_values<int64_t>({6, 1, 4});
    const Tensor whole = model(source, target, lengths);
    RecurrentEncoderDecoder::Memory memory = model.encode(source, lengths);
    for (int64_t t = 0; t < 4; ++t) {
      Tensor weights;
      const Tensor logits = model.step(select(target, 1, t), memory, &weights);
      EXPECT_TRUE(same_bits(logits, select(whole, 1, t)));
      EXPECT_EQ(weights.shape(), (Shape{3, 6}));
      EXPECT_TRUE(close(sum(weights, -1), ones({3}), 1e-6));
      EXPECT_EQ(count_nonzero(slice(select(weights, 0, 1), 0, 1, 6)).item(), 0);
    }
  }
}

// What lies past a source's length may be any token, and any number of them.
TEST(RecurrentEncoderDecoder, PaddingHasNoSay) {
  Rng rng(3);
  const RecurrentEncoderDecoder model(small(RecurrentKind::gru), rng);
  const Tensor source = rng.integers(0, 9, {1, 4}), target = rng.integers(0, 7, {1, 3});
  const Tensor alone = model(source, target);
  const Tensor padded = concat({source, rng.integers(0, 9, {1, 3})}, 1);
  EXPECT_TRUE(same_bits(model(padded, target, from_values<int64_t>({4})), alone));
}

TEST(RecurrentEncoderDecoder, HasTheRightGradients) {
  Rng rng(14);  // no two neighbours of maxout near each other
  RecurrentEncoderDecoder model({.source_vocabulary = 3,
                                 .target_vocabulary = 2,
                                 .width = 2,
                                 .hidden = 2,
                                 .cell = RecurrentKind::lstm},
                                rng);
  model.to(Dtype::f64);
  const Tensor source = from_values<int64_t>({0, 2, 1, 1}, {2, 2});
  const Tensor target = from_values<int64_t>({0, 1, 1, 0}, {2, 2});
  const auto report = reference::check_layer(
      {&model.source_tokens.weight, &model.target_tokens.weight, &model.score, &model.start.weight,
       &model.query.weight, &model.key.weight, &model.cell.weight_hh, &model.readout.weight,
       &model.head.bias, &model.encoder.backward->weight_ih},
      {}, [&](const Tensors&) {
        return model(source, target, from_values<int64_t>({2, 1}));
      });
  EXPECT_TRUE(report) << report.text;
}

/// Learns to turn a sequence around, which attention makes easy.
TEST(RecurrentEncoderDecoder, Learns) {
  Rng rng(5);
  RecurrentEncoderDecoder model(
      {.source_vocabulary = 6, .target_vocabulary = 7, .width = 16, .hidden = 24}, rng);
  optim::Adam adam(model.parameters(), {.lr = 0.01});
  const Tensor begin = full({16, 1}, 6, Dtype::i64);
  double loss = 0;
  for (int step = 0; step < 250; ++step) {
    const Tensor source = rng.integers(0, 6, {16, 5}), wanted = flip(source, {1});
    const Tensor fed = concat({begin, slice(wanted, 1, 0, 4)}, 1);
    const Tensor mean_loss = cross_entropy(model(source, fed), wanted).mean();
    adam.zero_grad();
    mean_loss.backward();
    adam.step();
    loss = mean_loss.item();
  }
  EXPECT_LT(loss, 0.1);
}

TEST(RecurrentEncoderDecoder, Errors) {
  Rng rng(6);
  RecurrentEncoderDecoderOptions options = small(RecurrentKind::rnn);
  EXPECT_EQ(error_of([&] { RecurrentEncoderDecoder(options, rng); }),
            "RecurrentEncoderDecoder: wanted a cell that is gru or lstm; got rnn");
  options.hidden = 0;
  EXPECT_EQ(error_of([&] { RecurrentEncoderDecoder(options, rng); }),
            "RecurrentEncoderDecoder: wanted source_vocabulary, target_vocabulary, width and "
            "hidden of at least 1; got 9, 7, 4 and 0");
  const RecurrentEncoderDecoder model(small(RecurrentKind::gru), rng);
  const Tensor ids = zeros({2, 3}, Dtype::i64);
  EXPECT_EQ(error_of([&] {
              model(zeros({2, 3}), ids);
            }),
            "RecurrentEncoderDecoder: wanted source i64 [B, S]; got f32[2, 3]");
  EXPECT_EQ(error_of([&] { model(ids, select(ids, 0, 0)); }),
            "RecurrentEncoderDecoder: wanted target i64 [B, T]; got i64[3]");
  EXPECT_EQ(error_of([&] { model(ids, slice(ids, 0, 0, 1)); }),
            "RecurrentEncoderDecoder: wanted as many rows of source as of target; got source "
            "[2, 3] and target [1, 3]");
}

}  // namespace
}  // namespace rapt::nn
