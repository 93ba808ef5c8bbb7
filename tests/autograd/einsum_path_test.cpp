// The order in which einsum contracts, against all the orders there are.

#include "rapt/autograd/ops/detail/einsum_path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace rapt {
namespace {

using einsum_detail::bit;
using einsum_detail::contraction_path;
using einsum_detail::LabelSet;
using einsum_detail::LabelSets;
using einsum_detail::Lengths;
using einsum_detail::Path;

LabelSet labels(const std::string& letters) {
  LabelSet set = 0;
  for (const char c : letters) set |= bit(c - 'a');
  return set;
}

double product_of(LabelSet set, const Lengths& lengths) {
  double out = 1;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (set & bit(static_cast<int64_t>(i))) out *= static_cast<double>(lengths[i]);
  }
  return out;
}

// The cost of one way to pair, by its definition: multiplications plus elements written.
double pair_cost(LabelSets& parts, size_t i, size_t j, LabelSet output, const Lengths& lengths) {
  const LabelSet both = parts[i] | parts[j];
  parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(std::max(i, j)));
  parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(std::min(i, j)));
  LabelSet needed = output;
  for (const LabelSet part : parts) needed |= part;
  parts.push_back(both & needed);
  return product_of(both, lengths) + product_of(both & needed, lengths);
}

double cheapest(const LabelSets& parts, LabelSet output, const Lengths& lengths) {
  if (parts.size() == 1) return 0;
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t j = i + 1; j < parts.size(); ++j) {
      LabelSets rest = parts;
      const double cost = pair_cost(rest, i, j, output, lengths);
      best = std::min(best, cost + cheapest(rest, output, lengths));
    }
  }
  return best;
}

double left_to_right(LabelSets parts, LabelSet output, const Lengths& lengths) {
  double cost = 0;
  while (parts.size() > 1) {
    cost += pair_cost(parts, 0, 1, output, lengths);
    std::rotate(parts.begin(), parts.end() - 1, parts.end());
  }
  return cost;
}

// What the steps of a path cost, walked by the rule of its header.
double walked(const Path& path, LabelSets made, LabelSet output, const Lengths& lengths) {
  double cost = 0;
  std::vector<bool> used(made.size() + path.steps.size(), false);
  for (const auto& [left, right] : path.steps) {
    EXPECT_LT(std::max(left, right), made.size());
    EXPECT_FALSE(used[left] || used[right]);
    used[left] = used[right] = true;
    LabelSet needed = output;
    for (size_t i = 0; i < made.size(); ++i) {
      if (!used[i]) needed |= made[i];
    }
    const LabelSet both = made[left] | made[right];
    cost += product_of(both, lengths) + product_of(both & needed, lengths);
    made.push_back(both & needed);
  }
  return cost;
}

TEST(EinsumPath, AChainEndsAtItsVectorFirst) {
  // Matrix by matrix by vector: from the right it is 2 * n^2, from the left n^3.
  Lengths lengths;
  lengths.fill(100);
  const Path path = contraction_path({labels("ab"), labels("bc"), labels("cd"), labels("d")},
                                     labels("a"), lengths);
  EXPECT_EQ(path.cost, 3 * (1e4 + 1e2));
  ASSERT_EQ(path.steps.size(), 3u);
  EXPECT_EQ(path.steps[0].left, 2u);
  EXPECT_EQ(path.steps[0].right, 3u);
}

TEST(EinsumPath, IsTheCheapestOfAllOrders) {
  std::mt19937_64 engine(1);
  const auto below = [&](uint64_t n) { return engine() % n; };
  for (int round = 0; round < 100; ++round) {
    Lengths lengths;
    for (int64_t& n : lengths) n = static_cast<int64_t>(1 + below(9));
    LabelSets parts(2 + below(4));
    LabelSet seen = 0;
    for (LabelSet& part : parts) {
      for (uint64_t k = below(4); k-- > 0;) part |= bit(static_cast<int64_t>(below(7)));
      seen |= part;
    }
    const LabelSet output = seen & (below(128));
    // As einsum does: what only one operand has is summed out before.
    for (size_t i = 0; i < parts.size(); ++i) {
      LabelSet needed = output;
      for (size_t j = 0; j < parts.size(); ++j) {
        if (j != i) needed |= parts[j];
      }
      parts[i] &= needed;
    }
    const Path path = contraction_path(parts, output, lengths);
    EXPECT_EQ(path.steps.size(), parts.size() - 1);
    EXPECT_DOUBLE_EQ(path.cost, cheapest(parts, output, lengths));
    EXPECT_DOUBLE_EQ(path.cost, walked(path, parts, output, lengths));
  }
}

TEST(EinsumPath, ALongChainIsMuchCheaperThanFromLeftToRight) {
  // Eleven matrices and a vector at the end: beyond the exact search.
  Lengths lengths;
  lengths.fill(50);
  LabelSets parts;
  for (char c = 'a'; c < 'l'; ++c) parts.push_back(labels({c, static_cast<char>(c + 1)}));
  parts.push_back(labels("l"));
  const Path path = contraction_path(parts, labels("a"), lengths);
  EXPECT_EQ(path.cost, 11 * (2500.0 + 50.0));
  EXPECT_DOUBLE_EQ(path.cost, walked(path, parts, labels("a"), lengths));
  EXPECT_GT(left_to_right(parts, labels("a"), lengths), 40 * path.cost);
}

TEST(EinsumPath, KeepsIntermediateResultsWithinEightAxes) {
  // The product of the first two would be free of charge, but has ten labels.
  Lengths lengths;
  lengths.fill(2);
  const LabelSets parts = {labels("abcde"), labels("fghij"), labels("abcdefgh"), labels("ij")};
  const Path path = contraction_path(parts, 0, lengths);
  LabelSets made = parts;
  for (const auto& [left, right] : path.steps) {
    LabelSet needed = 0;
    for (size_t i = 0; i < made.size(); ++i) {
      if (i != left && i != right) needed |= made[i];
    }
    made.push_back((made[left] | made[right]) & needed);
    made[left] = made[right] = 0;
    EXPECT_LE(std::popcount(made.back()), 8);
  }
}

}  // namespace
}  // namespace rapt
