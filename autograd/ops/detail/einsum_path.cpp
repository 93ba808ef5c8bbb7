#include "rapt/autograd/ops/detail/einsum_path.h"

#include <bit>
#include <limits>

#include "rapt/autograd/error.h"

namespace rapt::einsum_detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double elements(LabelSet set, const Lengths& lengths) {
  double product = 1;
  for (; set != 0; set &= set - 1) {
    product *= static_cast<double>(lengths[std::countr_zero(set)]);
  }
  return product;
}

// Of making `result` out of two parts; infinite when a tensor cannot hold the result.
double pair_cost(LabelSet left, LabelSet right, LabelSet result, const Lengths& lengths) {
  if (std::popcount(result) > Dims::max_rank) return infinity;
  return elements(left | right, lengths) + elements(result, lengths);
}

[[noreturn]] void fail_no_order() {
  fail("einsum: wanted an order of contraction that keeps intermediate results within ",
       Dims::max_rank, " axes; got labels that allow none");
}

/// The best way to contract a subset of the operands.
struct Best {
  LabelSet labels = 0;  // of what the subset contracts to
  double cost = infinity;
  size_t left = 0;  // the half that is contracted first
};

/// What `best`, by subset, says of all n operands.
Path path_of(const PoolVector<Best>& best, size_t n) {
  const size_t all = best.size() - 1;
  // Subsets from the whole down, then turned round: parts come before what is made of them.
  Path path{{}, best[all].cost};
  PoolVector<size_t> order;
  PoolVector<size_t> open{all};
  while (!open.empty()) {
    const size_t s = open.back();
    open.pop_back();
    if (std::has_single_bit(s)) continue;
    order.push_back(s);
    open.push_back(best[s].left);
    open.push_back(s ^ best[s].left);
  }
  PoolVector<size_t> number(best.size());
  for (size_t i = 0; i < n; ++i) number[size_t{1} << i] = i;
  for (size_t i = order.size(); i-- > 0;) {
    const size_t s = order[i];
    path.steps.push_back({number[best[s].left], number[s ^ best[s].left]});
    number[s] = n + path.steps.size() - 1;
  }
  return path;
}

Path exact(const LabelSets& operands, LabelSet output, const Lengths& lengths) {
  const size_t n = operands.size();
  const size_t all = (size_t{1} << n) - 1;
  LabelSets seen(all + 1, 0);  // labels of the operands in a subset
  for (size_t s = 1; s <= all; ++s) {
    seen[s] = seen[s & (s - 1)] | operands[static_cast<size_t>(std::countr_zero(s))];
  }
  PoolVector<Best> best(all + 1);
  for (size_t s = 1; s <= all; ++s) {
    Best& b = best[s];
    b.labels = seen[s] & (output | seen[all & ~s]);
    const size_t lowest = s & ~(s - 1);
    if (s == lowest) b.cost = 0;
    // Each split once: the half with the lowest operand is the left one.
    for (size_t left = (s - 1) & s; left != 0; left = (left - 1) & s) {
      if (!(left & lowest)) continue;
      const Best& x = best[left];
      const Best& y = best[s ^ left];
      const double cost = x.cost + y.cost + pair_cost(x.labels, y.labels, b.labels, lengths);
      if (cost < b.cost) {
        b.cost = cost;
        b.left = left;
      }
    }
  }
  if (best[all].cost == infinity) fail_no_order();
  return path_of(best, n);
}

Path greedy(const LabelSets& operands, LabelSet output, const Lengths& lengths) {
  struct Part {
    size_t number;
    LabelSet labels;
  };
  PoolVector<Part> parts;
  for (size_t i = 0; i < operands.size(); ++i) parts.push_back({i, operands[i]});
  // The labels that must survive a step which replaces parts i and j.
  const auto needed = [&](size_t i, size_t j) {
    LabelSet set = output;
    for (size_t k = 0; k < parts.size(); ++k) {
      if (k != i && k != j) set |= parts[k].labels;
    }
    return set;
  };
  for (size_t i = 0; i < parts.size(); ++i) parts[i].labels &= needed(i, i);

  Path path;
  while (parts.size() > 1) {
    double best_growth = infinity;
    double best_cost = infinity;
    size_t left = 0;
    size_t right = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      for (size_t j = i + 1; j < parts.size(); ++j) {
        const LabelSet result = (parts[i].labels | parts[j].labels) & needed(i, j);
        const double cost = pair_cost(parts[i].labels, parts[j].labels, result, lengths);
        if (cost == infinity) continue;
        const double growth = elements(result, lengths) - elements(parts[i].labels, lengths) -
                              elements(parts[j].labels, lengths);
        if (growth < best_growth || (growth == best_growth && cost < best_cost)) {
          best_growth = growth;
          best_cost = cost;
          left = i;
          right = j;
        }
      }
    }
    if (best_cost == infinity) fail_no_order();
    const LabelSet result = (parts[left].labels | parts[right].labels) & needed(left, right);
    path.steps.push_back({parts[left].number, parts[right].number});
    path.cost += best_cost;
    parts[left] = {operands.size() + path.steps.size() - 1, result};
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(right));
  }
  return path;
}

}  // namespace

Path contraction_path(const LabelSets& operands, LabelSet output, const Lengths& lengths) {
  return operands.size() <= exact_limit ? exact(operands, output, lengths)
                                        : greedy(operands, output, lengths);
}

}  // namespace rapt::einsum_detail
