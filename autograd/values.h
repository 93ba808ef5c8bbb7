#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rapt {

/// Small named values that are kept beside tensors (the configuration of a model, a step, a name),
/// in the order they were set. Each is held as text; a double as the shortest text that gives the
/// same double again.
class Values {
 public:
  using Entry = std::pair<std::string, std::string>;

  Values() = default;
  /// Throws when a name comes twice.
  Values(std::initializer_list<Entry> entries);
  explicit Values(std::vector<Entry> entries);

  /// Sets a value; one of that name is replaced.
  void set(std::string_view name, std::string_view value);
  void set(std::string_view name, const char* value) { set(name, std::string_view(value)); }
  void set(std::string_view name, double value);
  template <std::integral I>
  void set(std::string_view name, I value) {
    set_integer(name, static_cast<int64_t>(value));
  }

  /// Sets all of `other`, each name behind `prefix`.
  void set_all(std::string_view prefix, const Values& other);

  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The value of that name. Each throws when there is none, or when it does not read as that type.
  const std::string& text(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  bool boolean(std::string_view name) const;

  /// Those whose names begin with `prefix`, without it.
  Values with_prefix(std::string_view prefix) const;

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool operator==(const Values&) const = default;

 private:
  void set_integer(std::string_view name, int64_t value);
  const Entry* find(std::string_view name) const;
  std::vector<Entry> entries_;
};

}  // namespace rapt
