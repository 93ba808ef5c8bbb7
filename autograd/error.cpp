#include "rapt/autograd/error.h"

#include <charconv>

#include "rapt/autograd/scope.h"

namespace rapt {

void append_text(std::string& out, std::string_view part) { out += part; }

void append_text(std::string& out, double part) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, part).ptr;  // shortest exact text
  out.append(digits, end);
}

void throw_error(std::string text) {
  const Scope* const scope = Scope::current();
  const std::string path = scope != nullptr ? scope->path() : "";
  if (!path.empty()) text += " (in " + path + ")";
  throw Error(text);
}

void append_integer(std::string& out, long long part) { out += std::to_string(part); }

}  // namespace rapt
