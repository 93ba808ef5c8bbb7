// einsum's errors: each names what was wanted and what came.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"

namespace rapt {
namespace {

std::string error_with(const std::string& equation, const Tensors& operands) {
  return tests::error_of([&] { einsum(equation, operands); });
}

std::string error_of(const std::string& equation, const std::vector<Shape>& shapes) {
  Tensors operands;
  for (const Shape& shape : shapes) operands.push_back(zeros(shape, Dtype::f64));
  return error_with(equation, operands);
}

TEST(EinsumErrors, AnErrorNamesTheLabelAndItsTwoLengths) {
  EXPECT_EQ(error_of("ij,jk->ik", {{2, 3}, {4, 5}}),
            "einsum: wanted one length for label 'j' in \"ij,jk->ik\"; got 3 in operand 0 [2, 3] "
            "and 4 in operand 1 [4, 5]");
  EXPECT_EQ(error_of("a,Z,aZ", {{2}, {3}, {2, 4}}),
            "einsum: wanted one length for label 'Z' in \"a,Z,aZ\"; got 3 in operand 1 [3] and 4 "
            "in operand 2 [2, 4]");
  EXPECT_EQ(error_of("ii", {{2, 3}}),
            "einsum: wanted one length for label 'i' in \"ii\"; got 2 and 3 in operand 0 [2, 3]");
  // NumPy and PyTorch do not stretch a diagonal either.
  EXPECT_EQ(
      error_of("ii->i", {{1, 3}}),
      "einsum: wanted one length for label 'i' in \"ii->i\"; got 1 and 3 in operand 0 [1, 3]");
  EXPECT_EQ(error_of("...i,...i", {{2, 3, 4}, {5, 3, 4}}),
            "einsum: wanted one length for axis -2 of '...' in \"...i,...i\"; got 2 in operand 0 "
            "[2, 3, 4] and 5 in operand 1 [5, 3, 4]");
}

TEST(EinsumErrors, AnErrorNamesTheOperandWhoseRankIsWrong) {
  EXPECT_EQ(error_of("ijk", {{2, 3}}),
            "einsum: wanted 3 axes in operand 0, which is \"ijk\" in \"ijk\"; got [2, 3]");
  EXPECT_EQ(error_of("i,i", {{2}, {2, 3}}),
            "einsum: wanted 1 axis in operand 1, which is \"i\" in \"i,i\"; got [2, 3]");
  EXPECT_EQ(
      error_of("i...j->", {{2}}),
      "einsum: wanted at least 2 axes in operand 0, which is \"i...j\" in \"i...j->\"; got [2]");
  EXPECT_EQ(error_of("", {{3}}),
            "einsum: wanted 0 axes in operand 0, which is \"\" in \"\"; got [3]");
}

TEST(EinsumErrors, AnErrorCountsTheOperands) {
  EXPECT_EQ(error_of("ij,jk", {{2, 3}}), "einsum: wanted 2 operands for \"ij,jk\"; got 1");
  EXPECT_EQ(error_of("ij", {{2, 3}, {2, 3}}), "einsum: wanted 1 operand for \"ij\"; got 2");
  EXPECT_EQ(error_of("", std::vector<Shape>{}), "einsum: wanted 1 operand for \"\"; got 0");
}

TEST(EinsumErrors, AnErrorShowsTheCharacter) {
  const std::string wanted =
      "einsum: wanted letters, '...', spaces, ',' between operands and one '->'; ";
  EXPECT_EQ(error_of("i1,j", {{2}, {3}}), wanted + "got '1' at position 1 of \"i1,j\"");
  EXPECT_EQ(error_of("i..", {{2}}), wanted + "got '.' at position 1 of \"i..\"");
  EXPECT_EQ(error_of(". . .i", {{2, 3}}), wanted + "got '.' at position 0 of \". . .i\"");
  EXPECT_EQ(error_of("....", {{2, 3}}), wanted + "got '.' at position 3 of \"....\"");
  EXPECT_EQ(error_of("ij- >ij", {{2, 3}}), wanted + "got '-' at position 2 of \"ij- >ij\"");
  EXPECT_EQ(error_of("ij->i,j", {{2, 3}}), wanted + "got ',' at position 5 of \"ij->i,j\"");
  EXPECT_EQ(error_of("ij->i->j", {{2, 3}}), wanted + "got '-' at position 5 of \"ij->i->j\"");
  EXPECT_EQ(error_of("\tij", {{2, 3}}), wanted + "got byte 9 at position 0 of \"\tij\"");
  EXPECT_EQ(error_of("i\xc3\xa4", {{2, 3}}),
            wanted + "got byte 195 at position 1 of \"i\xc3\xa4\"");
  EXPECT_EQ(error_of("...i...", {{2, 3}}),
            "einsum: wanted at most one '...' in a term; got a second one at position 4 of "
            "\"...i...\"");
}

TEST(EinsumErrors, AnErrorNamesTheOutputLabel) {
  EXPECT_EQ(error_of("ij->iz", {{2, 3}}),
            "einsum: wanted output labels that an operand has; got 'z' in \"ij->iz\"");
  EXPECT_EQ(error_of("ij,jk->ikk", {{2, 3}, {3, 4}}),
            "einsum: wanted each label once in the output; got 'k' again in \"ij,jk->ikk\"");
  const std::vector<Shape> two(2, filled<Shape>(5, 2));
  EXPECT_EQ(error_of("abcde,fghij", two),
            "einsum: wanted at most 8 output axes; got 10 in \"abcde,fghij\"");
}

TEST(EinsumErrors, AnErrorNamesTheDtypes) {
  const Tensor f = ones({2});
  EXPECT_EQ(error_with("i,i", {f, ones({2}, Dtype::i64)}),
            "einsum: wanted operands of one dtype; got f32 in operand 0 and i64 in operand 1");
  EXPECT_EQ(error_with("i", {equal(f, f)}),
            "einsum: wanted operands of f32, f64 or i64; got b8 in operand 0");
  EXPECT_EQ(error_with("i,i", {f, ones({2}, Dtype::f64)}),
            "einsum: wanted operands of one dtype; got f32 in operand 0 and f64 in operand 1");
  EXPECT_EQ(error_with("i,i", {f, {}}),
            "einsum: wanted a tensor as operand 1 of \"i,i\"; got an undefined one");
}

TEST(EinsumErrors, AnErrorSaysThatIntermediateResultsAreTooLarge) {
  // Five operands, each pair of which shares two labels: any product of two has 12.
  const std::vector<Shape> shapes(5, filled<Shape>(8, 2));
  EXPECT_EQ(error_of("abcdefgh,abijklmn,cdijopqr,efklopst,ghmnqrst->", shapes),
            "einsum: wanted an order of contraction that keeps intermediate results within 8 axes; "
            "got labels that allow none");
}

}  // namespace
}  // namespace rapt
