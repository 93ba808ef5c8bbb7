#include "calls.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace rapt::fuzz {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(TensorOrNumber, TensorOrNumber);

struct Pair {
  Tensor a, b;
};

/// Two arguments that broadcast; of any kind that both can be.
Pair floats_pair(Draw& d) {
  const Shape shape = d.shape();
  Tensor a = d.floats(shape);
  return {std::move(a), d.floats(d.beside(shape))};
}

Pair any_pair(Draw& d) {
  if (!d.chance(4)) return floats_pair(d);
  const Shape shape = d.shape();
  Tensor a = d.integers(shape, -3, 3);
  return {std::move(a), d.integers(d.beside(shape), -3, 3)};
}

/// Two of the same shape, mostly.
Pair same_pair(Draw& d) {
  const Shape shape = d.shape();
  Tensor a = d.floats(shape);
  return {std::move(a), d.floats(d.chance(24) ? d.shape() : shape)};
}

class Table {
 public:
  void add(std::string function, std::function<Tensors(Draw&)> run) {
    calls.push_back({std::move(function), std::move(run)});
  }
  void unary(const char* name, Unary f) {
    add(text(name, "(Tensor)"), [f](Draw& d) -> Tensors { return {f(d.floats(d.shape()))}; });
  }
  /// Of two tensors, or of a tensor and a number.
  void binary(const char* name, Binary f, Pair (*pair)(Draw&)) {
    add(text(name, "(TensorOrNumber, TensorOrNumber)"), [f, pair](Draw& d) -> Tensors {
      const int64_t kind = d.in(0, 3);
      const Pair p = pair(d);
      return {kind == 0 ? f(d.number(), p.b) : kind == 1 ? f(p.a, d.number()) : f(p.a, p.b)};
    });
  }
  template <class F>
  void operator_(const char* name, F f, Pair (*pair)(Draw&)) {
    add(text("operator", name, "(A, B)"), [f, pair](Draw& d) -> Tensors {
      const int64_t kind = d.in(0, 3);
      const Pair p = pair(d);
      return {kind == 0 ? f(d.number(), p.b) : kind == 1 ? f(p.a, d.number()) : f(p.a, p.b)};
    });
  }
  /// Over all, and over axes.
  template <class All, class Over>
  void reduction(const char* name, All all, Over over) {
    add(text(name, "(Tensor)"), [all](Draw& d) -> Tensors { return {all(d.numbers(d.shape()))}; });
    add(text(name, "(Tensor, Axes, ReduceOptions)"), [over](Draw& d) -> Tensors {
      const Tensor x = d.numbers(d.shape());
      const Axes axes = d.axes(x.rank());
      return {over(x, axes, ReduceOptions{.keepdim = d.chance(2)})};
    });
  }
  std::vector<Call> calls;
};

void add_elementwise(Table& t) {
  t.binary("add", add, any_pair);
  t.binary("sub", sub, any_pair);
  t.binary("mul", mul, any_pair);
  t.binary("div", div, floats_pair);
  t.binary("maximum", maximum, floats_pair);
  t.binary("minimum", minimum, floats_pair);
  t.unary("neg", neg);
  t.operator_(
      "+", [](const auto& a, const auto& b) { return a + b; }, any_pair);
  t.operator_(
      "-", [](const auto& a, const auto& b) { return a - b; }, any_pair);
  t.operator_(
      "*", [](const auto& a, const auto& b) { return a * b; }, any_pair);
  t.operator_(
      "/", [](const auto& a, const auto& b) { return a / b; }, floats_pair);
  t.unary("operator-", operator-);
  t.add("pow(Tensor, double)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const double exponent = d.number();
    // Near the largest number, the order of a sum decides whether it overflows.
    if (exponent == 1000) d.set_wild();
    return {pow(x, exponent)};
  });
  t.add("clamp(Tensor, double, double)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const double a = d.number(), b = d.number();
    return {clamp(x, std::min(a, b), std::max(a, b))};
  });
  t.add("where(Tensor, TensorOrNumber, TensorOrNumber)", [](Draw& d) -> Tensors {
    const Pair p = floats_pair(d);
    return {where(d.booleans(d.beside(p.a.shape())), p.a, p.b)};
  });
  t.add("masked_fill(Tensor, Tensor, double)", [](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape());
    const Tensor mask = d.booleans(d.chance(4) ? d.beside(x.shape()) : x.shape());
    return {masked_fill(x, mask, d.number())};
  });
  for (const auto& [name, f] :
       std::initializer_list<std::pair<const char*, Unary>>{{"exp", exp},
                                                            {"log", log},
                                                            {"sqrt", sqrt},
                                                            {"rsqrt", rsqrt},
                                                            {"abs", abs},
                                                            {"sin", sin},
                                                            {"cos", cos},
                                                            {"erf", erf},
                                                            {"tanh", tanh},
                                                            {"sigmoid", sigmoid},
                                                            {"relu", relu},
                                                            {"silu", silu}}) {
    t.unary(name, f);
  }
  t.add("gelu(Tensor, Gelu)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    return {gelu(x, d.chance(2) ? Gelu::erf : Gelu::tanh)};
  });
}

