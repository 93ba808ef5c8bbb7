#include "rapt/data/detail/gpt2_pieces.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <utf8proc.h>

#include "rapt/data/utf8.h"

namespace rapt::data::detail {
namespace {

enum class Class : uint8_t { letter, number, white, other };

/// Unicode's White_Space.
bool is_white(char32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

Class class_of(char32_t c) {
  if (is_white(c)) return Class::white;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Class::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Class::number;
    default:
      return Class::other;
  }
}

/// A text as its characters: their classes and where each begins.
struct Characters {
  std::vector<Class> classes;
  std::vector<size_t> offsets;  // one more than there are characters: the end, too

  /// Of the text that the reader reads next.
  Characters(std::string_view text, Utf8Reader& reader) {
    const int64_t begin = reader.offset();
    offsets.push_back(0);
    reader.read(text, [&](char32_t c) {
      classes.push_back(class_of(c));
      offsets.push_back(static_cast<size_t>(reader.offset() - begin));
    });
    reader.finish();
  }
  /// The end of the run of characters of one class that begins at i.
  size_t run(size_t i) const {
    size_t end = i;
    while (end < classes.size() && classes[end] == classes[i]) ++end;
    return end;
  }
};

/// The length of 's, 't, ... at the beginning of a text, or 0.
size_t contraction(std::string_view text) {
  constexpr std::array<std::string_view, 7> endings = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  for (const std::string_view ending : endings) {
    if (text.starts_with(ending)) return ending.size();
  }
  return 0;
}

/// The end of the piece that begins at character i.
size_t piece_end(std::string_view text, const Characters& c, size_t i) {
  const std::string_view rest = text.substr(c.offsets[i]);
  if (const size_t length = contraction(rest); length > 0) return i + length;
  const size_t first = i + (rest.front() == ' ' ? 1 : 0);  // behind the blank, if there is one
  if (first < c.classes.size() && c.classes[first] != Class::white) return c.run(first);
  const size_t end = c.run(i);  // of white space: its last character belongs to what follows
  return end == c.classes.size() || end == i + 1 ? end : end - 1;
}

/// Where a piece is sure to begin, from `begin` on: at a blank behind a character which is none.
size_t sure_border(std::string_view text, size_t begin) {
  for (size_t i = begin; i < text.size(); ++i) {
    const unsigned char before = static_cast<unsigned char>(text[i - 1]);
    if (text[i] == ' ' && before < 0x80 && !is_white(before)) return i;
  }
  return text.size();
}

}  // namespace

void for_each_gpt2_piece(std::string_view text, FunctionRef<void(std::string_view)> f) {
  // Some of a long text at once, or what is known of its characters would take nine times its size.
  constexpr size_t bytes_at_once = size_t{1} << 16;
  Utf8Reader reader("encode");
  while (!text.empty()) {
    const std::string_view part = text.substr(0, sure_border(text, bytes_at_once));
    const Characters characters(part, reader);
    for (size_t i = 0; i < characters.classes.size();) {
      const size_t end = piece_end(part, characters, i);
      const size_t offset = characters.offsets[i];
      f(part.substr(offset, characters.offsets[end] - offset));
      i = end;
    }
    text.remove_prefix(part.size());
  }
}

}  // namespace rapt::data::detail
