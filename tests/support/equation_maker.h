#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <string>

#include "rapt/autograd/autograd.h"

namespace rapt::tests {

/// Random equations for einsum, and operands that fit them, dense or not.
class EquationMaker {
 public:
  explicit EquationMaker(uint64_t seed) : engine_(seed), rng_(seed) {}

  struct Made {
    std::string equation;
    Tensors operands;
  };

  Made make() {
    const std::string pool = "aBcDeF";
    std::map<char, int64_t> length;
    for (const char c : pool) length[c] = below(20) == 0 ? 0 : 2 + below(3);
    const std::array<int64_t, 2> dots_length = {1 + below(3), 1 + below(3)};  // from the last axis

    Made made;
    std::string seen;
    bool any_dots = false;
    const int64_t operands = 1 + below(5);
    for (int64_t i = 0; i < operands; ++i) {
      const int64_t named = below(10) == 0 ? 0 : 1 + below(4);
      const int64_t dots_at = below(3) == 0 ? below(named + 1) : -1;
      std::map<char, bool> stretched;
      Shape shape;
      if (i > 0) made.equation += ',';
      for (int64_t k = 0; k <= named; ++k) {
        if (k == dots_at) {
          made.equation += "...";
          any_dots = true;
          for (int64_t d = below(3); d-- > 0;) {
            shape.push_back(below(4) == 0 ? 1 : dots_length[static_cast<size_t>(d)]);
          }
        }
        if (k == named) break;
        const char c = pool[static_cast<size_t>(below(6))];
        const bool one = stretched.try_emplace(c, below(8) == 0).first->second;
        shape.push_back(one ? 1 : length[c]);
        made.equation += c;
        seen += c;
        if (below(8) == 0) made.equation += ' ';
      }
      made.operands.push_back(operand(shape));
    }
    if (below(3) > 0) made.equation += "->" + output(seen, any_dots);
    return made;
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }

  std::string output(std::string seen, bool any_dots) {
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    std::string out;
    while (!seen.empty()) {
      const auto at = static_cast<size_t>(below(static_cast<int64_t>(seen.size())));
      if (below(2) == 0) out += seen[at];
      seen.erase(at, 1);
    }
    if (any_dots && below(4) > 0) {
      out.insert(static_cast<size_t>(below(static_cast<int64_t>(out.size()) + 1)), "...");
    }
    return out;
  }

  // Dense, permuted, strided or stretched.
  Tensor operand(const Shape& shape) {
    const int64_t rank = shape.rank();
    if (rank == 0) return rng_.normal(shape, 0, 1, Dtype::f64);
    switch (below(4)) {
      case 0: {
        Shape reversed;
        Axes order;
        for (int64_t i = rank; i-- > 0;) {
          reversed.push_back(shape[i]);
          order.push_back(i);
        }
        return permute(rng_.normal(reversed, 0, 1, Dtype::f64), order);
      }
      case 1: {
        Shape wide = shape;
        wide.back() *= 2;
        return slice(rng_.normal(wide, 0, 1, Dtype::f64), -1, 0, wide.back(), 2);
      }
      case 2: {
        Shape flat = shape;
        flat[0] = 1;
        return expand(rng_.normal(flat, 0, 1, Dtype::f64), shape);
      }
      default:
        return rng_.normal(shape, 0, 1, Dtype::f64);
    }
  }

  std::mt19937_64 engine_;
  Rng rng_;
};

}  // namespace rapt::tests
