// Arithmetic and functions of single elements: accuracy, edges, dtypes, layouts. (Their gradients:
// tests/ops.)

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "../support/tensors.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::same_bits;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

struct Function {
  const char* name;
  Tensor (*op)(const Tensor&);
  long double (*exact)(long double);
  double low, high;  // where it is compared
};

long double exact_sigmoid(long double x) { return 1 / (1 + std::exp(-x)); }
long double exact_rsqrt(long double x) { return 1 / std::sqrt(x); }

const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      {"exp", exp, std::exp, -80, 80},
      {"log", log, std::log, 1e-30, 1e30},
      {"sqrt", sqrt, std::sqrt, 0, 1e6},
      {"rsqrt", rsqrt, exact_rsqrt, 1e-6, 1e6},
      {"sin", sin, std::sin, -100, 100},
      {"cos", cos, std::cos, -100, 100},
      {"erf", erf, std::erf, -6, 6},
      {"tanh", tanh, std::tanh, -20, 20},
      {"sigmoid", sigmoid, exact_sigmoid, -30, 30},
  };
  return all;
}

// Relative to 1 + |value| where the value may be near 0, else to the value.
TEST(Elementwise, FunctionsAreAccurate) {
  Rng rng(1);
  for (const Function& f : functions()) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      const Tensor x = rng.uniform({10'000}, f.low, f.high, dtype);
      const std::vector<double> in = x.to(Dtype::f64).values<double>();
      const std::vector<double> out = f.op(x).to(Dtype::f64).values<double>();
      double worst = 0;
      for (size_t i = 0; i < in.size(); ++i) {
        const double wanted = static_cast<double>(f.exact(in[i]));
        const double scale = std::max(std::abs(wanted), 0.01);
        worst = std::max(worst, std::abs(out[i] - wanted) / scale);
      }
      EXPECT_LT(worst, dtype == Dtype::f32 ? 3e-6 : 1e-13) << f.name << " " << name_of(dtype);
    }
  }
}

// From the smallest normal result to the largest one: to the last digit, and nearly so at the end.
TEST(Elementwise, ExpOfF32IsAccurateInAllOfItsRange) {
  constexpr int64_t n = 1'000'000;
  const Tensor x = (arange(n).to(Dtype::f64) * (176.05 / n) - 87.33).to(Dtype::f32);
  const std::vector<float> in = x.values<float>(), out = exp(x).values<float>();
  double worst = 0, worst_at_the_end = 0;
  for (size_t i = 0; i < in.size(); ++i) {
    double& error = in[i] > 88 ? worst_at_the_end : worst;
    const double wanted = std::exp(static_cast<double>(in[i]));
    error = std::max(error, std::abs(static_cast<double>(out[i]) / wanted - 1));
  }
  EXPECT_LT(worst, 1e-7);
  EXPECT_LT(worst_at_the_end, 4e-7);
  EXPECT_EQ(exp(tensor(88.73, Dtype::f32)).item(), infinity);
  EXPECT_EQ(exp(tensor(-87.8, Dtype::f32)).item(), 0);
}