void add_comparisons(Table& t) {
  for (const auto& [name, f] :
       std::initializer_list<std::pair<const char*, Binary>>{{"equal", equal},
                                                             {"not_equal", not_equal},
                                                             {"less", less},
                                                             {"less_equal", less_equal},
                                                             {"greater", greater},
                                                             {"greater_equal", greater_equal}}) {
    t.binary(name, f, any_pair);
  }
  t.operator_(
      "==", [](const auto& a, const auto& b) { return a == b; }, any_pair);
  t.operator_(
      "!=", [](const auto& a, const auto& b) { return a != b; }, any_pair);
  t.operator_(
      "<", [](const auto& a, const auto& b) { return a < b; }, any_pair);
  t.operator_(
      "<=", [](const auto& a, const auto& b) { return a <= b; }, any_pair);
  t.operator_(
      ">", [](const auto& a, const auto& b) { return a > b; }, any_pair);
  t.operator_(
      ">=", [](const auto& a, const auto& b) { return a >= b; }, any_pair);
  const auto booleans_pair = [](Draw& d) -> Pair {
    const Shape shape = d.shape();
    Tensor a = d.booleans(shape);
    return {std::move(a), d.booleans(d.beside(shape))};
  };
  t.add("logical_and(Tensor, Tensor)", [=](Draw& d) -> Tensors {
    const Pair p = booleans_pair(d);
    return {logical_and(p.a, p.b)};
  });
  t.add("logical_or(Tensor, Tensor)", [=](Draw& d) -> Tensors {
    const Pair p = booleans_pair(d);
    return {logical_or(p.a, p.b)};
  });
  t.add("logical_not(Tensor)",
        [](Draw& d) -> Tensors { return {logical_not(d.booleans(d.shape()))}; });
  t.unary("is_finite", is_finite);
}

void add_reductions(Table& t) {
  t.reduction(
      "sum", [](const Tensor& x) { return sum(x); },
      [](const Tensor& x, const Axes& a, ReduceOptions o) { return sum(x, a, o); });
  t.reduction(
      "mean", [](const Tensor& x) { return mean(x); },
      [](const Tensor& x, const Axes& a, ReduceOptions o) { return mean(x, a, o); });
  t.reduction(
      "max", [](const Tensor& x) { return max(x); },
      [](const Tensor& x, const Axes& a, ReduceOptions o) { return max(x, a, o); });
  t.reduction(
      "min", [](const Tensor& x) { return min(x); },
      [](const Tensor& x, const Axes& a, ReduceOptions o) { return min(x, a, o); });
  t.reduction(
      "logsumexp", [](const Tensor& x) { return logsumexp(x); },
      [](const Tensor& x, const Axes& a, ReduceOptions o) { return logsumexp(x, a, o); });
  t.add("var(Tensor)", [](Draw& d) -> Tensors { return {var(d.floats(d.shape()))}; });
  t.add("var(Tensor, Axes, VarOptions)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    const Axes axes = d.axes(x.rank());
    const double correction = static_cast<double>(d.in(0, 2));
    return {var(x, axes, {.correction = correction, .keepdim = d.chance(2)})};
  });
  t.add("argmax(Tensor, Int, ReduceOptions)", [](Draw& d) -> Tensors {
    const Tensor x = d.numbers(d.shape(1));
    const int64_t axis = d.axis(x.rank());
    return {argmax(x, axis, {.keepdim = d.chance(2)})};
  });
  t.add("max_with_indices(Tensor, Int, ReduceOptions)", [](Draw& d) -> Tensors {
    const Tensor x = d.numbers(d.shape(1));
    const int64_t axis = d.axis(x.rank());
    const ValuesAndIndices found = max_with_indices(x, axis, {.keepdim = d.chance(2)});
    return {found.values, found.indices};
  });
}

