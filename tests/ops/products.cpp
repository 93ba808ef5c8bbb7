#include "inputs.h"

namespace rapt::tests {
namespace {

void add_matmul(Ops& ops) {
  OpRecord& record = ops("matmul(Tensor, Tensor)");
  const auto product = [](In x) { return matmul(x[0], x[1]); };
  const auto add = [&](const char* what, const Shape& a, const Shape& b) {
    record.sample(what, product, {normal(a), normal(b, 2)});
  };
  add("matrices", {2, 3}, {3, 2});
  add("row by matrix", {3}, {3, 2});
  add("matrix by column", {2, 3}, {3});
  add("vectors", {3}, {3});
  add("batch", {2, 2, 3}, {2, 3, 2});
  add("batch stretched", {2, 1, 2, 3}, {3, 3, 1});
  add("batch by matrix", {2, 2, 3}, {3, 2});
  add("matrix by batch", {2, 3}, {2, 3, 2});
  add("batch by column", {2, 2, 3}, {3});
  add("row by batch", {3}, {2, 3, 2});
  add("lengths of 1", {1, 1}, {1, 1});
  add("no rows", {0, 2}, {2, 3});
  add("nothing to sum", {2, 0}, {0, 3});
  add("empty batch", {0, 2, 2}, {2, 3});
  record.sample("with its own transpose", [](In x) { return matmul(x[0], transpose(x[0])); },
                {normal({2, 3})});
  // The gradient of the product on the right arrives first, and the other adds to it.
  record.sample("of one matrix by itself", [](In x) { return matmul(x[0], x[0]) * x[0]; },
                {normal({3, 3})});
  for (const char* how :
       {"matrices", "vector left", "vector right", "vectors", "batch", "batch broadcast",
        "batch by matrix", "matrix by batch", "batch by vector", "vector by batch", "rows of one",
        "i64", "i64, batch broadcast"}) {
    record.replay(text("matmul/", how), product);
  }
  record.draw([](Draw& d) -> Tensors {
    const bool whole = d.chance(4);
    const auto numbers = [&](const Shape& of) {
      return whole ? d.integers(of, -9, 9) : d.floats(of);
    };
    const Tensor a = numbers(d.shape(1));
    Shape shape = a.rank() == 1 ? d.shape(1, 2) : d.beside(a.shape());
    const int64_t k = a.size(-1);
    if (shape.rank() == 1 || d.chance(8)) {
      shape = {k};
    } else if (shape.rank() >= 2) {
      shape[shape.rank() - 2] = k;
      shape.back() = d.in(0, 9);
    }
    return {matmul(a, numbers(shape))};
  });
}

void add_outer(Ops& ops) {
  const auto product = [](In x) { return outer(x[0], x[1]); };
  ops("outer(Tensor, Tensor)")
      .sample("", product, {normal({2}), normal({3}, 2)})
      .sample("of length 1", product, {normal({1}), normal({1}, 2)})
      .sample("empty", product, {normal({0}), normal({3})})
      .replay("outer", product)
      .draw([](Draw& d) -> Tensors {
        const Tensor a = d.numbers(d.shape(1, 1));
        return {outer(a, d.numbers(d.shape(1, 1)).to(a.dtype()))};
      });
}

/// A weight [out, in] and a bias [out] for an x [..., in]; the bias may be undefined.
Pair weight_for(Draw& d, const Tensor& x) {
  const int64_t out = d.in(0, 9);
  Tensor weight = d.floats(d.chance(24) ? d.shape() : Shape{out, x.size(-1)});
  return {std::move(weight), d.chance(2) ? d.floats({out}) : Tensor()};
}

void add_linear(Ops& ops) {
  const auto affine = [](In x) { return linear(x[0], x[1], x[2]); };
  const auto without_bias = [](In x) { return linear(x[0], x[1]); };
  ops("linear(Tensor, Tensor, Tensor)")
      .sample("", affine, {normal({2, 2, 3}), normal({2, 3}, 2), normal({2}, 3)})
      .may_lack({2})
      .sample("vector", affine, {normal({3}), normal({2, 3}, 2), normal({2}, 3)})
      .sample("no bias", without_bias, {normal({2, 3}), normal({2, 3}, 2)})
      .sample("no rows", affine, {normal({0, 3}), normal({2, 3}, 2), normal({2}, 3)})
      .sample("of one matrix by itself", [](In x) { return linear(x[0], x[0]) * x[0]; },
              {normal({3, 3})})
      .replay("linear", affine)
      .replay("linear/no bias", without_bias)
      .draw([](Draw& d) -> Tensors {
        const Tensor x = d.floats(d.shape(1));
        const Pair p = weight_for(d, x);
        return {linear(x, p.a, p.b)};
      });
  const auto each = [](In x) { return linear_each(x[0], {x[1], x[2]}, {x[3], x[4]}); };
  const auto twice = [](In x) { return linear_each(x[0], {x[1], x[1]}); };
  ops("linear_each(Tensor, TensorList, TensorList)")
      .sample(
          "", each,
          {normal({2, 2, 3}), normal({2, 3}, 2), normal({2, 3}, 3), normal({2}, 4), normal({2}, 5)})
      .may_lack({3, 4})
      .sample("no biases, one weight twice", twice, {normal({2, 3}), normal({2, 3}, 2)})
      .draw([](Draw& d) -> Tensors {
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
  OpRecord& of_gelu = ops("gelu_linear(Tensor, Tensor, Tensor, Gelu)").may_lack({2});
  for (const Gelu form : {Gelu::erf, Gelu::tanh}) {
    of_gelu.sample(form == Gelu::erf ? "erf" : "tanh",
                   [form](In x) { return gelu_linear(x[0], x[1], x[2], form); },
                   {normal({2, 2, 3}), normal({2, 3}, 2), normal({2}, 3)});
  }
  of_gelu.draw([](Draw& d) -> Tensors {
    const Tensor x = d.floats(d.shape(1));
    const Pair p = weight_for(d, x);
    return {gelu_linear(x, p.a, p.b, d.chance(2) ? Gelu::erf : Gelu::tanh)};
  });
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

void add_einsum(Ops& ops) {
  OpRecord& record = ops("einsum(std::string_view, TensorList)");
  const auto by = [](const char* equation) {
    return [equation](In x) { return einsum(equation, x); };
  };
  record
      .sample("bqhd,bkhd->bhqk", by("bqhd,bkhd->bhqk"),
              {normal({1, 2, 2, 2}), normal({1, 2, 2, 2}, 2)})
      .sample("ii->i", by("ii->i"), {normal({3, 3})})
      .sample("...ij,jk->...ki", by("...ij,jk->...ki"), {normal({2, 1, 3}), normal({3, 2}, 2)})
      .sample("ij,jk,kl->il", by("ij,jk,kl->il"),
              {normal({2, 2}), normal({2, 3}, 2), normal({3, 1}, 3)})
      .sample("ij,jk", by("ij,jk"), {normal({2, 0}), normal({0, 2}, 2)});
  for (const char* equation : {"ii",
                               "ii->i",
                               "ij->ji",
                               "ij->",
                               "ij->j",
                               "ba",
                               "i,i",
                               "i,j",
                               "i,j->ij",
                               "ij,j",
                               "ij,jk",
                               "ij,jk->ki",
                               "ij,ij->",
                               "ij,ij->ij",
                               "bij,bjk->bik",
                               "...ij,...jk->...ik",
                               "...ii->...i",
                               "b...,b...->",
                               "i...->...",
                               "bn,anm,bm->ba",
                               "ijk,jil->kl",
                               "ab,bc,cd,de->ae",
                               "bqhd,bkhd->bhqk",
                               "bhqk,bkhd->bqhd",
                               "ij,jk,k"}) {
    record.replay(text("einsum/", equation), by(equation));
  }
  record.draw(drawn_einsum);
}

}  // namespace

void add_products(Ops& ops) {
  add_matmul(ops);
  add_outer(ops);
  add_linear(ops);
  add_einsum(ops);
}

}  // namespace rapt::tests
