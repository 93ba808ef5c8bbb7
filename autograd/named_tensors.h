#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "rapt/autograd/tensor.h"

namespace rapt {

/// Tensors by name, in the order they were added: what modules, optimizers, datasets and files
/// exchange. Names are dotted paths such as "blocks.0.attention.query.weight".
class NamedTensors {
 public:
  using Entry = std::pair<std::string, Tensor>;

  NamedTensors() = default;
  NamedTensors(std::initializer_list<Entry> entries);

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  /// Adds at the end; throws when the name is already there.
  void add(std::string name, Tensor tensor);
  /// Adds all of `other`, each name behind `prefix`.
  void add_all(std::string_view prefix, const NamedTensors& other);
  bool contains(std::string_view name) const;
  /// The tensor of that name; throws, listing the names there are, when it is missing.
  const Tensor& operator[](std::string_view name) const;
  /// Those whose names begin with `prefix`, without it.
  NamedTensors with_prefix(std::string_view prefix) const;

 private:
  using Place = std::pair<const std::string, size_t>;
  PoolVector<Entry> entries_;
  // Of the names among the entries.
  std::map<std::string, size_t, std::less<>, PoolAllocator<Place>> places_;
};

}  // namespace rapt