/// A shape of as many elements, mostly.
Shape regrouped(Draw& d, const Shape& shape) {
  Shape out = shape;
  for (int64_t i = d.in(0, 3); i > 0; --i) {
    if (out.rank() > 1 && d.chance(2)) {
      const int64_t at = d.in(0, out.rank() - 2);
      out[at] *= out[at + 1];
      out.erase(at + 1);
    } else if (out.rank() < 6) {
      const int64_t at = d.in(0, out.rank());
      const bool halves = at < out.rank() && out[at] % 2 == 0;
      if (halves) out[at] /= 2;
      out.insert(at, halves ? 2 : 1);
    }
  }
  if (out.rank() > 0 && d.chance(3)) out[d.in(0, out.rank() - 1)] = -1;
  if (d.chance(32)) out.push_back(d.in(-2, 3));
  return out;
}

void add_shapes(Table& t) {
  const auto with_axis = [&t](std::string function, int64_t least_rank, auto f) {
    t.add(std::move(function), [f, least_rank](Draw& d) -> Tensors {
      const Tensor x = d.anything(d.shape(least_rank));
      return {f(d, x, d.axis(x.rank()))};
    });
  };
  t.add("reshape(Tensor, Shape)", [](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape());
    return {reshape(x, regrouped(d, x.shape()))};
  });
  t.add("permute(Tensor, Axes)", [](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape());
    Axes order;
    for (int64_t axis = 0; axis < x.rank(); ++axis) {
      order.insert(d.in(0, axis), d.chance(32) ? d.in(-9, 9) : axis);
    }
    return {permute(x, order)};
  });
  with_axis("transpose(Tensor, Int, Int)", 1,
            [](Draw& d, const Tensor& x, int64_t a) { return transpose(x, a, d.axis(x.rank())); });
  t.add("expand(Tensor, Shape)", [](Draw& d) -> Tensors {
    const Shape to = d.shape();
    Shape from = to;
    for (int64_t axis = 0; axis < from.rank(); ++axis) {
      if (d.chance(2)) from[axis] = 1;
    }
    while (from.rank() > 0 && d.chance(4)) from.erase(0);
    const Tensor x = d.anything(from);
    Shape wanted = d.chance(24) ? d.shape() : to;
    if (wanted.rank() > 0 && d.chance(4)) wanted.back() = -1;
    return {expand(x, wanted)};
  });
  t.add("squeeze(Tensor, Int)", [](Draw& d) -> Tensors {
    Shape shape = d.shape(1);
    const int64_t at = d.in(0, shape.rank() - 1);
    if (!d.chance(16)) shape[at] = 1;
    return {squeeze(d.anything(shape), d.chance(2) ? at : at - shape.rank())};
  });
  with_axis("unsqueeze(Tensor, Int)", 0,
            [](Draw&, const Tensor& x, int64_t a) { return unsqueeze(x, a); });
  with_axis("slice(Tensor, Int, Int, Int, Int)", 1, [](Draw& d, const Tensor& x, int64_t a) {
    const int64_t begin = d.in(-8, 8), end = d.in(-8, 140);
    return slice(x, a, begin, end, d.chance(16) ? d.in(-1, 1000) : d.in(1, 4));
  });
  with_axis("select(Tensor, Int, Int)", 1,
            [](Draw& d, const Tensor& x, int64_t a) { return select(x, a, d.in(-2, 2)); });
  t.add("split(Tensor, std::vector<int64_t>, Int)", [](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape(1));
    const int64_t axis = d.in(0, x.rank() - 1);
    std::vector<int64_t> sizes;
    int64_t left = x.size(axis);
    while (left > 0 && sizes.size() < 5 && d.chance(2)) {
      sizes.push_back(d.in(0, left));
      left -= sizes.back();
    }
    if (sizes.empty() || !d.chance(24)) sizes.push_back(left);
    return split(x, sizes, axis);
  });
  t.add("diagonal(Tensor, Int, Int)", [](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape(2));
    const int64_t a = d.in(0, x.rank() - 1), b = (a + d.in(1, x.rank() - 1)) % x.rank();
    return {diagonal(x, d.chance(3) ? a - x.rank() : a, d.chance(32) ? d.in(-9, 9) : b)};
  });
  const auto parts = [](Draw& d, bool lengths_differ) {
    Shape shape = d.shape(1, 3);
    const int64_t axis = d.axis(shape.rank()), at = axis < 0 ? axis + shape.rank() : axis;
    Tensors out;
    for (int64_t i = d.in(1, 4); i > 0; --i) {
      if (lengths_differ && at >= 0 && at < shape.rank()) shape[at] = d.in(0, 5);
      out.push_back(d.floats(shape));
    }
    return std::pair(out, axis);
  };
  t.add("concat(TensorList, Int)", [parts](Draw& d) -> Tensors {
    const auto [all, axis] = parts(d, true);
    return {concat(all, axis)};
  });
  t.add("stack(TensorList, Int)", [parts](Draw& d) -> Tensors {
    const auto [all, axis] = parts(d, false);
    return {stack(all, axis)};
  });
  const auto triangle = [&t](const char* name, Tensor (*f)(const Tensor&, Int)) {
    t.add(text(name, "(Tensor, Int)"), [f](Draw& d) -> Tensors {
      const Tensor x = d.anything(d.shape(2));
      return {f(x, d.in(-6, 6))};
    });
  };
  triangle("tril", tril);
  triangle("triu", triu);
}

