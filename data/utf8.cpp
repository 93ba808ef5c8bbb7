#include "rapt/data/utf8.h"

#include <algorithm>

#include "rapt/autograd/error.h"

namespace rapt::data {
namespace {

/// The range of a byte that may follow, given the first byte of a code point of several bytes: this
/// alone keeps out overlong forms, surrogates, and what lies above U+10FFFF (RFC 3629, section 4).
struct Range {
  unsigned char low, high;
};

Range second_byte(unsigned char first) {
  switch (first) {
    case 0xE0:
      return {0xA0, 0xBF};
    case 0xED:
      return {0x80, 0x9F};
    case 0xF0:
      return {0x90, 0xBF};
    case 0xF4:
      return {0x80, 0x8F};
    default:
      return {0x80, 0xBF};
  }
}

}  // namespace

void Utf8Reader::read(std::string_view bytes, FunctionRef<void(char32_t)> f) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (have_ == 0) {
      if (byte < 0x80) {
        ++offset_;
        f(byte);
        continue;
      }
      wanted_ = byte >= 0xC2 && byte <= 0xDF   ? 2
                : byte >= 0xE0 && byte <= 0xEF ? 3
                : byte >= 0xF0 && byte <= 0xF4 ? 4
                                               : 0;
      if (wanted_ == 0) reject(byte);
      allowed_low_ = second_byte(byte).low;
      allowed_high_ = second_byte(byte).high;
      partial_ = byte & (0x7Fu >> wanted_);
      have_ = 1;
      ++offset_;
      continue;
    }
    if (byte < allowed_low_ || byte > allowed_high_) reject(byte);
    allowed_low_ = 0x80;
    allowed_high_ = 0xBF;
    partial_ = (partial_ << 6) | (byte & 0x3Fu);
    ++offset_;
    if (++have_ == wanted_) {
      have_ = 0;
      f(partial_);
    }
  }
}

void Utf8Reader::finish() const {
  if (have_ == 0) return;
  fail(source_, ": wanted UTF-8; got a character cut short by the end, at byte ", offset());
}

void Utf8Reader::reject(unsigned char byte) const {
  constexpr char digits[] = "0123456789abcdef";
  const std::string hex = {'0', 'x', digits[byte >> 4], digits[byte & 15]};
  fail(source_, ": wanted UTF-8; got the invalid byte ", hex, " at byte ", offset_);
}

void require_utf8(std::string_view bytes, std::string_view source) {
  Utf8Reader reader{std::string(source)};
  reader.read(bytes, [](char32_t) {});
  reader.finish();
}

int64_t character_count(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) {
    fail("append_utf8: wanted a Unicode code point; got ", static_cast<uint32_t>(code_point));
  }
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::string describe_code_point(char32_t code_point) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out = "U+";
  for (int shift = code_point > 0xFFFFF  ? 20
                   : code_point > 0xFFFF ? 16
                                         : 12;
       shift >= 0; shift -= 4) {
    out.push_back(digits[(code_point >> shift) & 15]);
  }
  const bool visible = code_point >= 0x20 && (code_point < 0x7F || code_point > 0x9F);
  if (visible) {
    out += " '";
    append_utf8(out, code_point);
    out += "'";
  }
  return out;
}

std::u32string decode_utf8(std::string_view bytes, std::string_view source) {
  std::u32string out;
  Utf8Reader reader{std::string(source)};
  reader.read(bytes, [&](char32_t code_point) { out.push_back(code_point); });
  reader.finish();
  return out;
}

}  // namespace rapt::data
