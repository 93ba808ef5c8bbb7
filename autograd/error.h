#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rapt {

/// Everything that rapt throws: bad arguments, bad files, a graph used wrongly.
/// The text reads `op: wanted X; got Y`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

void append_text(std::string& out, std::string_view part);
void append_text(std::string& out, double part);
void append_integer(std::string& out, long long part);

template <std::integral I>
void append_text(std::string& out, I part) {
  append_integer(out, static_cast<long long>(part));
}
inline void append_text(std::string& out, const char* part) {
  append_text(out, std::string_view(part));
}

/// Anything that can say what it is (Shape, Tensor, ...).
template <class T>
requires requires(const T& t) { std::string_view(t.str()); }
void append_text(std::string& out, const T& part) {
  append_text(out, std::string_view(part.str()));
}

/// "[2, 3]".
template <class List>
void append_list(std::string& out, const List& list) {
  const char* before = "";
  out += '[';
  for (const auto& part : list) {
    out += before;
    append_text(out, part);
    before = ", ";
  }
  out += ']';
}

template <class T>
void append_text(std::string& out, const std::vector<T>& list) {
  append_list(out, list);
}

/// The parts, one after another.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

/// Throws Error with that text, and where it happened if there is a Scope (scope.h).
[[noreturn]] void throw_error(std::string text);

/// Throws Error. The text is built here, so a check that passes costs one comparison.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw_error(text(parts...));
}

}  // namespace rapt
