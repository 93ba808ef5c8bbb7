#include "rapt/data/tokenizers/bytes.h"

namespace rapt::data {

std::vector<int64_t> Bytes::encode(std::string_view text) const {
  std::vector<int64_t> out;
  out.reserve(text.size());
  for (const char byte : text) out.push_back(static_cast<unsigned char>(byte));
  return out;
}

std::string Bytes::decode(const std::vector<int64_t>& tokens) const {
  require_tokens("Bytes", tokens);
  std::string out;
  for (const int64_t token : tokens) out += static_cast<char>(token);
  return out;
}

Values Bytes::state() const { return {{"kind", "bytes"}}; }

}  // namespace rapt::data
