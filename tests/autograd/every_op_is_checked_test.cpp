// Reads autograd/ops.h: whoever declares a function there gives it a record (tests/ops).

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "../ops/record.h"
#include "../support/declarations.h"
#include "../support/tensors.h"

namespace rapt {
namespace {

using Names = std::vector<std::string>;

Names in_first_only(const Names& first, const std::set<std::string>& second) {
  Names out;
  for (const std::string& name : first) {
    if (!second.contains(name)) out.push_back(name);
  }
  return out;
}

Names without_a_record(std::string_view header) {
  std::set<std::string> checked;
  for (const tests::OpRecord& op : tests::op_records()) checked.insert(op.function);
  return in_first_only(tests::declared_functions(header), checked);
}

TEST(EveryOpIsChecked, NoFunctionOfTheHeaderLacksARecord) {
  EXPECT_EQ(without_a_record(tests::ops_headers()), Names{});
}

TEST(EveryOpIsChecked, NoRecordNamesAFunctionThatIsNotThere) {
  const Names declared = tests::declared_functions(tests::ops_headers());
  Names records;
  for (const tests::OpRecord& op : tests::op_records()) records.push_back(op.function);
  EXPECT_EQ(in_first_only(records, {declared.begin(), declared.end()}), Names{});
}

TEST(EveryOpIsChecked, AFunctionAddedAnywhereInTheHeaderIsMissed) {
  const std::string header = tests::ops_headers();
  const std::string added = "\nTensor brand_new(const Tensor& x,\n   double by = 2);\n";
  size_t places = 0;
  for (size_t at = header.find("\n\n"); at != std::string::npos; at = header.find("\n\n", at + 1)) {
    const std::string before = header.substr(0, at);
    // Inside a struct it would be a member.
    if (std::count(before.begin(), before.end(), '{') !=
        std::count(before.begin(), before.end(), '}') + 1) {
      continue;
    }
    EXPECT_EQ(without_a_record(before + added + header.substr(at)),
              Names{"brand_new(Tensor, double)"});
    ++places;
  }
  EXPECT_GE(places, 10u);
}

TEST(EveryOpIsChecked, AnOverloadAnOperatorAndAMemberCountByThemselves) {
  const std::string end = "}  // namespace rapt";
  std::string header = tests::ops_headers();
  header.replace(header.find(end), end.size(),
                 "Tensor exp(const Tensor& x, double base);\n"
                 "inline Tensor operator%(const Tensor& a, double b) { return add(a, b); }\n"
                 "struct Extra {\n  Tensor mask = {};\n  Tensor total() const;\n};\n" +
                     end);
  EXPECT_EQ(without_a_record(header),
            (Names{"exp(Tensor, double)", "operator%(Tensor, double)", "Extra::total()"}));
}

TEST(Declarations, ReadsWhatAHeaderIsMadeOf) {
  const std::string header = R"(
#pragma once
#include <vector>
namespace rapt {
/// f(x) in a comment; not a declaration.
enum class Kind { a, b };
struct Options {
  Tensor mask = {};      // one
  double scale = f(2);
  Tensor mean() const;
};
Tensor linear(const Tensor& x, const Tensor& bias = {}, Kind kind = Kind::a);
/* Tensor hidden(); */ Tensors split(const Tensor& x,
              const Dims& sizes, int64_t axis = 0);
inline Tensor operator-(const Tensor& x) { if (x.f()) { return neg(x); } return x; }
Tensor einsum(std::string_view equation, TensorList operands);
Tensor draw(Rng& rng);
}  // namespace rapt
)";
  const Names found = tests::declared_functions(header);
  EXPECT_EQ(found, (Names{"Options::mean()", "linear(Tensor, Tensor, Kind)",
                          "split(Tensor, Dims, int64_t)", "operator-(Tensor)",
                          "einsum(std::string_view, TensorList)", "draw(Rng)"}));
}

TEST(Declarations, AFileThatIsNotThereIsAnError) {
  EXPECT_EQ(tests::error_of([] { tests::read_text("/nowhere/ops.h"); }),
            "read_text: wanted a file; got /nowhere/ops.h");
}

}  // namespace
}  // namespace rapt
