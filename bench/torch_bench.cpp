// Times the same training steps on libtorch: torch_bench train --help.
#include <torch/torch.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "measure.h"

namespace {

namespace F = torch::nn::functional;
using torch::Tensor;

constexpr bool has_fused_attention = TORCH_VERSION_MAJOR >= 2;

/// As it is written out, with weights [B, H, T, T].   q, k, v [B, H, T, d]; later [T, T]: true
/// where a key lies behind the query
Tensor plain_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& later) {
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(-1)));
  const Tensor scores = torch::matmul(q, k.transpose(-2, -1)) * scale;
  return torch::matmul(torch::softmax(scores.masked_fill(later, -INFINITY), -1), v);
}

/// The same in libtorch's own kernel, which stores no weights.
Tensor fused_attention(const Tensor& q, const Tensor& k, const Tensor& v) {
#if TORCH_VERSION_MAJOR >= 2
  return at::scaled_dot_product_attention(q, k, v, {}, 0.0, /*is_causal=*/true);
#else
  (void)q, (void)k, (void)v;
  throw std::logic_error("fused_attention: wanted libtorch 2.0 or newer");
#endif
}

struct BlockImpl : torch::nn::Module {
  BlockImpl(int64_t width, int64_t heads)
      : heads_(heads),
        norm1(torch::nn::LayerNormOptions({width})),
        norm2(torch::nn::LayerNormOptions({width})),
        qkv(width, 3 * width),
        output(width, width),
        up(width, 4 * width),
        down(4 * width, width) {
    register_module("norm1", norm1);
    register_module("norm2", norm2);
    register_module("qkv", qkv);
    register_module("output", output);
    register_module("up", up);
    register_module("down", down);
  }

  /// later: undefined where attention is fused.
  Tensor forward(Tensor x, const Tensor& later) {
    const int64_t batch = x.size(0), length = x.size(1), width = x.size(2);
    const auto parts = qkv(norm1(x))
                           .view({batch, length, 3, heads_, width / heads_})
                           .permute({2, 0, 3, 1, 4})
                           .unbind(0);  // each [B, H, T, d]
    const Tensor heads = later.defined() ? plain_attention(parts[0], parts[1], parts[2], later)
                                         : fused_attention(parts[0], parts[1], parts[2]);
    x = x + output(heads.transpose(1, 2).reshape({batch, length, width}));
    return x + down(F::gelu(up(norm2(x)), F::GELUFuncOptions().approximate("tanh")));
  }

  int64_t heads_;
  torch::nn::LayerNorm norm1, norm2;
  torch::nn::Linear qkv, output, up, down;
};
TORCH_MODULE(Block);

struct Gpt : torch::nn::Module {
  explicit Gpt(const bench::Request& request)
      : tokens(request.config.vocabulary, request.config.width),
        positions(request.config.context, request.config.width),
        norm(torch::nn::LayerNormOptions({request.config.width})) {
    const bench::Config& c = request.config;
    register_module("tokens", tokens);
    register_module("positions", positions);
    for (int64_t i = 0; i < c.layers; ++i) {
      blocks.push_back(register_module("block" + std::to_string(i), Block(c.width, c.heads)));
    }
    register_module("norm", norm);
    if (!request.tied_head) {
      const auto options = torch::nn::LinearOptions(c.width, c.vocabulary).bias(false);
      head = register_module("head", torch::nn::Linear(options));
    }
    if (!request.fused) later = torch::ones({c.context, c.context}, torch::kBool).triu(1);
  }

  Tensor forward(const Tensor& ids) {
    Tensor x = tokens(ids) + positions(torch::arange(ids.size(1)));
    for (auto& block : blocks) x = block(x, later);
    return F::linear(norm(x), head ? head->weight : tokens->weight);
  }

  torch::nn::Embedding tokens, positions;
  std::vector<Block> blocks;
  torch::nn::LayerNorm norm;
  torch::nn::Linear head{nullptr};
  Tensor later;
};

std::string engine(const bench::Request& request) {
  std::string name = "libtorch " TORCH_VERSION;
  if (request.fused) name += " fused";
  if (request.gradients == bench::Gradients::dropped_first) name += " dropped-first";
  if (request.gradients == bench::Gradients::zeroed) name += " zeroed";
  return name;
}

int train(int argc, char** argv) {
  const bench::Request request = bench::read_request(argc, argv, /*for_libtorch=*/true);
  if (request.fused && !has_fused_attention) {
    std::fprintf(stderr, "--fused: wanted libtorch 2.0 or newer; got %s\n", TORCH_VERSION);
    return 2;
  }
  const bench::Config& c = request.config;
  const bench::Start start = bench::measure_start(request);
  torch::set_num_threads(request.threads);
  torch::manual_seed(1);
  Gpt model(request);
  const std::vector<Tensor> parameters = model.parameters();
  int64_t count = 0;
  for (const Tensor& p : parameters) count += p.numel();
  torch::optim::AdamW optimizer(parameters, torch::optim::AdamWOptions(1e-3).weight_decay(0.1));
  Tensor ids, targets;
  const auto draw = [&] {
    ids = torch::randint(c.vocabulary, {c.batch, c.context});
    targets = torch::randint(c.vocabulary, {c.batch, c.context});
  };
  using bench::Gradients;
  const auto forget_gradients = [&] {
    for (const Tensor& p : parameters) {
      if (request.gradients == Gradients::zeroed && p.grad().defined()) {
        p.mutable_grad().zero_();
      } else {
        p.mutable_grad() = Tensor();
      }
    }
  };
  const auto step = [&] {
    if (request.gradients == Gradients::dropped_first) forget_gradients();
    const Tensor logits = model.forward(ids);
    const Tensor loss = F::cross_entropy(logits.view({-1, c.vocabulary}), targets.view({-1}));
    if (request.gradients != Gradients::dropped_first) forget_gradients();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(parameters, 1.0);
    optimizer.step();
  };
  bench::print_report(engine(request), request, start, count,
                      bench::time_steps(request, draw, step));
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return bench::run(train, argc, argv); }