TEST(Elementwise, FunctionsAtTheEdges) {
  for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const auto at = [dtype](auto op, double x) { return op(tensor(x, dtype)).item(); };
    EXPECT_EQ(at([](const Tensor& x) { return exp(x); }, -infinity), 0);
    EXPECT_EQ(at([](const Tensor& x) { return exp(x); }, infinity), infinity);
    EXPECT_EQ(at([](const Tensor& x) { return exp(x); }, 1000), infinity);
    EXPECT_EQ(at([](const Tensor& x) { return exp(x); }, -1000), 0);
    EXPECT_EQ(at([](const Tensor& x) { return exp(x); }, 0), 1);
    EXPECT_EQ(at([](const Tensor& x) { return log(x); }, 0), -infinity);
    EXPECT_EQ(at([](const Tensor& x) { return log(x); }, 1), 0);
    EXPECT_EQ(at([](const Tensor& x) { return log(x); }, infinity), infinity);
    EXPECT_TRUE(std::isnan(at([](const Tensor& x) { return log(x); }, -1)));
    EXPECT_EQ(at([](const Tensor& x) { return sqrt(x); }, infinity), infinity);
    EXPECT_TRUE(std::isnan(at([](const Tensor& x) { return sqrt(x); }, -1)));
    EXPECT_EQ(at([](const Tensor& x) { return rsqrt(x); }, 0), infinity);
    EXPECT_EQ(at([](const Tensor& x) { return rsqrt(x); }, infinity), 0);
    EXPECT_EQ(at([](const Tensor& x) { return tanh(x); }, infinity), 1);
    EXPECT_EQ(at([](const Tensor& x) { return tanh(x); }, -infinity), -1);
    EXPECT_EQ(at([](const Tensor& x) { return erf(x); }, infinity), 1);
    EXPECT_EQ(at([](const Tensor& x) { return erf(x); }, -infinity), -1);
    EXPECT_EQ(at([](const Tensor& x) { return sigmoid(x); }, infinity), 1);
    EXPECT_EQ(at([](const Tensor& x) { return sigmoid(x); }, -infinity), 0);
    EXPECT_EQ(at([](const Tensor& x) { return abs(x); }, -infinity), infinity);
    EXPECT_EQ(at([](const Tensor& x) { return relu(x); }, -infinity), 0);
    EXPECT_EQ(at([](const Tensor& x) { return pow(x, 0); }, 0), 1);
    EXPECT_EQ(at([](const Tensor& x) { return pow(x, -1); }, 0), infinity);
    EXPECT_TRUE(std::isnan(at([](const Tensor& x) { return pow(x, 0.5); }, -1)));
  }
}

TEST(Elementwise, NaNInNaNOut) {
  const auto poisons = [](const char* name, auto op) {
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      for (const int64_t n : {1, 40}) {  // alone in a padded block, and in whole ones
        Tensor x = ones({n}, dtype);
        x.copy_from(where(equal(arange(n), tensor(0, Dtype::i64)), tensor(not_a_number, dtype), x));
        EXPECT_TRUE(std::isnan(select(op(x), 0, 0).item())) << name << " " << name_of(dtype);
      }
    }
  };
  for (const Function& f : functions()) poisons(f.name, f.op);
  poisons("relu", [](const Tensor& x) { return relu(x); });
  poisons("clamp", [](const Tensor& x) { return clamp(x, -1, 1); });
  poisons("gelu", [](const Tensor& x) { return gelu(x); });
  poisons("gelu tanh", [](const Tensor& x) { return gelu(x, Gelu::tanh); });
  poisons("silu", [](const Tensor& x) { return silu(x); });
  poisons("abs", [](const Tensor& x) { return abs(x); });
  poisons("pow", [](const Tensor& x) { return pow(x, 2); });
  poisons("neg", [](const Tensor& x) { return -x; });
  poisons("mul", [](const Tensor& x) { return x * 0.0; });
  for (const bool left : {false, true}) {
    poisons("maximum", [left](const Tensor& x) {
      const Tensor one = ones({}, x.dtype());
      return left ? maximum(x, one) : maximum(one, x);
    });
    poisons("minimum", [left](const Tensor& x) {
      const Tensor one = ones({}, x.dtype());
      return left ? minimum(x, one) : minimum(one, x);
    });
  }
}

// The vector loops pad the tail of an array: an element's value must not depend on its place.
TEST(Elementwise, AValueDoesNotDependOnItsPlace) {
  Rng rng(2);
  const Tensor x = abs(rng.normal({100})) + 0.1;
  for (const Function& f : functions()) {
    const Tensor whole = f.op(x);
    for (const int64_t begin : {0, 1, 15, 90}) {
      EXPECT_TRUE(same_bits(f.op(slice(x, 0, begin, 100)), slice(whole, 0, begin, 100))) << f.name;
    }
    EXPECT_TRUE(same_bits(f.op(slice(x, 0, 0, 100, 3)), slice(whole, 0, 0, 100, 3))) << f.name;
  }
}

