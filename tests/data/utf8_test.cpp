#include "rapt/data/utf8.h"

#include <gtest/gtest.h>

#include "files.h"

namespace rapt::data {
namespace {

using namespace std::string_literals;

TEST(Utf8, ReadsOneToFourBytes) {
  EXPECT_EQ(decode_utf8("a\u00e9\u4e2d\U0001f600"), U"a\u00e9\u4e2d\U0001f600");
  EXPECT_EQ(decode_utf8("\0a"s), U"\0a"s);
  EXPECT_EQ(decode_utf8(""), U"");
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c == 0xD800) c = 0xE000;
    std::string bytes;
    append_utf8(bytes, c);
    const std::u32string back = decode_utf8(bytes);
    ASSERT_EQ(back.size(), 1u) << uint32_t{c};
    ASSERT_EQ(back[0], c);
  }
  std::string out;
  EXPECT_ERROR("wanted a Unicode code point; got 55296", append_utf8(out, 0xD800));
  EXPECT_ERROR("wanted a Unicode code point; got 1114112", append_utf8(out, 0x110000));
}

TEST(Utf8, ReadsInPiecesOfAnySize) {
  const std::string bytes = "x\u00e9\u4e2d\U0001f600y";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    std::u32string out;
    Utf8Reader reader("text");
    for (size_t at = 0; at < bytes.size(); at += piece) {
      reader.read(std::string_view(bytes).substr(at, piece), [&](char32_t c) { out += c; });
    }
    reader.finish();
    EXPECT_EQ(out, U"x\u00e9\u4e2d\U0001f600y");
    EXPECT_EQ(reader.offset(), static_cast<int64_t>(bytes.size()));
  }
}

TEST(Utf8, NamesTheFirstInvalidByteAndItsOffset) {
  const struct {
    std::string bytes;
    const char* message;
  } cases[] = {
      {"abc\xff", "text: wanted UTF-8; got the invalid byte 0xff at byte 3"},
      {"\x80", "0x80 at byte 0"},      // the middle of a character, alone
      {"\xc0\x80", "0xc0 at byte 0"},  // overlong forms
      {"\xc1\xbf", "0xc1 at byte 0"},
      {"\xe0\x9f\xbf", "0x9f at byte 1"},
      {"\xf0\x8f\xbf\xbf", "0x8f at byte 1"},
      {"\xed\xa0\x80", "0xa0 at byte 1"},      // a surrogate
      {"\xf4\x90\x80\x80", "0x90 at byte 1"},  // above U+10FFFF
      {"\xf5\x80\x80\x80", "0xf5 at byte 0"},
      {"\u4e2d\xe4\xb8z", "0x7a at byte 5"},  // cut short by another
  };
  for (const auto& c : cases) EXPECT_ERROR(c.message, decode_utf8(c.bytes));
}

TEST(Utf8, NamesACharacterThatTheEndCutShort) {
  for (const std::string_view bytes : {"ab\xe4", "ab\xe4\xb8", "ab\xf0\x9f\x98"}) {
    EXPECT_ERROR("poem.txt: wanted UTF-8; got a character cut short by the end, at byte 2",
                 decode_utf8(bytes, "poem.txt"));
  }
}

TEST(Utf8, DescribesACharacterForMessages) {
  EXPECT_EQ(describe_code_point(U'\u00e9'), "U+00E9 '\u00e9'");
  EXPECT_EQ(describe_code_point(U'\n'), "U+000A");
  EXPECT_EQ(describe_code_point(U'\U0001f600'), "U+1F600 '\U0001f600'");
  EXPECT_EQ(describe_code_point(0x10FFFF), "U+10FFFF '\U0010ffff'");
}

}  // namespace
}  // namespace rapt::data