void add_indexing(Table& t) {
  t.add("index_select(Tensor, Int, Tensor)", [](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape(1));
    const int64_t at = d.in(0, x.rank() - 1);
    return {index_select(x, at, d.indices({x.size(at) == 0 ? 0 : d.in(0, 9)}, x.size(at)))};
  });
  t.add("index_add(Tensor, Int, Tensor, Tensor)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    const int64_t at = d.in(0, x.rank() - 1), count = x.size(at) == 0 ? 0 : d.in(0, 9);
    const Tensor index = d.indices({count}, x.size(at));
    Shape shape = x.shape();
    shape[at] = count;
    return {index_add(x, at, index, d.floats(d.chance(24) ? d.shape() : shape))};
  });
  // An index for gather and scatter_add: no longer than x off the axis.
  const auto index_for = [](Draw& d, const Tensor& x, int64_t at) {
    Shape shape = x.shape();
    for (int64_t axis = 0; axis < shape.rank(); ++axis) {
      if (axis != at && d.chance(3)) shape[axis] = d.in(0, shape[axis]);
    }
    shape[at] = x.size(at) == 0 ? 0 : d.in(0, 6);
    return d.indices(shape, x.size(at));
  };
  t.add("gather(Tensor, Int, Tensor)", [index_for](Draw& d) -> Tensors {
    const Tensor x = d.anything(d.shape(1));
    const int64_t at = d.in(0, x.rank() - 1);
    return {gather(x, at, index_for(d, x, at))};
  });
  t.add("scatter_add(Tensor, Int, Tensor, Tensor)", [index_for](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    const int64_t at = d.in(0, x.rank() - 1);
    const Tensor index = index_for(d, x, at);
    return {scatter_add(x, at, index, d.floats(d.chance(24) ? d.shape() : index.shape()))};
  });
  t.add("embedding(Tensor, Tensor)", [](Draw& d) -> Tensors {
    const Tensor weight = d.floats(d.shape(1, 3));
    const Shape ids = weight.size(0) == 0 ? Shape{0} : d.shape(0, 2);
    return {embedding(weight, d.indices(ids, weight.size(0)))};
  });
  t.add("one_hot(Tensor, Int, Dtype)", [](Draw& d) -> Tensors {
    const int64_t classes = d.in(1, 9);
    const Tensor ids = d.indices(d.shape(0, 3), classes);
    return {
        one_hot(ids, classes, d.one_of<Dtype>({Dtype::f32, Dtype::f64, Dtype::i64, Dtype::b8}))};
  });
}

