#include "rapt/autograd/values.h"

#include <algorithm>
#include <charconv>
#include <unordered_set>

#include "rapt/autograd/error.h"

namespace rapt {
namespace {

/// The whole text read as a number, or an error.
template <class T>
T parse(const char* wanted, std::string_view name, const std::string& value) {
  T out{};
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, out);
  if (error != std::errc() || stopped != end || value.empty()) {
    fail("values: wanted ", wanted, " as \"", name, "\"; got \"", value, "\"");
  }
  return out;
}

}  // namespace

Values::Values(std::initializer_list<Entry> entries) : Values(std::vector<Entry>(entries)) {}

Values::Values(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::unordered_set<std::string_view> names;
  for (const Entry& entry : entries_) {
    if (!names.insert(entry.first).second) {
      fail("values: wanted each name once; got \"", entry.first, "\" twice");
    }
  }
}

void Values::set(std::string_view name, std::string_view value) {
  for (Entry& entry : entries_) {
    if (entry.first == name) {
      entry.second = value;
      return;
    }
  }
  entries_.emplace_back(name, value);
}

void Values::set(std::string_view name, double value) {
  set(name, std::string_view(rapt::text(value)));
}

void Values::set_integer(std::string_view name, int64_t value) {
  set(name, std::string_view(rapt::text(value)));
}

void Values::set_all(std::string_view prefix, const Values& other) {
  for (const auto& [name, value] : Values(other)) set(rapt::text(prefix, name), value);
}

Values Values::with_prefix(std::string_view prefix) const {
  Values out;
  for (const auto& [name, value] : entries_) {
    if (std::string_view(name).starts_with(prefix)) {
      out.entries_.emplace_back(name.substr(prefix.size()), value);
    }
  }
  return out;
}

const Values::Entry* Values::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.first == name; });
  return found == entries_.end() ? nullptr : &*found;
}

const std::string& Values::text(std::string_view name) const {
  const Entry* entry = find(name);
  if (entry) return entry->second;
  std::string names;
  for (const Entry& e : entries_) names += (names.empty() ? "" : ", ") + e.first;
  fail("values: wanted a value named \"", name, "\"; got ", names.empty() ? "none at all" : names);
}

int64_t Values::integer(std::string_view name) const {
  return parse<int64_t>("an integer", name, text(name));
}

double Values::number(std::string_view name) const {
  return parse<double>("a number", name, text(name));
}

bool Values::boolean(std::string_view name) const {
  const std::string& value = text(name);
  if (value != "0" && value != "1") {
    fail("values: wanted 0 or 1 as \"", name, "\"; got \"", value, "\"");
  }
  return value == "1";
}

}  // namespace rapt
