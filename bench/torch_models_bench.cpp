// The same on libtorch: torch_models_bench [THREADS [WORD]].
#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <tuple>
#include <vector>

#include "model_cases.h"

namespace {

namespace F = torch::nn::functional;
using bench::ModelCase;
using torch::Tensor;
using Step = std::function<void()>;

/// A step of a torch::nn::RNN, LSTM or GRU.
template <class Module>
Step recurrent_step(Module layer, const ModelCase& c) {
  namespace rnn = torch::nn::utils::rnn;
  const Tensor x = torch::randn({c.rows, c.length, c.width}).requires_grad_();
  const Tensor lengths = torch::tensor(c.lengths());
  const bool ragged = c.ragged;
  return [layer, x, lengths, ragged]() mutable {
    x.mutable_grad() = Tensor();
    for (Tensor& p : layer->parameters()) p.mutable_grad() = Tensor();
    Tensor y;
    if (ragged) {
      const auto packed = rnn::pack_padded_sequence(x, lengths, true, false);
      y = std::get<0>(rnn::pad_packed_sequence(
          std::get<0>(layer->forward_with_packed_input(packed)), true, 0, x.size(1)));
    } else {
      y = std::get<0>(layer->forward(x));
    }
    y.sum().backward();
  };
}

/// torch::nn::Transformer takes [T, B, width], and a mask for its decoder.
Step pair_step(const ModelCase& c) {
  torch::nn::Transformer model(torch::nn::TransformerOptions(c.width, 4)
                                   .num_encoder_layers(2)
                                   .num_decoder_layers(2)
                                   .dim_feedforward(4 * c.width)
                                   .dropout(0));
  const Tensor source = torch::randn({c.length, c.rows, c.width}).requires_grad_();
  const Tensor target = torch::randn({c.length, c.rows, c.width}).requires_grad_();
  const Tensor later = torch::nn::TransformerImpl::generate_square_subsequent_mask(c.length);
  return [=]() mutable {
    source.mutable_grad() = Tensor();
    target.mutable_grad() = Tensor();
    for (Tensor& p : model->parameters()) p.mutable_grad() = Tensor();
    model->forward(source, target, {}, later).sum().backward();
  };
}

/// A decoder with keys and values of what it has seen, written into memory that is there from the
/// start, which is faster than concatenating them.
struct CachedDecoder {
  struct Block {
    torch::nn::LayerNorm norm1, norm2;
    torch::nn::Linear qkv, output, up, down;
    Tensor keys, values;  // [1, H, length, d]
  };

  explicit CachedDecoder(const ModelCase& c)
      : width(c.width),
        tokens(65, c.width),
        positions(c.length, c.width),
        norm(torch::nn::LayerNormOptions({c.width})),
        head(torch::nn::LinearOptions(c.width, 65).bias(false)) {
    const auto norm_of = [&] {
      return torch::nn::LayerNorm(torch::nn::LayerNormOptions({c.width}));
    };
    for (int i = 0; i < 4; ++i) {
      blocks.push_back({norm_of(), norm_of(), torch::nn::Linear(width, 3 * width),
                        torch::nn::Linear(width, width), torch::nn::Linear(width, 4 * width),
                        torch::nn::Linear(4 * width, width),
                        torch::zeros({1, heads, c.length, width / heads}),
                        torch::zeros({1, heads, c.length, width / heads})});
    }
  }

  /// The logits behind the token at place t, [1, 1, 65].
  Tensor next(int64_t token, int64_t t) {
    Tensor x = tokens(torch::full({1, 1}, token, torch::kLong)) +
               positions(torch::full({1}, t, torch::kLong));
    for (Block& b : blocks) {
      const auto parts = b.qkv(b.norm1(x))
                             .view({1, 1, 3, heads, width / heads})
                             .permute({2, 0, 3, 1, 4})
                             .unbind(0);  // each [1, H, 1, d]
      b.keys.narrow(2, t, 1).copy_(parts[1]);
      b.values.narrow(2, t, 1).copy_(parts[2]);
      const Tensor k = b.keys.narrow(2, 0, t + 1), v = b.values.narrow(2, 0, t + 1);
      x = x + b.output(attention(parts[0], k, v).transpose(1, 2).reshape({1, 1, width}));
      x = x + b.down(F::gelu(b.up(b.norm2(x)), F::GELUFuncOptions().approximate("tanh")));
    }
    return head(norm(x));
  }

  Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v) const {
#if TORCH_VERSION_MAJOR >= 2
    return at::scaled_dot_product_attention(q, k, v);
#else
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
    return torch::matmul(torch::softmax(torch::matmul(q, k.transpose(-2, -1)) * scale, -1), v);
#endif
  }

  static constexpr int64_t heads = 4;
  int64_t width;
  torch::nn::Embedding tokens, positions;
  torch::nn::LayerNorm norm;
  torch::nn::Linear head;
  std::vector<Block> blocks;
};

Step greedy_step(const ModelCase& c) {
  const auto model = std::make_shared<CachedDecoder>(c);
  return [model, c] {
    const torch::InferenceMode inference;
    int64_t token = 1;
    for (int64_t t = 0; t + 1 < c.length; ++t) {
      token = model->next(token, t).argmax(-1).item<int64_t>();
    }
  };
}

Step step_of(const ModelCase& c) {
  namespace nn = torch::nn;
  if (c.model == "rnn") {
    return recurrent_step(nn::RNN(nn::RNNOptions(c.width, c.width).batch_first(true)), c);
  }
  if (c.model == "lstm") {
    return recurrent_step(nn::LSTM(nn::LSTMOptions(c.width, c.width).batch_first(true)), c);
  }
  if (c.model == "gru") {
    return recurrent_step(nn::GRU(nn::GRUOptions(c.width, c.width).batch_first(true)), c);
  }
  if (c.model == "encoder-decoder") return pair_step(c);
  if (c.model == "greedy") return greedy_step(c);
  return {};  // it has no beam search
}

}  // namespace

int main(int argc, char** argv) {
  torch::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bench::time_models(argc > 2 ? argv[2] : "", step_of);
}
