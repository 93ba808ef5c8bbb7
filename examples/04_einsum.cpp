// einsum: products of tensors written by the names of their axes.
//
//   $ 04_einsum
//   matrix product   f32[2, 2] {{58, 64}, {139, 154}}
//   trace            f32[] 212
//   outer product    f32[2, 3] {{10, 20, 30}, {20, 40, 60}}
//   scores           [2, 4, 3, 5]
//   output           [2, 3, 4, 8]
//   three operands   [16, 16]
//   its gradient     [16, 300]
//   einsum: ...

#include <cstdio>

#include "rapt/autograd/autograd.h"

using namespace rapt;

int main() {
  const auto show = [](const char* name, const std::string& what) {
    std::printf("%-16s %s\n", name, what.c_str());
  };
  // A label that the output lacks is summed over.
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}}), b = tensor({{7, 8}, {9, 10}, {11, 12}});
  const Tensor product = einsum("ik,kj->ij", {a, b});
  show("matrix product", product.str());
  show("trace", einsum("ii->", {product}).str());  // a label twice in one operand: the diagonal
  show("outer product", einsum("i,j->ij", {tensor({1, 2}), tensor({10, 20, 30})}).str());

  // Attention reads like the formula: batch, query, key, head, width.
  Rng rng(1);
  const Tensor q = rng.normal({2, 3, 4, 8}), k = rng.normal({2, 5, 4, 8}), v = k;
  const Tensor scores = einsum("bqhd,bkhd->bhqk", {q, k});
  show("scores", scores.shape().str());
  show("output", einsum("bhqk,bkhd->bqhd", {softmax(scores), v}).shape().str());

  // Several operands are contracted in pairs, the cheapest pair first; the gradient is an einsum.
  Tensor m = rng.normal({16, 300}).set_requires_grad();
  const Tensor quadratic = einsum("ia,ab,jb->ij", {m, eye(300), m});
  show("three operands", quadratic.shape().str());
  show("its gradient", grad({sum(quadratic)}, {m})[0].shape().str());

  try {
    einsum("ik,kj->ij", {a, a});
  } catch (const Error& e) {  // the label, and its two lengths
    std::puts(e.what());
  }
}
