#pragma once

// For the tests of files that hold tensors: what to save, and how to damage a file.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "files.h"
#include "rapt/autograd/ops.h"

namespace rapt::data {

/// Every dtype, ranks 0 to 8, empty axes, strided views, and values that are hard to keep.
inline NamedTensors all_kinds() {
  const double infinity = std::numeric_limits<double>::infinity();
  return {{"flags", equal(arange(5), full({5}, 2, Dtype::i64))},
          {"weight", tensor({{1, -2.5, 3}, {0.1, -0.0, infinity}})},
          {"bias", from_values(std::vector<double>{0.1, std::nan(""), 5e-324})},
          {"steps", from_values(std::vector<int64_t>{std::numeric_limits<int64_t>::min(), -1,
                                                     std::numeric_limits<int64_t>::max()})},
          {"scalar", tensor(3.25, Dtype::f64)},
          {"empty", zeros({0})},
          {"empty.matrix", zeros({3, 0, 2}, Dtype::i64)},
          {"transposed", transpose(reshape(arange(6, Dtype::f32), {2, 3}))},
          {"every.other", slice(arange(7), 0, 1, 7, 2)},
          {"expanded", expand(tensor({7}), {2, 3, 1})},
          {"eight", reshape(arange(2, Dtype::f32), {1, 1, 1, 2, 1, 1, 1, 1})}};
}

/// The same names in the same order; for each the same dtype, shape and bits.
inline void expect_same(const NamedTensors& got, const NamedTensors& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  auto other = got.begin();
  for (const NamedTensors::Entry& entry : wanted) {
    const std::string& name = entry.first;
    const Tensor& tensor = entry.second;
    EXPECT_EQ(other->first, name);
    const Tensor& same = (other++)->second;
    ASSERT_EQ(same.dtype(), tensor.dtype()) << name;
    ASSERT_EQ(same.shape(), tensor.shape()) << name;
    EXPECT_TRUE(same.is_contiguous());
    EXPECT_FALSE(same.requires_grad());
    visit_any(tensor.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const std::vector<T> a = same.values<T>(), b = tensor.values<T>();
      for (size_t i = 0; i < a.size(); ++i) {
        const T x = a[i], y = b[i];
        EXPECT_EQ(std::memcmp(&x, &y, sizeof x), 0) << name << "[" << i << "]";
      }
    });
  }
}

/// Expects that `load` throws an Error, and nothing else, on every damaged form of this file: with
/// any bit flipped, with a byte more at the end, and cut short anywhere.
template <class Load>
void expect_damage_is_noticed(const std::string& path, Load load) {
  const std::string bytes = read_bytes(path);
  const auto throws = [&] { return error_of([&] { load(path); }) != ""; };
  EXPECT_FALSE(throws());
  for (const char more : {'\0', ' '}) {
    write_bytes(path, bytes + more);
    EXPECT_TRUE(throws());
  }
  write_bytes(path, bytes);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
  };
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      put(at, static_cast<char>(bytes[at] ^ (1 << bit)));
      EXPECT_TRUE(throws()) << "bit " << bit << " of byte " << at;
    }
    put(at, bytes[at]);
  }
  EXPECT_FALSE(throws());
  for (size_t size = bytes.size(); size-- > 0;) {
    std::filesystem::resize_file(path, size);
    EXPECT_TRUE(throws()) << "cut to " << size << " bytes";
  }
}

}  // namespace rapt::data
