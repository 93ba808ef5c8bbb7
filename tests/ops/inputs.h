#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "../support/inputs.h"
#include "record.h"

/// What the records make their inputs of.
namespace rapt::tests {

inline constexpr Dtype f64 = Dtype::f64;

// ---- of samples. `seed` makes two inputs of one sample different -------------------------------

using MakeInput = Tensor (*)(const Shape&, uint64_t);

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

/// An index for gather and its kind: no longer than x off the axis.
inline Tensor drawn_index(Draw& d, const Tensor& x, int64_t at) {
  Shape shape = x.shape();
  for (int64_t axis = 0; axis < shape.rank(); ++axis) {
    if (axis != at && d.chance(3)) shape[axis] = d.in(0, shape[axis]);
  }
  shape[at] = x.size(at) == 0 ? 0 : d.in(0, 6);
  return d.indices(shape, x.size(at));
}

/// Indices for the first axes of x, of shapes that broadcast.
inline Tensors drawn_indices(Draw& d, const Tensor& x) {
  const Shape shape = d.shape(0, 2);
  Tensors out;
  for (int64_t axis = 0, count = d.in(1, x.rank()); axis < count; ++axis) {
    const Shape one = axis == 0 ? shape : d.beside(shape);
    out.push_back(d.indices(x.size(axis) == 0 ? Shape{0} : one, x.size(axis)));
  }
  return out;
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

// ---- functions of one tensor, and of two ------------------------------------------------------

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(TensorOrNumber, TensorOrNumber);

/// name(x), which means what `definition` does.
inline OpRecord& unary(Ops& ops, const std::string& name, Unary f, MakeInput make,
                       const TensorFunction& definition = {}) {
  OpRecord& record = ops(name + "(Tensor)").means(definition);
  sample_unary(
      record, [f](In x) { return f(x[0]); }, make);
  return record.draw([f](Draw& d) -> Tensors { return {f(d.floats(d.shape()))}; });
}

/// As PyTorch's function of that name.
inline OpRecord& as_pytorch(Ops& ops, const std::string& name, Unary f, MakeInput make) {
  return unary(ops, name, f, make).replay(name, [f](In x) { return f(x[0]); });
}

struct Arithmetic {
  std::string name;
  Binary f;
  MakeInput left, right;
  DrawPair pair;
  std::vector<std::string> replays;  // NAME/... of two tensors
};

/// name(a, b), of tensors and of a number on either side.
inline OpRecord& binary(Ops& ops, const Arithmetic& a) {
  OpRecord& record = ops(a.name + "(TensorOrNumber, TensorOrNumber)");
  const auto call = [f = a.f](In x) { return f(x[0], x[1]); };
  sample_binary(record, call, a.left, a.right);
  sample_unary(
      record, [f = a.f](In x) { return f(x[0], 2.35); }, a.left, "a number on the right");
  sample_unary(
      record, [f = a.f](In x) { return f(0.15, x[0]); }, a.right, "a number on the left");
  for (const std::string& how : a.replays) record.replay(text(a.name, "/", how), call);
  return record.draw(drawn_pair(a.f, a.pair));
}

}  // namespace rapt::tests
