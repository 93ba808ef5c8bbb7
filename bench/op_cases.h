#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/// What ops_bench and torch_ops_bench share: the tensors that ops are tried on, and the timing.
namespace bench {

/// A tensor of f32: dense in memory with those lengths, its axes then shown in that order.
struct Layout {
  std::string name;
  std::vector<int64_t> lengths, order;
};

/// Each shape dense first, then permuted.
inline std::vector<Layout> layouts() {
  return {{"2048x2048", {2048, 2048}, {0, 1}},
          {"2048x2048 transposed", {2048, 2048}, {1, 0}},
          {"2047x1531", {2047, 1531}, {0, 1}},
          {"2047x1531 transposed", {2047, 1531}, {1, 0}},
          {"64x32x128", {64, 32, 128}, {0, 1, 2}},
          {"16x64x32x128", {16, 64, 32, 128}, {0, 1, 2, 3}},
          {"16x64x32x128 permuted 0213", {16, 64, 32, 128}, {0, 2, 1, 3}},
          {"16x64x32x128 permuted 3102", {16, 64, 32, 128}, {3, 1, 0, 2}}};
}

/// What ops are tried on. All but x and `centered` are dense.
template <class Tensor>
struct Inputs {
  Tensor x, d;           // from 0.5 to 1.5; d of x's shape
  Tensor centered;       // x - 1, laid out as x is: for functions with a kink at 0
  Tensor first, last;    // i64 of x's shape: indices along its first and its last axis
  Tensor rows, columns;  // i64: as many indices along its first and its last axis as it has there
  Tensor mask;           // b8 of x's shape, true for half of it
};

template <class Tensor>
struct Op {
  std::string name;
  std::function<Tensor(const Inputs<Tensor>& in)> run;
};

/// The shortest time of a call, in milliseconds: of all that fit into some 50 ms, but at least 3.
template <class F>
double best_ms(F f) {
  using Clock = std::chrono::steady_clock;
  const auto now = [] { return Clock::now(); };
  const auto ms = [](Clock::duration d) { return std::chrono::duration<double>(d).count() * 1e3; };
  f();  // memory is found
  double best = 1e30;
  const auto start = now();
  for (int i = 0; i < 3 || ms(now() - start) < 50; ++i) {
    const auto before = now();
    f();
    best = std::min(best, ms(now() - before));
  }
  return best;
}

/// Prints a line of JSON for each op whose name has that word in it, on each layout. make(layout)
/// gives the inputs.
template <class Tensor, class Make>
void time_ops(const std::vector<Op<Tensor>>& ops, const std::string& word, Make make) {
  for (const Layout& layout : layouts()) {
    const Inputs<Tensor> in = make(layout);
    for (const Op<Tensor>& op : ops) {
      if (op.name.find(word) == std::string::npos) continue;
      const double ms = best_ms([&] { op.run(in); });
      std::printf("{\"op\": \"%s\", \"layout\": \"%s\", \"ms\": %.5f}\n", op.name.c_str(),
                  layout.name.c_str(), ms);
    }
  }
}

}  // namespace bench
