#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "record.h"

/// What the records make their inputs of.
namespace rapt::tests {

inline constexpr Dtype f64 = Dtype::f64;

// ---- of samples. `seed` makes two inputs of one sample different -------------------------------

using MakeInput = Tensor (*)(const Shape&, uint64_t);

inline Tensor normal(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).normal(shape, 0, 1, f64);
}

inline Tensor positive(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).uniform(shape, 0.5, 2, f64);
}

// In random order, 0.3 apart from one another and at least 0.1 from 0: no ties, and no kink near.
// Spreads of two seeds keep 0.1 apart from each other.
inline Tensor spread(const Shape& shape, uint64_t seed = 1) {
  const int64_t n = shape.numel();
  const Tensor order = reshape(Rng(seed).permutation(n), shape).to(f64);
  const double low = -0.3 * static_cast<double>(n / 2);
  return order * 0.3 + (low + 0.1 * static_cast<double>(seed % 3));
}

inline Tensor ids(std::initializer_list<int64_t> values, const Shape& shape) {
  return from_values(std::vector<int64_t>(values), shape);
}

inline Tensor mask(const Shape& shape, uint64_t seed = 1) {
  return Rng(seed).bernoulli(0.6, shape);
}

// ---- of drawn calls ----------------------------------------------------------------------------

struct Pair {
  Tensor a, b;
};
using DrawPair = Pair (*)(Draw&);

/// Two arguments that broadcast.
inline Pair floats_pair(Draw& d) {
  const Shape shape = d.shape();
  Tensor a = d.floats(shape);
  return {std::move(a), d.floats(d.beside(shape))};
}

/// The same, i64 now and then.
inline Pair any_pair(Draw& d) {
  if (!d.chance(4)) return floats_pair(d);
  const Shape shape = d.shape();
  Tensor a = d.integers(shape, -3, 3);
  return {std::move(a), d.integers(d.beside(shape), -3, 3)};
}

/// Two of the same shape, mostly.
inline Pair same_pair(Draw& d) {
  const Shape shape = d.shape();
  Tensor a = d.floats(shape);
  return {std::move(a), d.floats(d.chance(24) ? d.shape() : shape)};
}

/// A call of two tensors, or of a tensor and a number on either side.
template <class F>
std::function<Tensors(Draw&)> drawn_pair(F f, DrawPair pair) {
  return [f, pair](Draw& d) -> Tensors {
    const int64_t kind = d.in(0, 3);
    const Pair p = pair(d);
    return {kind == 0 ? f(d.number(), p.b) : kind == 1 ? f(p.a, d.number()) : f(p.a, p.b)};
  };
}

// ---- samples that many functions share ---------------------------------------------------------

inline void sample_unary(OpRecord& record, const TensorFunction& f, MakeInput make,
                         const std::string& how = "") {
  const std::string with = how.empty() ? "" : how + ", ";
  record.sample(how, f, {make({2, 3}, 1)});
  record.sample(with + "scalar", f, {make({}, 2)});
  record.sample(with + "length 1", f, {make({1}, 1)});
  record.sample(with + "empty", f, {make({0, 2}, 1)});
}

inline void sample_binary(OpRecord& record, const TensorFunction& f, MakeInput left,
                          MakeInput right) {
  const auto add = [&](const char* what, const Shape& a, const Shape& b) {
    record.sample(what, f, {left(a, 1), right(b, 2)});
  };
  add("same shapes", {2, 3}, {2, 3});
  add("row", {2, 3}, {3});
  add("row on the left", {3}, {2, 3});
  add("both stretched", {2, 1}, {1, 3});
  add("scalar", {}, {2, 2});
  add("more axes", {2, 1, 2}, {3, 1});
  add("scalars", {}, {});
  add("empty", {0, 2}, {2});
  const auto twice = [f](In x) { return f({x[0], x[0]}); };
  if (left == right && left != spread) record.sample("with itself", twice, {left({3}, 1)});
}

}  // namespace rapt::tests
