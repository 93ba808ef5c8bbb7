#pragma once

#include <string>
#include <vector>

#include "program.h"
#include "tests/data/files.h"

namespace rapt::cli {

using Words = std::vector<std::string>;
using data::has;
using data::read_bytes;
using data::TemporaryFolder;
using data::write_bytes;

inline Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// A run so small that its steps take next to no time.
inline const Words small_run = {"train",   "--width",   "16",      "--layers", "1",
                                "--heads", "2",         "--batch", "8",        "--max-length",
                                "4",       "--threads", "1"};

inline std::string repeated(const std::string& part, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += part;
  return out;
}

/// 900 characters, of 1 to 4 bytes each.
inline std::string small_text() { return repeated("żółw €uro 日本語 🐢 plain\n", 38); }

inline Words lines_of(const std::string& text) {
  Words out;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != text.npos; end = text.find('\n', begin)) {
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (begin < text.size()) out.push_back(text.substr(begin));
  return out;
}

}  // namespace rapt::cli
