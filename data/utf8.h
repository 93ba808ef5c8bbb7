#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "rapt/autograd/function_ref.h"

namespace rapt::data {

/// Reads UTF-8 (RFC 3629) piece by piece, and nothing else: overlong forms, surrogates, numbers
/// above U+10FFFF and sequences cut short are errors.
class Utf8Reader {
 public:
  /// `source` is what messages call the text, such as the file's path.
  explicit Utf8Reader(std::string source) : source_(std::move(source)) {}

  /// Calls f for every code point completed by these bytes. A code point may begin in one piece and
  /// end in the next. Throws naming the first invalid byte and its offset from the very beginning.
  void read(std::string_view bytes, FunctionRef<void(char32_t)> f);
  /// Throws when the text has ended within a code point.
  void finish() const;
  /// Bytes up to the end of the last completed code point.
  int64_t offset() const { return offset_ - have_; }

 private:
  [[noreturn]] void reject(unsigned char byte) const;

  std::string source_;
  int64_t offset_ = 0;  // of the next byte
  char32_t partial_ = 0;
  int have_ = 0;                   // bytes of the code point under way
  int wanted_ = 0;                 // bytes it has in all
  unsigned char allowed_low_ = 0;  // the range of the byte that comes next
  unsigned char allowed_high_ = 0;
};

/// Throws as Utf8Reader does.
void require_utf8(std::string_view bytes, std::string_view source = "text");

/// How many code points a UTF-8 text has, which is not checked.
int64_t character_count(std::string_view text);

/// The UTF-8 form of a code point, put behind `out`.
void append_utf8(std::string& out, char32_t code_point);

/// "U+00E9 'é'", for messages.
std::string describe_code_point(char32_t code_point);

/// The code points of a text. Throws as Utf8Reader does.
std::u32string decode_utf8(std::string_view bytes, std::string_view source = "text");

}  // namespace rapt::data
