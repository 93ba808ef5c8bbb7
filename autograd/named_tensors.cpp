#include "rapt/autograd/named_tensors.h"

namespace rapt {

NamedTensors::NamedTensors(std::initializer_list<Entry> entries) {
  for (const Entry& e : entries) add(e.first, e.second);
}

void NamedTensors::add(std::string name, Tensor tensor) {
  if (!places_.try_emplace(name, entries_.size()).second) {
    fail("named tensors: wanted each name once; got ", name, " twice");
  }
  entries_.emplace_back(std::move(name), std::move(tensor));
}

void NamedTensors::add_all(std::string_view prefix, const NamedTensors& other) {
  for (const auto& [name, tensor] : other) add(text(prefix, name), tensor);
  configuration_.set_all(prefix, other.configuration_);
}

bool NamedTensors::contains(std::string_view name) const { return places_.contains(name); }

const Tensor& NamedTensors::operator[](std::string_view name) const {
  if (const auto at = places_.find(name); at != places_.end()) return entries_[at->second].second;
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
