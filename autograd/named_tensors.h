#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "rapt/autograd/tensor.h"
#include "rapt/autograd/values.h"

namespace rapt {

/// Tensors by name, in the order they were added: what modules, optimizers, datasets and files
/// exchange. Names are dotted paths such as "blocks.0.attention.query.weight".
///
/// Weights carry the configuration of their model: where the tensors go, under whatever prefix and
/// through files, it goes with them.
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
  /// Adds all of `other` and its configuration, each name behind `prefix`.
  void add_all(std::string_view prefix, const NamedTensors& other);
  bool contains(std::string_view name) const;
  /// The tensor of that name; throws, listing the names there are, when it is missing.
  const Tensor& operator[](std::string_view name) const;
  /// Those whose names begin with `prefix`, without it; of the configuration, too.
  NamedTensors with_prefix(std::string_view prefix) const;

  /// How the model is built whose weights these are, if they are: nn::Module::configuration().
  const Values& configuration() const { return configuration_; }
  void set_configuration(Values configuration) { configuration_ = std::move(configuration); }

 private:
  /// Where the name stands in by_name_, or would.
  size_t place_of(std::string_view name) const;
  const Entry* find(std::string_view name) const;

  PoolVector<Entry> entries_;
  PoolVector<size_t> by_name_;  // the entries' places, sorted by their names
  Values configuration_;
};

}  // namespace rapt