/// A weight [out, in] and a bias [out] for an x [..., in]; the bias may be undefined.
Pair weight_for(Draw& d, const Tensor& x) {
  const int64_t out = d.in(0, 9);
  Tensor weight = d.floats(d.chance(24) ? d.shape() : Shape{out, x.size(-1)});
  return {std::move(weight), d.chance(2) ? d.floats({out}) : Tensor()};
}

/// An equation of few labels, each with its length, and operands that fit it.
Tensors drawn_einsum(Draw& d) {
  const std::string labels = "abcde";
  int64_t lengths[5];
  for (int64_t& length : lengths) length = d.in(0, 4) == 0 ? d.in(0, 9) : d.in(1, 5);
  std::string equation, seen;
  Tensors operands;
  for (int64_t i = d.in(1, 3); i > 0; --i) {
    Shape shape;
    if (!equation.empty()) equation += ',';
    for (int64_t j = d.in(0, 3); j > 0; --j) {
      const auto k = static_cast<size_t>(d.in(0, 4));
      equation += labels[k];
      seen += labels[k];
      shape.push_back(d.chance(16) ? 1 : lengths[k]);
    }
    operands.push_back(d.floats(shape));
  }
  if (d.chance(2)) {
    equation += "->";
    for (const char label : labels) {
      if (seen.find(label) != std::string::npos && d.chance(2)) equation += label;
    }
  }
  return {einsum(equation, operands)};
}

void add_products(Table& t) {
  t.add("matmul(Tensor, Tensor)", [](Draw& d) -> Tensors {
    const Tensor a = d.floats(d.shape(1));
    Shape shape = a.rank() == 1 ? d.shape(1, 2) : d.beside(a.shape());
    const int64_t k = a.size(-1);
    if (shape.rank() == 1 || d.chance(8)) {
      shape = {k};
    } else if (shape.rank() >= 2) {
      shape[shape.rank() - 2] = k;
      shape.back() = d.in(0, 9);
    }
    return {matmul(a, d.floats(shape))};
  });
  t.add("linear(Tensor, Tensor, Tensor)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    const Pair p = weight_for(d, x);
    return {linear(x, p.a, p.b)};
  });
  t.add("linear_each(Tensor, TensorList, TensorList)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    Tensors weights, biases;
    const bool with_biases = d.chance(2);
    for (int64_t i = d.in(1, 3); i > 0; --i) {
      const Pair p = weight_for(d, x);
      weights.push_back(p.a);
      if (with_biases) biases.push_back(p.b);
    }
    return linear_each(x, weights, biases);
  });
  t.add("gelu_linear(Tensor, Tensor, Tensor, Gelu)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    const Pair p = weight_for(d, x);
    return {gelu_linear(x, p.a, p.b, d.chance(2) ? Gelu::erf : Gelu::tanh)};
  });
  t.add("einsum(std::string_view, TensorList)", drawn_einsum);
}

void add_norms(Table& t) {
  const auto along = [&t](const char* name, Tensor (*f)(const Tensor&, Int)) {
    t.add(text(name, "(Tensor, Int)"), [f](Draw& d) -> Tensors {
      const Tensor x = d.floats(d.shape(1));
      return {f(x, d.axis(x.rank()))};
    });
  };
  along("softmax", softmax);
  along("log_softmax", log_softmax);
  const auto part = [](Draw& d, const Tensor& x) {
    if (d.chance(3)) return Tensor();
    return d.floats(d.chance(24) ? d.shape() : Shape{x.size(-1)});
  };
  // Less than that makes the rounding of constant rows as large as their gradient.
  const auto eps = [](Draw& d) { return d.chance(2) ? 0.01 : 0.1; };
  t.add("layer_norm(Tensor, Tensor, Tensor, double)", [part, eps](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1)), gain = part(d, x), bias = part(d, x);
    return {layer_norm(x, gain, bias, eps(d))};
  });
  t.add("rms_norm(Tensor, Tensor, double)", [part, eps](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1)), gain = part(d, x);
    return {rms_norm(x, gain, eps(d))};
  });
  t.add("dropout(Tensor, double, Rng)", [](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape());
    Rng rng(static_cast<uint64_t>(d.in(0, 255)));
    return {dropout(x, d.chance(16) ? d.number() : 0.1 * static_cast<double>(d.in(0, 9)), rng)};
  });
}

