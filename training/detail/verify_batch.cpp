#include "rapt/training/detail/verify_batch.h"

#include <algorithm>
#include <set>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/ops.h"

namespace rapt::training::detail {
namespace {

/// For each element of x whether its row, or its place, is one of `places`.
std::vector<bool> elements_at(const Tensor& x, const Tensor& places) {
  const std::vector<bool> at = places.values<bool>();
  const size_t each = at.empty() ? 1 : static_cast<size_t>(x.numel()) / at.size();
  std::vector<bool> out(static_cast<size_t>(x.numel()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = at[i / each];
  return out;
}

std::optional<Tensor> changed_integers(const Tensor& x, const std::vector<bool>& at, Rng& rng) {
  std::vector<int64_t> values = x.values<int64_t>();
  std::set<int64_t> seen(values.begin(), values.end());
  seen.erase(seen.begin(), seen.lower_bound(0));
  if (seen.size() < 2) return {};
  const std::vector<int64_t> known(seen.begin(), seen.end());
  for (size_t i = 0; i < values.size(); ++i) {
    if (!at[i] || values[i] < 0) continue;
    const int64_t before = values[i];
    while (values[i] == before) {
      values[i] = known[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(known.size())))];
    }
  }
  return from_values(values, x.shape());
}

/// Each of those places with the content of another that has something else.
std::optional<Tensor> moved_places(const Tensor& x, const Tensor& places, Rng& rng) {
  const int64_t count = places.numel();
  const Tensor all = reshape(x.contiguous(), {count, count == 0 ? 1 : x.numel() / count});
  std::vector<int64_t> from = arange(count).values<int64_t>();
  const std::vector<bool> at = places.values<bool>();
  bool is_other = false;
  for (int64_t i = 0; i < count; ++i) {
    if (!at[static_cast<size_t>(i)]) continue;
    const int64_t begin = rng.integer(0, count);
    for (int64_t step = 0; step < count; ++step) {
      const int64_t other = (begin + step) % count;
      if (same_values(all[other], all[i])) continue;
      from[static_cast<size_t>(i)] = other;
      is_other = true;
      break;
    }
  }
  if (!is_other) return {};
  return reshape(index_select(all, 0, from_values(from)), x.shape());
}

}  // namespace

int64_t rows_of(const NamedTensors& batch, const std::string& name) { return batch[name].size(0); }

NamedTensors with(const NamedTensors& batch, const std::string& name, const Tensor& tensor) {
  NamedTensors out;
  for (const auto& [other, value] : batch) out.add(other, other == name ? tensor : value);
  return out;
}

NamedTensors select_rows(const NamedTensors& batch, const Tensor& index) {
  NamedTensors out;
  for (const auto& [name, value] : batch) out.add(name, index_select(value, 0, index));
  return out;
}

bool same_values(const Tensor& a, const Tensor& b) { return all(equal(a, b)).item() != 0; }

std::optional<Tensor> changed(const Tensor& x, const Tensor& places, Rng& rng) {
  if (x.dtype() == Dtype::i64) return changed_integers(x, elements_at(x, places), rng);
  return moved_places(x, places, rng);
}

Tensor exchanged(const Tensor& x, int64_t place, int64_t other, const Tensor& which) {
  std::vector<int64_t> order = arange(x.size(1)).values<int64_t>();
  std::swap(order[static_cast<size_t>(place)], order[static_cast<size_t>(other)]);
  const Tensor all = index_select(x, 1, from_values(order));
  return where(from_values(elements_at(x, which), x.shape()), all, x);
}

Tensor places_within(const Tensor& lengths, int64_t places) {
  return less(unsqueeze(arange(places), 0), unsqueeze(lengths, 1));
}

Tensor lengths_without(const Tensor& tokens, int64_t padding) {
  const std::vector<int64_t> values = tokens.values<int64_t>();
  const int64_t places = tokens.size(1);
  std::vector<int64_t> out;
  for (int64_t row = 0; row < tokens.size(0); ++row) {
    int64_t length = places;
    while (length > 0 && values[static_cast<size_t>(row * places + length - 1)] == padding) {
      --length;
    }
    out.push_back(length);
  }
  return from_values(out);
}

}  // namespace rapt::training::detail
