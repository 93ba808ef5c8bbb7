#pragma once

#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::data {

/// A token per byte: 256 of them, for whatever bytes the text has.
class Bytes : public Tokenizer {
 public:
  int64_t size() const override { return 256; }
  std::vector<int64_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<int64_t>& tokens) const override;
  Values state() const override;
};

}  // namespace rapt::data