/// q, k and v of one attention, its leading axes broadcast.
struct Attending {
  explicit Attending(Draw& d) : rng(static_cast<uint64_t>(d.in(0, 255))) {
    const std::vector<int64_t> lengths = {1, 2, 3, 5, 8, 17, 0, 33, 129, 150};
    const int64_t queries = d.one_of(lengths), keys = d.one_of(lengths), width = d.in(0, 9);
    const Shape batch = d.shape(0, 1);
    const auto matrices = [&](int64_t rows, int64_t columns) {
      Shape shape;
      if (batch.rank() > 0 && !d.chance(4)) shape.push_back(std::min<int64_t>(batch[0], 5));
      shape.push_back(rows);
      shape.push_back(d.chance(32) ? 3 : columns);
      return d.floats(shape);
    };
    q = matrices(queries, width);
    k = matrices(keys, width);
    v = matrices(keys, d.in(0, 9));
    const Shape shape = d.chance(3) ? Shape{1, keys} : Shape{queries, keys};
    const auto align = [&] { return d.chance(2) ? Mask::Align::last : Mask::Align::first; };
    const auto length = [&] { return from_values<int64_t>({d.in(0, keys)}, {}); };
    if (d.chance(3)) options.mask = options.mask & d.booleans(shape);
    if (d.chance(3)) options.mask = options.mask & d.floats(shape);
    if (d.chance(3)) options.mask = options.mask & Mask::causal(align());
    if (d.chance(6)) options.mask = options.mask & Mask::window(d.in(0, 70), d.in(0, 9), align());
    if (d.chance(6)) options.mask = options.mask & Mask::lengths(length());
    if (d.chance(6)) options.mask = options.mask & Mask::prefix(length(), align());
    ScaledDotOptions dot;
    if (d.chance(4)) dot.scale = 0.5;
    if (d.chance(4)) dot.soft_cap = 3;
    options.score = Score::scaled_dot(dot);
    if (d.chance(8)) {
      options.score = options.score.then([](const Tensor& s, const AttentionBlock& b) {
        return s + (b.keys - b.rows).to(s.dtype()) * 0.1;
      });
    }
    if (d.chance(8)) {
      options.mask = options.mask &
                     Mask::of([](const AttentionBlock& b) { return not_equal(b.keys, b.rows); });
    }
    if (d.chance(4)) {
      options.dropout = 0.3;
      options.rng = &rng;
    }
  }
  Rng rng;
  Tensor q, k, v;
  AttentionOptions options;
};

void add_attention(Table& t) {
  t.add("scaled_dot_product_attention(Tensor, Tensor, Tensor, AttentionOptions)",
        [](Draw& d) -> Tensors {
          const Attending a(d);
          return {scaled_dot_product_attention(a.q, a.k, a.v, a.options)};
        });
  t.add("attention_weights(Tensor, Tensor, AttentionOptions)", [](Draw& d) -> Tensors {
    const Attending a(d);
    return {attention_weights(a.q, a.k, a.options)};
  });
  t.add("rotary(Tensor, RotaryOptions)", [](Draw& d) -> Tensors {
    Shape shape = d.shape(2);
    if (!d.chance(24)) shape.back() = shape.back() / 2 * 2;
    const Tensor x = d.floats(shape);
    return {rotary(x, {.offset = d.in(0, 300), .base = d.chance(2) ? 10000.0 : 100.0})};
  });
}

