#include "rapt/autograd/named_tensors.h"

#include <algorithm>

namespace rapt {

NamedTensors::NamedTensors(std::initializer_list<Entry> entries) {
  for (const Entry& e : entries) add(e.first, e.second);
}

size_t NamedTensors::place_of(std::string_view name) const {
  const auto name_at = [this](size_t i) { return std::string_view(entries_[i].first); };
  const auto place = std::ranges::lower_bound(by_name_, name, {}, name_at);
  return static_cast<size_t>(place - by_name_.begin());
}

const NamedTensors::Entry* NamedTensors::find(std::string_view name) const {
  const size_t place = place_of(name);
  if (place == by_name_.size()) return nullptr;
  const Entry& entry = entries_[by_name_[place]];
  return entry.first == name ? &entry : nullptr;
}

void NamedTensors::add(std::string name, Tensor tensor) {
  if (find(name)) fail("named tensors: wanted each name once; got ", name, " twice");
  const auto place = by_name_.begin() + static_cast<std::ptrdiff_t>(place_of(name));
  by_name_.insert(place, entries_.size());
  entries_.emplace_back(std::move(name), std::move(tensor));
}

void NamedTensors::add_all(std::string_view prefix, const NamedTensors& other) {
  for (const auto& [name, tensor] : other) add(text(prefix, name), tensor);
  configuration_.set_all(prefix, other.configuration_);
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