TEST(Elementwise, AnyLayoutGivesTheSame) {
  Rng rng(3);
  const Tensor x = rng.normal({3, 1, 5, 7}), y = rng.normal({4, 1, 7});
  const Tensor wanted = x * y + x;
  EXPECT_EQ(wanted.shape(), (Shape{3, 4, 5, 7}));
  const Tensor sx = tests::strided(x), sy = tests::strided(y);
  EXPECT_FALSE(sx.is_contiguous());
  EXPECT_TRUE(same_bits(sx * sy + sx, wanted));
  const Tensor turned = permute(permute(x, {3, 1, 0, 2}).contiguous(), {2, 1, 3, 0});
  EXPECT_TRUE(same_bits(turned * y + turned, wanted));
  EXPECT_TRUE(same_bits(expand(x, {3, 4, 5, 7}) * expand(y, {3, 4, 5, 7}) + x, wanted));
}

TEST(Elementwise, LargeTensorsInSeveralThreads) {
  Rng rng(4);
  const Tensor x = rng.normal({300, 1001}), row = rng.normal({1001});
  Tensor one, four;
  {
    const tests::WithThreads scope(1);
    one = gelu(x * row) + transpose(transpose(x).contiguous());
  }
  {
    const tests::WithThreads scope(4);
    four = gelu(x * row) + transpose(transpose(x).contiguous());
  }
  EXPECT_TRUE(same_bits(one, four));
  EXPECT_TRUE(close(select(one, 0, 299), gelu(select(x, 0, 299) * row) + select(x, 0, 299), 1e-7));
}

TEST(Elementwise, ArithmeticOfWholeNumbers) {
  const Tensor a = tensor({7, -3}, Dtype::i64), b = tensor({2, 5}, Dtype::i64);
  EXPECT_EQ((a + b).str(), "i64[2] {9, 2}");
  EXPECT_EQ((a - b).str(), "i64[2] {5, -8}");
  EXPECT_EQ((a * b).str(), "i64[2] {14, -15}");
  EXPECT_EQ((-a).str(), "i64[2] {-7, 3}");
  EXPECT_EQ((a * 3.0 + 1.0).str(), "i64[2] {22, -8}");
  EXPECT_EQ((1.0 - a).str(), "i64[2] {-6, 4}");
  EXPECT_EQ(maximum(a, b).str(), "i64[2] {7, 5}");
  EXPECT_EQ(minimum(a, b).str(), "i64[2] {2, -3}");
  EXPECT_EQ(abs(a).str(), "i64[2] {7, 3}");
  constexpr int64_t large = (int64_t{1} << 62) + 1;  // no double holds it
  EXPECT_EQ((from_values<int64_t>({large}) + tensor({1}, Dtype::i64)).values<int64_t>()[0],
            large + 1);
}

TEST(Elementwise, WholeNumbersAreNotDivided) {
  const Tensor a = arange(2);
  EXPECT_EQ(error_of([&] { a / a; }), "div: wanted an argument of f32 or f64; got i64[2]");
  EXPECT_EQ(error_of([&] { exp(a); }), "exp: wanted an argument of f32 or f64; got i64[2]");
}

TEST(Elementwise, WholeNumbersAreNotCutInSilence) {
  EXPECT_EQ(error_of([] { arange(2) + 0.5; }),
            "add: wanted a whole number beside i64[2]; got 0.5 (convert the tensor with to())");
  EXPECT_EQ(error_of([] { arange(2) * infinity; }),
            "mul: wanted a whole number beside i64[2]; got inf (convert the tensor with to())");
}

TEST(Elementwise, DtypesAreNotMixed) {
  EXPECT_EQ(error_of([] { zeros({2}) + zeros({2}, Dtype::f64); }),
            "add: wanted arguments of one dtype; got f32[2] and f64[2] (convert one with to())");
  EXPECT_EQ(error_of([] { zeros({2}, Dtype::b8) + zeros({2}, Dtype::b8); }),
            "add: wanted the argument of f32, f64 or i64; got b8[2]");
  EXPECT_EQ(error_of([] { neg(Tensor()); }),
            "neg: wanted a tensor as the argument; got an undefined one");
  EXPECT_EQ(error_of([] { add(zeros({2}), Tensor()); }),
            "add: wanted a tensor as the second argument; got an undefined one");
}

