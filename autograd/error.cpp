#include "rapt/autograd/error.h"

#include <charconv>

namespace rapt {

void append_text(std::string& out, std::string_view part) { out += part; }

void append_text(std::string& out, double part) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, part).ptr;  // shortest exact text
  out.append(digits, end);
}

void append_integer(std::string& out, long long part) { out += std::to_string(part); }

}  // namespace rapt
