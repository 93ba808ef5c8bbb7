// Reads from outside in which order a sum is added up, after FPRev (arXiv:2411.00442): with M at
// one place, -M at another and 1 everywhere else, each 1 that is added before the two have met is
// swamped. So the result counts the terms outside the smallest part of the sum that holds both.

#include <gtest/gtest.h>

#include <functional>

#include "../support/tensors.h"
#include "rapt/autograd/kernels/fold.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

using kernels::terms_per_block;

constexpr int64_t n = 600;               // two whole blocks and a part
constexpr int64_t keys_per_block = 128;  // attention's
constexpr int64_t step = 11;             // every pair of places would be many

struct Pair {
  int64_t i, j;  // i < j
};

std::vector<Pair> pairs() {
  std::vector<Pair> out;
  for (int64_t i = 0; i < n; i += step) {
    for (int64_t j = i + 1; j < n; j += (j - i < step ? 1 : step)) out.push_back({i, j});
  }
  return out;
}

/// [n, pairs]: the terms of one sum in each column.
Tensor terms() {
  const std::vector<Pair> all = pairs();
  const auto width = static_cast<int64_t>(all.size());
  Tensor x = ones({n, width});
  float* at = x.mutable_data<float>();
  for (int64_t c = 0; c < width; ++c) {
    at[all[static_cast<size_t>(c)].i * width + c] = 0x1p60F;
    at[all[static_cast<size_t>(c)].j * width + c] = -0x1p60F;
  }
  return x;
}

/// What a left fold over blocks of `block` terms leaves of each, each block a left fold itself.
Tensor left_fold(int64_t block) {
  std::vector<float> out;
  for (const auto& [i, j] : pairs()) {
    const int64_t of_i = i / block, of_j = j / block;
    const int64_t swamped = of_i == of_j ? j - of_j * block + 1 : std::min((of_j + 1) * block, n);
    out.push_back(static_cast<float>(n - swamped));
  }
  return from_values(out);
}

TEST(OrderOfSums, Products) {
  const Tensor x = terms(), wanted = left_fold(terms_per_block);
  const auto row = [](const Tensor& y) { return reshape(slice(y, 0, 0, 1), {-1}); };
  EXPECT_TRUE(tests::same_bits(row(matmul(ones({1, n}), x)), wanted));
  EXPECT_TRUE(tests::same_bits(row(matmul(ones({5, n}), x)), wanted));
  EXPECT_TRUE(tests::same_bits(row(matmul(ones({400, n}), x)), wanted));
  EXPECT_TRUE(tests::same_bits(row(matmul(transpose(ones({n, 9})), x)), wanted));
  EXPECT_TRUE(tests::same_bits(row(linear(ones({3, n}), transpose(x))), wanted));
  EXPECT_TRUE(tests::same_bits(reshape(matmul(transpose(x), ones({n})), {-1}), wanted));
}

// Sums over rows add up 64 of them at a time, and the shares of a block before it joins the sum:
// what the first of two shares of a block holds is not swamped by what comes in the second.
Tensor by_shares(const Tensor& in_one) {
  constexpr int64_t share = 64;
  std::vector<float> out = in_one.values<float>();
  size_t at = 0;
  for (const auto& [i, j] : pairs()) {
    if (i / terms_per_block == j / terms_per_block) {
      const int64_t block = i / terms_per_block * terms_per_block, of_i = i / share,
                    of_j = j / share;
      const int64_t swamped =
          of_i == of_j ? j - of_j * share + 1 : std::min((of_j + 1) * share, n) - block;
      out[at] = static_cast<float>(n - swamped);
    }
    ++at;
  }
  return from_values(out);
}

TEST(OrderOfSums, GradientsOverTokens) {
  const Tensor g = terms(), product = left_fold(terms_per_block), rows = by_shares(product);
  const int64_t width = g.size(1);
  const auto leaf = [](const Shape& shape) { return ones(shape).set_requires_grad(); };

  Tensor weight = leaf({width, 1}), bias = leaf({width});
  linear(ones({n, 1}), weight, bias).backward(g);
  EXPECT_TRUE(tests::same_bits(reshape(weight.grad(), {-1}), product));
  EXPECT_TRUE(tests::same_bits(bias.grad(), rows));

  Tensor shift = leaf({width});
  layer_norm(zeros({n, width}), {}, shift).backward(g);
  EXPECT_TRUE(tests::same_bits(shift.grad(), rows));

  Tensor broadcast = leaf({width});
  (broadcast + zeros({n, width})).backward(g);
  EXPECT_TRUE(tests::same_bits(broadcast.grad(), rows));

  Tensor table = leaf({1, width});  // token by token
  embedding(table, zeros({n}, Dtype::i64)).backward(g);
  EXPECT_TRUE(tests::same_bits(reshape(table.grad(), {-1}), left_fold(1)));
}

// A sum goes on from what has arrived: that is its first term.
TEST(OrderOfSums, BeginsWithWhatHasArrived) {
  Tensor weight = ones({1, 1}).set_requires_grad(), bias = ones({1}).set_requires_grad();
  Tensor gain = ones({1}).set_requires_grad(), table = ones({1, 1}).set_requires_grad();
  const Tensor first = full({}, 0x1p60), second = concat({ones({200, 1}), full({1, 1}, -0x1p60)});
  for (Tensor* p : {&weight, &bias, &gain, &table}) p->set_grad(full(p->shape(), 0x1p60));
  linear(ones({201, 1}), weight, bias).backward(second);
  (ones({201, 1}) * gain).backward(second);
  embedding(table, zeros({201}, Dtype::i64)).backward(second);
  for (const Tensor* p : {&weight, &bias, &gain, &table}) EXPECT_EQ(p->grad().item(), 0);
}

TEST(OrderOfSums, AttentionOverKeys) {
  const Tensor v = terms();
  const Tensor q = zeros({1, 8}), k = zeros({n, 8});
  const Tensor out = attention(q, k, v);  // each weight is 1 / n
  EXPECT_TRUE(
      tests::close(reshape(out, {-1}) * static_cast<double>(n), left_fold(keys_per_block), 1e-6));
}

}  // namespace
}  // namespace rapt