TEST(Elementwise, SelectionByMask) {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  const Tensor odd = tensor({1, 0, 1}, Dtype::b8);
  EXPECT_EQ(where(odd, x, -x).str(), "f32[2, 3] {{1, -2, 3}, {4, -5, 6}}");
  EXPECT_EQ(where(odd, tensor(1), tensor(0)).str(), "f32[3] {1, 0, 1}");
  EXPECT_EQ(masked_fill(x, odd, -infinity).str(), "f32[2, 3] {{-inf, 2, -inf}, {-inf, 5, -inf}}");
  EXPECT_EQ(masked_fill(arange(3), odd, 9).str(), "i64[3] {9, 1, 9}");
  EXPECT_EQ(error_of([&] { where(x, x, x); }), "where: wanted condition of b8; got f32[2, 3]");
  EXPECT_EQ(error_of([&] {
              masked_fill(x, zeros({2, 2, 3}, Dtype::b8), 0);
            }),
            "masked_fill: wanted a mask that broadcasts to x [2, 3]; got [2, 2, 3]");
}

// 0 * inf is NaN: what is masked out must not come back through the gradient.
TEST(Elementwise, AMaskedOutInfinityLeavesTheGradientAlone) {
  Tensor x = tensor({0, 4}, Dtype::f64).set_requires_grad();
  const Tensor y = masked_fill(1.0 / x, equal(x, zeros({}, Dtype::f64)), 0);
  EXPECT_EQ(y.str(), "f64[2] {0, 0.25}");
  Tensor z = tensor({1, 2}, Dtype::f64).set_requires_grad();
  const Tensor never = tensor({infinity, 1}, Dtype::f64);
  const Tensor picked = where(less(never, tensor(10, Dtype::f64)), z * 3.0, never);
  EXPECT_EQ(grad({picked}, {z}, {.cotangents = {never}})[0].str(), "f64[2] {0, 3}");
}

TEST(Elementwise, ClampHoldsAndLetsTheGradientPassInside) {
  Tensor x = tensor({-2, -1, 0, 1, 2}).set_requires_grad();
  const Tensor y = clamp(x, -1, 1);
  EXPECT_EQ(y.str(), "f32[5] {-1, -1, 0, 1, 1}");
  sum(y).backward();
  EXPECT_EQ(x.grad().str(), "f32[5] {0, 1, 1, 1, 0}");
  EXPECT_EQ(error_of([&] { clamp(x, 1, -1); }), "clamp: wanted low <= high; got 1 and -1");
}

TEST(Elementwise, Comparisons) {
  const Tensor a = tensor({1, 2, 3}), b = tensor({2, 2, not_a_number});
  EXPECT_EQ(equal(a, b).str(), "b8[3] {false, true, false}");
  EXPECT_EQ(not_equal(a, b).str(), "b8[3] {true, false, true}");
  EXPECT_EQ(less(a, b).str(), "b8[3] {true, false, false}");
  EXPECT_EQ(less_equal(a, b).str(), "b8[3] {true, true, false}");
  EXPECT_EQ(greater(a, b).str(), "b8[3] {false, false, false}");
  EXPECT_EQ(greater_equal(a, b).str(), "b8[3] {false, true, false}");
  EXPECT_EQ(equal(unsqueeze(arange(2), 1), arange(2)).str(),
            "b8[2, 2] {{true, false}, {false, true}}");
  const Tensor t = tensor({1, 1, 0, 0}, Dtype::b8), u = tensor({1, 0, 1, 0}, Dtype::b8);
  EXPECT_EQ(logical_and(t, u).str(), "b8[4] {true, false, false, false}");
  EXPECT_EQ(logical_or(t, u).str(), "b8[4] {true, true, true, false}");
  EXPECT_EQ(logical_not(t).str(), "b8[4] {false, false, true, true}");
  EXPECT_EQ(isfinite(tensor({1, infinity, not_a_number})).str(), "b8[3] {true, false, false}");
  EXPECT_EQ(error_of([&] { logical_and(a, a); }),
            "logical_and: wanted the first argument of b8; got f32[3]");
}

}  // namespace
}  // namespace rapt