/// Logits, targets and options of a loss over classes.
struct Classified {
  explicit Classified(Draw& d) : logits(d.floats(d.shape(1, 3))) {
    const int64_t classes = logits.size(-1);
    const Shape rows(logits.shape().begin(), logits.shape().end() - 1);
    targets = d.indices(d.chance(24) ? d.shape() : rows, classes);
    if (d.chance(3)) options.ignore_index = 0;
    if (d.chance(3)) options.label_smoothing = 0.1;
    if (d.chance(3)) options.class_weights = abs(d.floats({classes})).detach();
  }
  Tensor logits, targets;
  ClassificationOptions options;
};

void add_losses(Table& t) {
  const std::string of_classes = "(Tensor, Tensor, ClassificationOptions)";
  t.add("cross_entropy" + of_classes, [](Draw& d) -> Tensors {
    const Classified c(d);
    return {cross_entropy(c.logits, c.targets, c.options).sum};
  });
  t.add("nll_loss" + of_classes, [](Draw& d) -> Tensors {
    Classified c(d);
    c.options.label_smoothing = 0;
    return {nll_loss(c.logits, c.targets, c.options).sum};
  });
  t.add("count_targets(Tensor, ClassificationOptions)", [](Draw& d) -> Tensors {
    const Classified c(d);
    return {full({}, count_targets(c.targets, c.options), Dtype::f64)};
  });
  t.add("Loss::mean()", [](Draw& d) -> Tensors {
    const Classified c(d);
    return {cross_entropy(c.logits, c.targets, c.options).mean()};
  });
  t.add("Loss::mean(double)", [](Draw& d) -> Tensors {
    const Classified c(d);
    return {cross_entropy(c.logits, c.targets, c.options).mean(static_cast<double>(d.in(1, 99)))};
  });
  t.add("mse_loss(Tensor, Tensor)", [](Draw& d) -> Tensors {
    const Pair p = same_pair(d);
    return {mse_loss(p.a, p.b).sum};
  });
  t.add("binary_cross_entropy_with_logits(Tensor, Tensor)", [](Draw& d) -> Tensors {
    const Pair p = same_pair(d);
    return {binary_cross_entropy_with_logits(p.a, sigmoid(p.b).detach()).sum};
  });
}

// ---- what has to hold --------------------------------------------------------------------------

std::vector<double> numbers_of(const Tensor& x) {
  const NoGrad no_grad;
  return x.to(Dtype::f64).values<double>();
}

/// Of the size of the largest finite number. What is not finite agrees in kind, or is not finite in
/// both.
void require_close(const std::string& what, const Tensor& a, const Tensor& b, double tolerance,
                   bool in_kind = true) {
  require(a.shape() == b.shape() && a.dtype() == b.dtype(), what, ": ", a.dtype(), a.shape(),
          " and ", b.dtype(), b.shape());
  const std::vector<double> x = numbers_of(a), y = numbers_of(b);
  double size = 1;
  for (const double v : y) size = std::max(size, std::isfinite(v) ? std::abs(v) : 0);
  for (size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i])) ||
                      (!in_kind && !std::isfinite(x[i]) && !std::isfinite(y[i]));
    require(same || std::abs(x[i] - y[i]) <= tolerance * size, what, " differ at ", i, " of ",
            a.shape(), ": ", x[i], " and ", y[i]);
  }
}

/// Results and gradients of one call.
struct Outcome {
  Tensors results, gradients;
  bool can_compare = false;  ///< no rounding decides whether a number is finite
  int64_t elements = 0;      ///< of arguments and results: sums are no longer

  /// What rounding may do to a sum of so many numbers near 1, which may cancel.
  double tolerance(Dtype dtype) const {
    return (dtype == Dtype::f32 ? 2e-4 : 1e-9) * (1 + static_cast<double>(elements) / 300);
  }
};

/// Some numbers for a shape; if it is odd, with some that are not finite among them.
Tensor cotangent(const Tensor& y, Draw::Numbers numbers) {
  const Tensor i = arange(y.numel(), y.dtype());
  Tensor g = cos(i);
  if (numbers != Draw::Numbers::tame && y.numel() % 2 == 1) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    const Tensor kind = sin(i * 7.0), top = full({}, 0.9, y.dtype());
    g = masked_fill(g, greater(kind, top), inf);
    g = masked_fill(g, less(kind, -top), std::numeric_limits<double>::quiet_NaN());
  }
  return reshape(g, y.shape());
}

