// einsum: what the parser takes and refuses, and every value, beside plain loops.

#include <cmath>
#include <string>

#include "draw.h"
#include "plain_einsum.h"

namespace rapt::fuzz {
namespace {

/// An equation and operands that often fit it: each label has a length, now and then stretched from
/// 1 or wrong.
struct Drawn {
  std::string equation;
  Tensors operands;

  explicit Drawn(Draw& d) {
    static const std::vector<std::string> tokens = {"a",   "b", "c", "d", "a", "b", "Z",
                                                    "...", ",", ",", " ", "i", "j", "k"};
    static const std::vector<std::string> odd = {".", "-", ">", "..", "1", "\xc3", ",,", "->"};
    for (int64_t& length : lengths_) length = d.chance(8) ? 0 : d.in(1, 4);
    Shape shape;
    const auto end_term = [&] {
      while (shape.rank() > Dims::max_rank - 2) shape.pop_back();
      if (d.chance(32)) shape.push_back(2);
      operands.push_back(d.floats(shape));
      shape = {};
    };
    for (int64_t i = d.in(0, 10); i > 0; --i) {
      const std::string& token = d.one_of(d.chance(48) ? odd : tokens);
      equation += token;
      if (token == ",") {
        end_term();
      } else if (token == "...") {
        for (int64_t j = d.in(0, 2); j > 0 && shape.rank() < Dims::max_rank; --j) {
          shape.push_back(d.chance(3) ? 1 : lengths_[6 + j % 2]);
        }
      } else if (token != " " && shape.rank() < Dims::max_rank) {
        shape.push_back(d.chance(12) ? d.in(0, 3)
                                     : lengths_[static_cast<unsigned char>(token[0]) % 6]);
      }
    }
    end_term();
    if (d.chance(2)) return;
    equation += d.chance(4) ? " -> " : "->";
    for (int64_t i = d.in(0, 4); i > 0; --i) equation += d.one_of(tokens);
  }

 private:
  int64_t lengths_[8];
};

void check(const uint8_t* data, size_t size) {
  Draw d(data, size, false);
  const Drawn drawn(d);
  if (plain_einsum_terms(drawn.equation, drawn.operands) > 20000) return;
  const auto wanted = plain_einsum(drawn.equation, drawn.operands);
  Tensor got;
  try {
    got = einsum(drawn.equation, drawn.operands);
  } catch (const Error& e) {
    require(!wanted, "einsum refuses \"", drawn.equation, "\": ", e.what());
    return;
  }
  require(wanted.has_value(), "einsum takes \"", drawn.equation, "\"");
  require(got.shape() == wanted->shape, "\"", drawn.equation, "\" gives ", got.shape(), "; wanted ",
          wanted->shape);
  // Pairs are added up in another order: of 2 * inf - 1 * inf one makes inf, the other NaN.
  if (d.numbers_drawn() != Draw::Numbers::tame) return;
  const double tolerance = d.dtype() == Dtype::f32 ? 1e-4 : 1e-11;
  const std::vector<double> values = got.detach().to(Dtype::f64).values<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    require(
        std::abs(values[i] - wanted->values[i]) <= tolerance * (300 + std::abs(wanted->values[i])),
        "\"", drawn.equation, "\" is ", values[i], " at ", i, "; wanted ", wanted->values[i]);
  }
}

}  // namespace
}  // namespace rapt::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  rapt::set_num_threads(1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rapt::fuzz::check(data, size);
  return 0;
}
