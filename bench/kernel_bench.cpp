// Times each op by itself, through rapt's public functions: kernel_bench --help.
// Every benchmark is named family/sizes; times are wall time, which is what threads shorten.
#include <benchmark/benchmark.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapt/rapt.h"
#include "sgemm_peak.h"

namespace {

using namespace rapt;
using benchmark::State;

Tensor normal(const Shape& shape) {
  static Rng rng(1);
  return rng.normal(shape);
}

Tensor leaf(const Shape& shape) { return normal(shape).set_requires_grad(); }

/// What one run of the body does, for the columns beside its time; 0 leaves a column out.
struct Work {
  double flop = 0;
  double bytes = 0;
};

using Body = std::function<void()>;

/// A benchmark whose `make` builds the tensors, untimed, and returns what is timed. They are freed
/// when it ends, so that no more than one benchmark's tensors are in memory.
void add(const std::string& name, Work work, std::function<Body()> make) {
  const auto time = [work, make = std::move(make)](State& state) {
    const Body body = make();
    body();  // the first run finds the pool of memory empty
    for (auto _ : state) body();
    using benchmark::Counter;
    if (work.flop > 0) {
      state.counters["FLOP/s"] = Counter(work.flop, Counter::kIsIterationInvariantRate);
    }
    if (work.bytes > 0) {
      state.counters["B/s"] = Counter(work.bytes, Counter::kIsIterationInvariantRate);
    }
  };
  benchmark::RegisterBenchmark(name.c_str(), time)->UseRealTime()->Unit(benchmark::kMicrosecond);
}

/// y = f(inputs): the value without a graph, and the gradient of every input by itself (the graph
/// is built once and walked each time). `forward` and `backward` say how much work each is.
void add_both(const std::string& name, const std::vector<Shape>& inputs, Work forward,
              Work backward, std::function<Tensor(const Tensors&)> f) {
  add(name + "/forward", forward, [=]() -> Body {
    Tensors in;
    for (const Shape& shape : inputs) in.push_back(normal(shape));
    return [=] { benchmark::DoNotOptimize(f(in)); };
  });
  add(name + "/backward", backward, [=]() -> Body {
    Tensors in;
    for (const Shape& shape : inputs) in.push_back(leaf(shape));
    const Tensor y = f(in);
    const GradOptions options = {.retain_graph = true, .cotangents = {normal(y.shape())}};
    return [=] { benchmark::DoNotOptimize(grad({y}, in, options)); };
  });
}

double size(std::initializer_list<int64_t> lengths) {
  double out = 1;
  for (const int64_t length : lengths) out *= static_cast<double>(length);
  return out;
}

constexpr double f32_bytes = sizeof(float);

// ---- the families ------------------------------------------------------------------------------

/// The products of the models: x W^T of a forward pass, and dW = g^T x.
void add_products() {
  struct Product {
    const char* name;
    int64_t m, n, k;
    bool gradient = false;
  };
  for (const Product& p : {Product{"tiny", 1024, 64, 64},
                           {"tiny_feed_forward", 1024, 256, 64},
                           {"tiny_dW", 256, 64, 1024, true},
                           {"small", 768, 128, 128},
                           {"small_dW", 512, 128, 768, true},
                           {"medium", 2048, 384, 384},
                           {"medium_dW", 1536, 384, 2048, true},
                           {"gpt2_head", 256, 50257, 768},
                           {"square", 2048, 2048, 2048}}) {
    const std::string name = text("gemm/", p.name, "/", p.m, "x", p.n, "x", p.k);
    add(name, {.flop = 2 * size({p.m, p.n, p.k})}, [p]() -> Body {
      if (p.gradient) {
        const Tensor g = normal({p.k, p.m}), x = normal({p.k, p.n});
        return [=] { benchmark::DoNotOptimize(matmul(transpose(g), x)); };
      }
      const Tensor x = normal({p.m, p.k}), weight = normal({p.n, p.k});
      return [=] { benchmark::DoNotOptimize(linear(x, weight)); };
    });
  }
}

void add_rows() {
  for (const auto& [rows, width] :
       {std::pair<int64_t, int64_t>{1024, 64}, {2048, 384}, {256, 768}}) {
    const double bytes = f32_bytes * size({rows, width});
    const std::string sizes = text("/", rows, "x", width);
    add_both("softmax" + sizes, {{rows, width}}, {.bytes = 2 * bytes}, {.bytes = 3 * bytes},
             [](const Tensors& in) { return softmax(in[0]); });
    add_both("layer_norm" + sizes, {{rows, width}, {width}, {width}}, {.bytes = 2 * bytes},
             {.bytes = 3 * bytes},
             [](const Tensors& in) { return layer_norm(in[0], in[1], in[2]); });
  }
}

/// Causal; FLOP counts the pairs of places that may see each other, and no work done twice: two
/// products forward, four backward.
void add_attention() {
  constexpr int64_t heads = 4, d = 32;
  for (const int64_t length : {64, 128, 256, 512, 1024, 2048, 4096, 8192}) {
    const double product = 2 * size({heads, d}) * size({length, length + 1}) / 2;
    const Shape shape = {1, heads, length, d};
    add_both(text("attention/T", length), {shape, shape, shape}, {.flop = 2 * product},
             {.flop = 4 * product}, [](const Tensors& in) {
               return attention(in[0], in[1], in[2], {.mask = Mask::causal()});
             });
  }
}

/// Causality joined with lengths and windows, at a length where pairs are all that counts: FLOP/s,
/// by the pairs that may see each other, should not fall much below those of causality alone.
void add_masks() {
  constexpr int64_t heads = 2, d = 64, length = 16384, real = length - length / 16;
  const Shape shape = {1, heads, length, d};
  const Mask lengths = Mask::lengths(from_values<int64_t>({real}));
  const auto add_mask = [&](const std::string& name, const Mask& mask, int64_t keys,
                            int64_t window) {
    double pairs = 0;
    for (int64_t i = 0; i < length; ++i) {
      pairs += size(
          {std::max<int64_t>(0, std::min(i + 1, keys) - std::max<int64_t>(0, i + 1 - window))});
    }
    const double product = 2 * size({heads, d}) * pairs;
    add_both("masked_attention/" + name, {shape, shape, shape}, {.flop = 2 * product},
             {.flop = 4 * product},
             [mask](const Tensors& in) { return attention(in[0], in[1], in[2], {.mask = mask}); });
  };
  add_mask("causal", Mask::causal(), length, length);
  add_mask("causal_lengths", Mask::causal() & lengths, real, length);
  for (const int64_t window : {256, 512, 1024, 4096}) {
    add_mask(text("causal_lengths_window", window),
             Mask::causal() & lengths & Mask::window(window - 1, 0), real, window);
  }
}

/// Causal, with each kind of score and of positions: beside attention/T2048 and additive's T512, by
/// the same pairs.
void add_scores() {
  constexpr int64_t heads = 4, d = 32;
  const auto add_score = [&](const std::string& name, int64_t length, const Shape& weight,
                             std::function<Tensor(const Tensors&)> f) {
    const double product = 2 * size({heads, d}) * size({length, length + 1}) / 2;
    const Shape shape = {1, heads, length, d};
    std::vector<Shape> inputs = {shape, shape, shape};
    if (weight.rank() > 0) inputs.push_back(weight);
    add_both(text("scored_attention/", name, "/T", length), inputs, {.flop = 2 * product},
             {.flop = 4 * product}, std::move(f));
  };
  const auto with = [](const Tensors& in, const Score& score) {
    return attention(in[0], in[1], in[2], {.mask = Mask::causal(), .score = score});
  };
  constexpr int64_t length = 2048;
  add_score("scaled_dot", length, {}, [=](const Tensors& in) { return with(in, Score()); });
  add_score("soft_cap", length, {},
            [=](const Tensors& in) { return with(in, Score::scaled_dot({.soft_cap = 30.0})); });
  const Tensor slopes = nn::alibi_slopes(heads);
  add_score("alibi", length, {}, [=](const Tensors& in) {
    return with(in, Score().with_relative_bias(nn::alibi(slopes, length, length)));
  });
  add_score("cosine", length, {heads, 1, 1},
            [=](const Tensors& in) { return with(in, Score::cosine(in[3])); });
  add_score("prefix", length, {}, [](const Tensors& in) {
    const Mask prefix = Mask::prefix(from_values<int64_t>({64}));
    return attention(in[0], in[1], in[2], {.mask = prefix});
  });
  // T5's buckets and Shaw's vectors, with the gradients of both.
  Rng rng(3);
  const nn::RelativeBias buckets({.heads = heads, .causal = true}, rng);
  add_score("t5", length, {}, [=](const Tensors& in) {
    return with(in, Score().with_relative_bias(buckets(length, length)));
  });
  const nn::RelativeKeys keys({.head_width = d}, rng);
  add_score("shaw", length, {}, [=](const Tensors& in) { return with(in, keys(in[0])); });
  add_score("scaled_dot", 512, {}, [=](const Tensors& in) { return with(in, Score()); });
  add_score("additive", 512, {heads, d},
            [=](const Tensors& in) { return with(in, Score::additive(in[3])); });
}

void add_losses() {
  for (const auto& [rows, classes] :
       {std::pair<int64_t, int64_t>{1024, 32}, {2048, 65}, {256, 50257}}) {
    const double bytes = f32_bytes * size({rows, classes});
    const Tensor targets = Rng(2).integers(0, classes, {rows});
    add_both(text("cross_entropy/", rows, "x", classes), {{rows, classes}}, {.bytes = bytes},
             {.bytes = 2 * bytes},
             [targets](const Tensors& in) { return cross_entropy(in[0], targets).mean(); });
  }
}

/// One tensor, and the many small ones of a model. Reads w, g, m, v and writes w, m, v.
void add_adamw() {
  struct Sizes {
    int64_t count, rows, columns;
  };
  for (const Sizes& s : {Sizes{1, 1024, 1024}, {32, 64, 64}, {24, 384, 1536}}) {
    const double bytes = 7 * f32_bytes * size({s.count, s.rows, s.columns});
    add(text("adamw_step/", s.count, "x", s.rows, "x", s.columns), {.bytes = bytes}, [s]() -> Body {
      NamedTensors parameters;
      for (int64_t i = 0; i < s.count; ++i) {
        Tensor w = leaf({s.rows, s.columns});
        w.set_grad(normal(w.shape()));
        parameters.add(text("w", i), w);
      }
      const auto optimizer = std::make_shared<optim::AdamW>(parameters);
      return [=] { optimizer->step(); };
    });
  }
}

void add_elementwise() {
  for (const int64_t n : {int64_t{1} << 12, int64_t{1} << 16, int64_t{1} << 20}) {
    const double bytes = f32_bytes * size({n});
    add_both(text("add/", n), {{n}, {n}}, {.bytes = 3 * bytes}, {},
             [](const Tensors& in) { return in[0] + in[1]; });
    add_both(text("gelu_tanh/", n), {{n}}, {.bytes = 2 * bytes}, {.bytes = 3 * bytes},
             [](const Tensors& in) { return gelu(in[0], Gelu::tanh); });
  }
}

/// What an op costs beside its arithmetic: without a graph, and with one that is walked back to
/// both leaves.
void add_tiny() {
  add("tiny/add_16", {}, []() -> Body {
    const Tensor a = normal({16}), b = normal({16});
    return [=] { benchmark::DoNotOptimize(a + b); };
  });
  add("tiny/add_16_with_backward", {}, []() -> Body {
    Tensor a = leaf({16}), b = leaf({16});
    const Tensor g = normal({16});
    return [=]() mutable {
      (a + b).backward(g);
      a.clear_grad();
      b.clear_grad();
    };
  });
}

// ---- the program -------------------------------------------------------------------------------

/// Takes --threads=N, 2 if it is not there, out of the arguments. Exits with 2 when N is wrong.
int take_threads(int& argc, char** argv) {
  constexpr std::string_view flag = "--threads=";
  int threads = 2, kept = 0;
  for (int i = 0; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(flag)) {
      argv[kept++] = argv[i];
      continue;
    }
    const char* end = argument.data() + argument.size();
    const auto [last, error] = std::from_chars(argument.data() + flag.size(), end, threads);
    if (error != std::errc() || last != end || threads < 1 || threads > 256) {
      std::fprintf(stderr, "--threads: wanted 1 to 256; got %s\n", argv[i] + flag.size());
      std::exit(2);
    }
  }
  argc = kept;
  return threads;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = take_threads(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  set_num_threads(threads);
  benchmark::AddCustomContext("rapt threads", std::to_string(threads));
  benchmark::AddCustomContext("blas", bench::blas_name());
  benchmark::AddCustomContext("sgemm peak, GFLOP/s",
                              std::to_string(bench::sgemm_peak_gflops(threads)));
  add_products();
  add_rows();
  add_attention();
  add_scores();
  add_masks();
  add_losses();
  add_adamw();
  add_elementwise();
  add_tiny();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
