// Prints a table of hashes, a line for each thing whose bits docs/same-bits.md promises:
// scripts/same_bits.sh compares the tables of several builds. Its argument is the number of
// threads.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "models.h"
#include "one_norm.h"
#include "rapt/rapt.h"

namespace {

using namespace rapt;

/// FNV-1a over the bytes of tensors, in their order.
class Hash {
 public:
  void add(const Tensor& x) {
    const Tensor dense = x.detach().contiguous();
    visit_any(dense.dtype(), [&](auto zero) {
      using T = decltype(zero);
      add(reinterpret_cast<const unsigned char*>(dense.data<T>()),
          static_cast<size_t>(dense.numel()) * sizeof(T));
    });
  }
  void add(const NamedTensors& all) {
    for (const auto& [name, x] : all) add(x);
  }
  void print(const char* name) const {
    std::printf("%-28s %016llx\n", name, static_cast<unsigned long long>(value_));
  }

 private:
  void add(const unsigned char* bytes, size_t n) {
    for (size_t i = 0; i < n; ++i) value_ = (value_ ^ bytes[i]) * 0x100000001b3;
  }
  uint64_t value_ = 0xcbf29ce484222325;
};

/// f's values and gradients at normal numbers, scaled to reach its edges.
void op(const char* name, double scale, FunctionRef<Tensor(const Tensor&)> f) {
  Rng rng(1);
  Hash hash;
  Tensor x = rng.normal({37, 130}, 0, scale).set_requires_grad();
  const Tensor y = f(x);
  hash.add(y);
  y.backward(rng.normal(y.shape()));
  hash.add(x.grad());
  hash.print(name);
}

void ops() {
  op("exp", 30, [](auto& x) { return exp(x); });
  op("log", 3, [](auto& x) { return log(abs(x)); });
  op("sqrt", 3, [](auto& x) { return sqrt(abs(x)); });
  op("rsqrt", 3, [](auto& x) { return rsqrt(abs(x) + 1e-3); });
  op("pow 1.7", 3, [](auto& x) { return pow(abs(x), 1.7); });
  op("sin", 100, [](auto& x) { return sin(x); });
  op("cos", 100, [](auto& x) { return cos(x); });
  op("tanh", 3, [](auto& x) { return tanh(x); });
  op("erf", 2, [](auto& x) { return erf(x); });
  op("sigmoid", 20, [](auto& x) { return sigmoid(x); });
  op("gelu, erf", 3, [](auto& x) { return gelu(x); });
  op("gelu, tanh", 3, [](auto& x) { return gelu(x, Gelu::tanh); });
  op("silu", 5, [](auto& x) { return silu(x); });
  op("log1p", 3, [](auto& x) { return log1p(abs(x) - 0.9); });
  op("expm1", 5, [](auto& x) { return expm1(x); });
  op("tan", 1, [](auto& x) { return tan(x); });
  op("asin, acos", 0.2, [](auto& x) { return asin(x) / acos(x); });
  op("atan", 3, [](auto& x) { return atan(x); });
  op("sinh, cosh", 3, [](auto& x) { return sinh(x) / cosh(x); });
  op("pow of tensors", 1, [](auto& x) { return pow(abs(x), x * 2); });
  op("fmod, remainder", 3, [](auto& x) { return fmod(x, 0.7) + remainder(x, -0.3); });
  op("elu", 3, [](auto& x) { return elu(x); });
  op("mish", 3, [](auto& x) { return mish(x); });
  op("softplus", 20, [](auto& x) { return softplus(x); });
  op("div, mul, add", 2, [](auto& x) { return x / (x * x + 1.5); });
  op("sum", 2, [](auto& x) { return sum(x, {0}); });
  op("mean", 2, [](auto& x) { return mean(x, {1}); });
  op("var", 2, [](auto& x) { return var(x); });
  op("logsumexp", 20, [](auto& x) { return logsumexp(x, {1}); });
  op("softmax", 20, [](auto& x) { return softmax(x); });
  op("log_softmax, axis 0", 20, [](auto& x) { return log_softmax(x, 0); });
  op("layer_norm", 3, [](auto& x) {
    const Tensor gain = select(x, 0, 0), bias = select(x, 0, 1);
    return layer_norm(x, gain, bias);
  });
  op("rms_norm", 3, [](auto& x) { return rms_norm(x, select(x, 0, 0)); });
  op("rotary", 3, [](auto& x) { return rotary(x, {.offset = 5000}); });
  op("product", 1, [](auto& x) { return matmul(x, transpose(x)); });
  op("einsum", 1, [](auto& x) { return einsum("ij,kj,kl->il", {x, x, x}); });
  op("cross_entropy", 20,
     [](auto& x) { return cross_entropy(x, arange(37), {.label_smoothing = 0.1}).sum; });
  op("binary_cross_entropy", 5,
     [](auto& x) { return binary_cross_entropy_with_logits(x, sigmoid(x.detach())).sum; });
  op("attention", 1, [](auto& x) {
    Rng rng(2);
    const Tensor heads = transpose(reshape(concat({x, x * 0.5, x, x, x}), {185, 5, 26}), 0, 1);
    return attention(heads, heads, heads, {.mask = Mask::causal(), .dropout = 0.1, .rng = &rng});
  });
  op("rnn, lstm and gru", 1, [](auto& x) {
    Rng rng(2);
    const auto weights = [&rng](int64_t gates, int64_t in) {
      return RecurrentWeights{rng.normal({gates * 21, in}, 0, 0.3),
                              rng.normal({gates * 21, 21}, 0, 0.3), rng.normal({gates * 21}),
                              rng.normal({gates * 21})};
    };
    const RecurrentOptions options{.lengths = remainder(arange(37), 14), .reverse = true};
    // One after the other: compilers order the arguments of a call, and so its draws, differently.
    Tensor y = rnn(reshape(x, {37, 13, 10}), weights(1, 10), {}, options).output;
    y = lstm(y, weights(4, 21), {}, options).output;
    return gru(y, weights(3, 21), {}, options).output;
  });
  Hash draws;
  Rng rng(3);
  draws.add(rng.normal({1000}));
  draws.add(rng.uniform({1000}, -3, 5));
  draws.print("random numbers");
}

struct Training {
  double dropout = 0;
  int64_t micro_batches = 1;
};

/// The weights after 200 steps of AdamW on a small decoder, padded batches of 16 x 64 tokens.
void train(const char* name, const Training& how) {
  Rng rng(4);
  nn::DecoderOnly model({.vocabulary = 40,
                         .context = 64,
                         .width = 48,
                         .layers = 2,
                         .block = {.attention = {.heads = 4}},
                         .dropout = how.dropout},
                        rng);
  optim::AdamW adam(optim::decay_groups(model.parameters(), 0.1), {.lr = 3e-3});
  const auto schedule = optim::Schedule::cosine({.lr = 3e-3, .warmup = 20, .total = 200});
  const Shape shape{16, 64};
  for (int64_t step = 0; step < 200; ++step) {
    const Tensor ids = rng.integers(0, 40, shape);
    const Tensor lengths = unsqueeze(rng.integers(20, 65, {16}), 1);
    const Tensor targets =
        masked_fill(rng.integers(0, 40, shape), greater_equal(arange(64), lengths), -100);
    const double whole = count_targets(targets);
    adam.zero_grad();
    const int64_t part = 16 / how.micro_batches;
    for (int64_t b = 0; b < 16; b += part) {
      cross_entropy(model(slice(ids, 0, b, b + part)), slice(targets, 0, b, b + part))
          .mean(whole)
          .backward();
    }
    adam.set_lr(schedule.at(step));
    adam.step_clipped(1);
  }
  Hash hash;
  hash.add(model.state());
  hash.add(adam.state());
  hash.print(name);
}

/// Logits and gradients of decoders that differ in all their options.
void decoders() {
  Hash hash;
  for (int64_t i = 0; i < 30; ++i) {
    Rng rng(static_cast<uint64_t>(i));
    const tests::DecoderShape shape{1 + i % 5, 7 + 31 * (i % 6), 16 * (1 + i % 25), 4};
    nn::DecoderOnly model(tests::decoder_options(shape, i), rng);
    const Tensor logits = model(rng.integers(0, 29, {shape.batch, shape.context}));
    hash.add(logits);
    logits.backward(rng.normal(logits.shape()));
    for (const auto& [name, parameter] : model.parameters()) hash.add(parameter.grad());
  }
  hash.print("30 decoders");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "norm") == 0) return tests::print_one_norm(), 0;
  if (argc > 1) set_num_threads(std::atoi(argv[1]));
  ops();
  decoders();
  train("200 steps, dropout 0.1", {.dropout = 0.1});
  // One hash on all three lines:
  train("200 steps", {});
  train("200 steps, 2 micro-batches", {.micro_batches = 2});
  train("200 steps, 4 micro-batches", {.micro_batches = 4});
}
