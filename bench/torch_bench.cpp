#include <torch/torch.h>

#include <cmath>

#include "measure.h"

namespace {

namespace F = torch::nn::functional;

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

  torch::Tensor forward(torch::Tensor x, const torch::Tensor& later) {
    const int64_t batch = x.size(0), length = x.size(1), width = x.size(2);
    const auto parts = qkv(norm1(x))
                           .view({batch, length, 3, heads_, width / heads_})
                           .permute({2, 0, 3, 1, 4})
                           .unbind(0);  // each [B, H, T, d]
    const double scale = 1 / std::sqrt(static_cast<double>(width / heads_));
    auto scores = torch::matmul(parts[0], parts[1].transpose(-2, -1)) * scale;
    scores = scores.masked_fill(later, -INFINITY);
    const auto heads = torch::matmul(torch::softmax(scores, -1), parts[2]);
    x = x + output(heads.transpose(1, 2).reshape({batch, length, width}));
    return x + down(F::gelu(up(norm2(x)), F::GELUFuncOptions().approximate("tanh")));
  }

  int64_t heads_;
  torch::nn::LayerNorm norm1, norm2;
  torch::nn::Linear qkv, output, up, down;
};
TORCH_MODULE(Block);

struct Gpt : torch::nn::Module {
  explicit Gpt(const bench::Config& c)
      : tokens(c.vocabulary, c.width),
        positions(c.context, c.width),
        norm(torch::nn::LayerNormOptions({c.width})),
        head(torch::nn::LinearOptions(c.width, c.vocabulary).bias(false)) {
    register_module("tokens", tokens);
    register_module("positions", positions);
    for (int64_t i = 0; i < c.layers; ++i) {
      blocks.push_back(register_module("block" + std::to_string(i), Block(c.width, c.heads)));
    }
    register_module("norm", norm);
    register_module("head", head);
    later = torch::ones({c.context, c.context}, torch::kBool).triu(1);
  }

  torch::Tensor forward(const torch::Tensor& ids) {
    auto x = tokens(ids) + positions(torch::arange(ids.size(1)));
    for (auto& block : blocks) x = block(x, later);
    return head(norm(x));
  }

  torch::nn::Embedding tokens, positions;
  std::vector<Block> blocks;
  torch::nn::LayerNorm norm;
  torch::nn::Linear head;
  torch::Tensor later;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Request request = bench::read_request(argc, argv);
  const bench::Config& c = request.config;
  torch::set_num_threads(request.threads);
  torch::manual_seed(1);
  Gpt model(c);
  int64_t count = 0;
  for (const auto& p : model.parameters()) count += p.numel();
  torch::optim::AdamW optimizer(model.parameters(),
                                torch::optim::AdamWOptions(1e-3).weight_decay(0.1));
  torch::Tensor ids, targets;
  bench::report(
      "libtorch " TORCH_VERSION, request, count, 0,
      [&] {
        ids = torch::randint(c.vocabulary, {c.batch, c.context});
        targets = torch::randint(c.vocabulary, {c.batch, c.context});
      },
      [&] {
        const auto logits = model.forward(ids);
        const auto loss = F::cross_entropy(logits.view({-1, c.vocabulary}), targets.view({-1}));
        optimizer.zero_grad();
        loss.backward();
        torch::nn::utils::clip_grad_norm_(model.parameters(), 1.0);
        optimizer.step();
      });
}
