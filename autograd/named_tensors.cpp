#include "rapt/autograd/named_tensors.h"

#include <algorithm>

namespace rapt {

NamedTensors::NamedTensors(std::initializer_list<Entry> entries) {
  for (const Entry& e : entries) add(e.first, e.second);
}

void NamedTensors::add(std::string name, Tensor tensor) {
  const auto place =
      std::ranges::lower_bound(by_name_, std::string_view(name), {},
                               [this](size_t i) { return std::string_view(entries_[i].first); });
  if (place != by_name_.end() && entries_[*place].first == name) {
    fail("named tensors: wanted each name once; got ", name, " twice");
  }
  by_name_.insert(place, entries_.size());
  entries_.emplace_back(std::move(name), std::move(tensor));
}

void NamedTensors::add_all(std::string_view prefix, const NamedTensors& other) {
  for (const auto& [name, tensor] : other) add(text(prefix, name), tensor);
  configuration_.set_all(prefix, other.configuration_);
}

const NamedTensors::Entry* NamedTensors::find(std::string_view name) const {
  const auto place = std::ranges::lower_bound(
      by_name_, name, {}, [this](size_t i) { return std::string_view(entries_[i].first); });
  if (place == by_name_.end() || entries_[*place].first != name) return nullptr;
  return &entries_[*place];
}

bool NamedTensors::contains(std::string_view name) const { return find(name) != nullptr; }

const Tensor& NamedTensors::operator[](std::string_view name) const {
  if (const Entry* entry = find(name)) return entry->second;
  std::string names;
  for (const auto& [other, tensor] : entries_) names += (names.empty() ? "" : ", ") + other;
  fail("named tensors: wanted ", name, "; got ", names.empty() ? "none at all" : names);
}

NamedTensors NamedTensors::with_prefix(std::string_view prefix) const {
  NamedTensors out;
  for (const auto& [name, tensor] : entries_) {
    if (std::string_view(name).starts_with(prefix)) out.add(name.substr(prefix.size()), tensor);
  }
  out.configuration_ = configuration_.with_prefix(prefix);
  return out;
}

}  // namespace rapt