/// The gradients for cotangents that depend on the shapes alone.
Tensors gradients_of(const Draw& d, const Tensors& results, bool create_graph) {
  Tensors outputs, cotangents;
  for (const Tensor& y : results) {
    if (!y.requires_grad()) continue;
    outputs.push_back(y);
    cotangents.push_back(cotangent(y, d.numbers_drawn()));
  }
  if (outputs.empty() || d.leaves().empty()) return {};
  return grad(outputs, d.leaves(),
              {.create_graph = create_graph,
               .retain_graph = true,
               .allow_unused = true,
               .cotangents = cotangents});
}

/// What the call gives, or nothing if rapt refused it.
std::optional<Outcome> outcome(const Call& call, const uint8_t* data, size_t size, bool dense) {
  Draw d(data, size, dense);
  Outcome out;
  try {
    out.results = call.run(d);
  } catch (const Error&) {
    return std::nullopt;
  }
  out.can_compare = d.numbers_drawn() != Draw::Numbers::wild;
  out.elements = d.floats_drawn();
  for (const Tensor& y : out.results) {
    out.elements += y.defined() ? y.numel() : 0;
    require(y.defined() && static_cast<int64_t>(numbers_of(y).size()) == y.numel(), call.function,
            " gives ", y.defined() ? y.str() : "nothing");
  }
  out.gradients = gradients_of(d, out.results, false);
  for (size_t i = 0; i < out.gradients.size(); ++i) {
    require(out.gradients[i].shape() == d.leaves()[i].shape(), call.function, ": the gradient of ",
            d.leaves()[i].shape(), " is ", out.gradients[i].shape());
    numbers_of(out.gradients[i]);
  }
  if (dense || !out.can_compare) return out;
  // Of a result without elements, one may add up no terms where the other multiplies 0 by inf.
  const bool empty = std::any_of(out.results.begin(), out.results.end(),
                                 [](const Tensor& y) { return y.numel() == 0; });
  if (empty && d.numbers_drawn() != Draw::Numbers::tame) return out;
  // Of inf in a gain or a cotangent, these gradients are sums of inf and -inf, which the two add up
  // in another order: one inf, one NaN.
  const bool in_kind =
      !call.function.starts_with("layer_norm") &&
      !(call.function.starts_with("scaled_dot") && out.results[0].numel() % 2 == 1);
  const Tensors graphed = gradients_of(d, out.results, true);
  for (size_t i = 0; i < graphed.size(); ++i) {
    require_close(call.function + ": gradients by the kernel and by create_graph", graphed[i],
                  out.gradients[i], out.tolerance(d.dtype()), in_kind);
  }
  return out;
}

}  // namespace

const std::vector<Call>& calls() {
  static const std::vector<Call> all = [] {
    Table t;
    add_elementwise(t);
    add_comparisons(t);
    add_reductions(t);
    add_shapes(t);
    add_indexing(t);
    add_products(t);
    add_norms(t);
    add_attention(t);
    add_losses(t);
    return t.calls;
  }();
  return all;
}

bool make(const Call& call, const uint8_t* data, size_t size) {
  const std::optional<Outcome> given = outcome(call, data, size, false);
  const std::optional<Outcome> dense = outcome(call, data, size, true);
  require(given.has_value() == dense.has_value(), call.function,
          ": refused for one layout and taken for another");
  if (!given || !given->can_compare) return given.has_value();
  for (size_t i = 0; i < given->results.size(); ++i) {
    require_close(call.function + ": results of any layout and of dense arguments",
                  given->results[i], dense->results[i],
                  given->tolerance(given->results[i].dtype()));
  }
  for (size_t i = 0; i < given->gradients.size(); ++i) {
    require_close(call.function + ": gradients of any layout and of dense arguments",
                  given->gradients[i], dense->gradients[i],
                  given->tolerance(given->gradients[i].dtype()));
  }
  return true;
}

}  // namespace rapt::fuzz
