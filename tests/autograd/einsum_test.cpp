// einsum against its definition: a loop over every index tuple.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"
#include "rapt/autograd/graph/node.h"

namespace rapt {
namespace {

using Strings = std::vector<std::string>;

// ---- the definition ----------------------------------------------------------------------------

// An equation with one character per axis: letters, and digits for the axes of "...", counted from
// its last.
struct Definition {
  Strings terms{""};
  std::string output;
};

std::string replaced(std::string s, const std::string& from, const std::string& to) {
  for (size_t at = s.find(from); at != s.npos; at = s.find(from, at + to.size())) {
    s.replace(at, from.size(), to);
  }
  return s;
}

Definition define(const std::string& equation, const Tensors& operands) {
  std::string s = replaced(replaced(equation, " ", ""), "...", "@");
  const size_t arrow = s.find("->");
  Definition d;
  for (const char c : s.substr(0, arrow)) {
    if (c == ',') {
      d.terms.emplace_back();
    } else {
      d.terms.back() += c;
    }
  }
  std::string longest;
  for (size_t i = 0; i < d.terms.size(); ++i) {
    std::string& term = d.terms[i];
    const auto named = static_cast<int64_t>(term.size()) - 1;
    std::string digits;
    for (int64_t k = operands[i].rank() - named - 1; k >= 0; --k) digits += char('0' + k);
    if (term.find('@') != term.npos) term = replaced(term, "@", digits);
    if (term.find_first_of("0123456789") != term.npos && digits.size() > longest.size()) {
      longest = digits;
    }
  }
  if (arrow != s.npos) {
    d.output = replaced(s.substr(arrow + 2), "@", longest);
  } else {
    std::map<char, int> uses;
    for (const std::string& term : d.terms) {
      for (const char c : term) ++uses[c];
    }
    d.output = longest;
    for (const auto& [c, n] : uses) {
      if (n == 1 && !std::isdigit(c)) d.output += c;
    }
  }
  return d;
}

Tensor by_definition(const std::string& equation, const Tensors& operands) {
  const Definition d = define(equation, operands);
  std::map<char, int64_t> length;
  for (size_t i = 0; i < operands.size(); ++i) {
    for (size_t k = 0; k < d.terms[i].size(); ++k) {
      const int64_t n = operands[i].size(static_cast<int64_t>(k));
      int64_t& l = length.try_emplace(d.terms[i][k], 1).first->second;
      if (n != 1) l = n;
    }
  }
  std::vector<std::vector<double>> values;
  for (const Tensor& x : operands) values.push_back(x.values<double>());
  Shape shape;
  for (const char c : d.output) shape.push_back(length[c]);
  std::vector<double> out(static_cast<size_t>(shape.numel()), 0.0);

  std::map<char, int64_t> index;
  int64_t tuples = 1;
  for (const auto& [c, n] : length) {
    index[c] = 0;
    tuples *= n;
  }
  const auto offset = [&](const std::string& term, const Shape& s) {
    int64_t at = 0;
    for (size_t k = 0; k < term.size(); ++k) {
      const int64_t n = s[static_cast<int64_t>(k)];
      at = at * n + (n == 1 ? 0 : index[term[k]]);
    }
    return static_cast<size_t>(at);
  };
  for (int64_t t = 0; t < tuples; ++t) {
    double product = 1;
    for (size_t i = 0; i < operands.size(); ++i) {
      product *= values[i][offset(d.terms[i], operands[i].shape())];
    }
    out[offset(d.output, shape)] += product;
    for (auto& [c, i] : index) {
      if (++i < length[c]) break;
      i = 0;
    }
  }
  return from_values(out, shape);
}

void expect_as_defined(const std::string& equation, const Tensors& operands) {
  std::string shapes;
  for (const Tensor& x : operands) shapes += x.shape().str();
  SCOPED_TRACE("\"" + equation + "\" of " + shapes);
  const Tensor wanted = by_definition(equation, operands);
  const Tensor got = einsum(equation, operands);
  ASSERT_EQ(got.shape().str(), wanted.shape().str());
  const auto g = got.values<double>();
  const auto w = wanted.values<double>();
  for (size_t i = 0; i < g.size(); ++i) {
    ASSERT_NEAR(g[i], w[i], 1e-12 * (1 + std::abs(w[i]))) << "element " << i;
  }
}

Tensors random_operands(const std::vector<Shape>& shapes) {
  Rng rng(1);
  Tensors out;
  for (const Shape& shape : shapes) out.push_back(rng.normal(shape, 0, 1, Dtype::f64));
  return out;
}

// ---- what NumPy and PyTorch document -----------------------------------------------------------

struct Form {
  const char* equation;
  std::vector<Shape> shapes;
};

// The expressions of numpy.einsum's, numpy.einsum_path's and torch.einsum's pages.
const std::vector<Form>& documented_forms() {
  static const std::vector<Form> forms = {
      {"ii", {{5, 5}}},
      {"ii->i", {{5, 5}}},
      {"iii", {{3, 3, 3}}},
      {"iii->i", {{3, 3, 3}}},
      {"iijj->ji", {{2, 2, 3, 3}}},
      {"ij->", {{2, 3}}},
      {"ij->i", {{2, 3}}},
      {"ij->j", {{2, 3}}},
      {"...j->...", {{2, 2, 3}}},
      {"i...->...", {{2, 3}}},
      {"...->", {{2, 3}}},
      {"i...->i", {{2, 3, 2}}},
      {"ji", {{2, 3}}},
      {"ij->ji", {{2, 3}}},
      {"ij->ij", {{2, 3}}},
      {"...ij->...ji", {{2, 3, 4}}},
      {"...", {{2, 3}}},
      {"...i", {{2, 3}}},
      {"i...", {{2, 3}}},
      {"ba", {{2, 3}}},
      {"aB", {{2, 3}}},
      {"Ab", {{2, 3}}},
      {"i,i", {{4}, {4}}},
      {"i,i->i", {{4}, {4}}},
      {"i,j", {{2}, {3}}},
      {"i,j->ij", {{2}, {3}}},
      {"i,j->ji", {{2}, {3}}},
      {"i,i->", {{4}, {4}}},
      {"i,j->", {{2}, {3}}},
      {"ij,j", {{5, 5}, {5}}},
      {"...j,j", {{2, 5}, {5}}},
      {"ij,j->ij", {{2, 3}, {3}}},
      {"ij,jk", {{2, 3}, {3, 4}}},
      {"ij,jk->ik", {{2, 3}, {3, 4}}},
      {"ij,jk->ki", {{2, 3}, {3, 4}}},
      {"ij,kj->ik", {{2, 3}, {4, 3}}},
      {"ij,ij->", {{2, 3}, {2, 3}}},
      {"ij,ij->ij", {{2, 3}, {2, 3}}},
      {"ij,ij->i", {{2, 3}, {2, 3}}},
      {"ij,ji->", {{2, 3}, {3, 2}}},
      {"ij,kl->ijkl", {{2, 3}, {2, 2}}},
      {"...,...", {{}, {2, 3}}},
      {",ij", {{}, {2, 3}}},
      {",", {{}, {}}},
      {"", {{}}},
      {"->", {{}}},
      {"i,,j", {{2}, {}, {3}}},
      {"ijk,jil->kl", {{3, 4, 5}, {4, 3, 2}}},
      {"ki,...k->i...", {{3, 2}, {4, 3}}},
      {"k...,jk", {{3, 2}, {4, 3}}},
      {"ij...,jk...->ik...", {{2, 3, 2}, {3, 2, 2}}},
      {"bij,bjk->bik", {{2, 2, 3}, {2, 3, 4}}},
      {"...ij,...jk->...ik", {{2, 1, 2, 3}, {3, 3, 2}}},
      {"...ij,...jk", {{2, 1, 2, 3}, {3, 3, 2}}},
      {"ij,...jk->...ik", {{2, 3}, {2, 2, 3, 2}}},
      {"...ii->...i", {{2, 3, 3}}},
      {"b...,b...->", {{2, 3}, {2, 3}}},
      {"b...,b...->b", {{2, 3, 2}, {2, 3, 2}}},
      {"ab...c,c...->...ba", {{2, 3, 2, 1, 4}, {4, 2, 3}}},
      {"i...,j...->ij...", {{2, 3}, {4, 1}}},
      {"...,...->...", {{2, 1, 3}, {4, 1}}},
      {"...a,...a->...", {{3}, {2, 2, 3}}},
      {"...i->i...", {{2, 3, 4}}},
      {"ij->...ij", {{2, 3}}},
      {"bn,anm,bm->ba", {{2, 5}, {3, 5, 4}, {2, 4}}},
      {"ab,bc,cd,de->ae", {{2, 3}, {3, 4}, {4, 2}, {2, 3}}},
      {"ea,fb,abcd,gc,hd->efgh", {{2, 2}, {2, 2}, {2, 2, 2, 2}, {2, 2}, {2, 2}}},
      {"ijk,ilm,njm,nlk,abc->", {{2, 2, 2}, {2, 2, 2}, {2, 2, 2}, {2, 2, 2}, {2, 2, 2}}},
      {"bqhd,bkhd->bhqk", {{2, 3, 2, 4}, {2, 5, 2, 4}}},
      {"nqhd,nkhd->nhqk", {{2, 3, 2, 4}, {2, 5, 2, 4}}},
      {"nhql,nlhd->nqhd", {{2, 2, 3, 5}, {2, 5, 2, 4}}},
      {" i j , j k -> k i ", {{2, 3}, {3, 4}}},
      {"... i j,... j k ->... i k", {{2, 2, 3}, {2, 3, 2}}},
      // Length 1 stretches, named or not.
      {"i,i", {{1}, {3}}},
      {"ij,jk", {{2, 1}, {3, 4}}},
      {"ij,ij->ij", {{2, 1}, {1, 3}}},
      {"ij,ij->i", {{2, 1}, {1, 3}}},
      {"ii,ij->ij", {{1, 1}, {3, 2}}},
      {"ij->ji", {{1, 3}}},
      {"ij,jk,kl->il", {{1, 1}, {1, 1}, {1, 1}}},
  };
  return forms;
}

TEST(Einsum, AgreesWithItsDefinitionOnTheDocumentedForms) {
  for (const Form& form : documented_forms()) {
    expect_as_defined(form.equation, random_operands(form.shapes));
  }
}

TEST(Einsum, TakesEmptyAxes) {
  for (const Form& form : std::vector<Form>{{"ij,jk", {{2, 0}, {0, 3}}},
                                            {"ij,jk", {{0, 2}, {2, 3}}},
                                            {"ij,jk->", {{0, 2}, {2, 3}}},
                                            {"i,i", {{0}, {1}}},
                                            {"i,j", {{0}, {2}}},
                                            {"ij->j", {{0, 2}}},
                                            {"ii", {{0, 0}}},
                                            {"ii->i", {{0, 0}}},
                                            {"bij,bjk->bik", {{0, 2, 3}, {0, 3, 2}}},
                                            {"bij,bjk->bik", {{2, 2, 0}, {2, 0, 2}}},
                                            {"...i,...i->...", {{2, 0, 3}, {1, 3}}},
                                            {"ij,jk,kl->il", {{2, 0}, {0, 3}, {3, 2}}}}) {
    expect_as_defined(form.equation, random_operands(form.shapes));
  }
}

// ---- random equations --------------------------------------------------------------------------

class EquationMaker {
 public:
  explicit EquationMaker(uint64_t seed) : engine_(seed), rng_(seed) {}

  struct Made {
    std::string equation;
    Tensors operands;
  };

  Made make() {
    const std::string pool = "aBcDeF";
    std::map<char, int64_t> length;
    for (const char c : pool) length[c] = below(20) == 0 ? 0 : 2 + below(3);
    const std::array<int64_t, 2> dots_length = {1 + below(3), 1 + below(3)};  // from the last axis

    Made made;
    std::string seen;
    bool any_dots = false;
    const int64_t operands = 1 + below(5);
    for (int64_t i = 0; i < operands; ++i) {
      const int64_t named = below(10) == 0 ? 0 : 1 + below(4);
      const int64_t dots_at = below(3) == 0 ? below(named + 1) : -1;
      std::map<char, bool> stretched;
      Shape shape;
      if (i > 0) made.equation += ',';
      for (int64_t k = 0; k <= named; ++k) {
        if (k == dots_at) {
          made.equation += "...";
          any_dots = true;
          for (int64_t d = below(3); d-- > 0;) {
            shape.push_back(below(4) == 0 ? 1 : dots_length[static_cast<size_t>(d)]);
          }
        }
        if (k == named) break;
        const char c = pool[static_cast<size_t>(below(6))];
        const bool one = stretched.try_emplace(c, below(8) == 0).first->second;
        shape.push_back(one ? 1 : length[c]);
        made.equation += c;
        seen += c;
        if (below(8) == 0) made.equation += ' ';
      }
      made.operands.push_back(operand(shape));
    }
    if (below(3) > 0) made.equation += "->" + output(seen, any_dots);
    return made;
  }

 private:
  int64_t below(int64_t n) { return static_cast<int64_t>(engine_() % static_cast<uint64_t>(n)); }

  std::string output(std::string seen, bool any_dots) {
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    std::string out;
    while (!seen.empty()) {
      const auto at = static_cast<size_t>(below(static_cast<int64_t>(seen.size())));
      if (below(2) == 0) out += seen[at];
      seen.erase(at, 1);
    }
    if (any_dots && below(4) > 0) {
      out.insert(static_cast<size_t>(below(static_cast<int64_t>(out.size()) + 1)), "...");
    }
    return out;
  }

  // Dense, permuted, strided or stretched.
  Tensor operand(const Shape& shape) {
    const int64_t rank = shape.rank();
    if (rank == 0) return rng_.normal(shape, 0, 1, Dtype::f64);
    switch (below(4)) {
      case 0: {
        Shape reversed;
        Axes order;
        for (int64_t i = rank; i-- > 0;) {
          reversed.push_back(shape[i]);
          order.push_back(i);
        }
        return permute(rng_.normal(reversed, 0, 1, Dtype::f64), order);
      }
      case 1: {
        Shape wide = shape;
        wide.back() *= 2;
        return slice(rng_.normal(wide, 0, 1, Dtype::f64), -1, 0, wide.back(), 2);
      }
      case 2: {
        Shape flat = shape;
        flat[0] = 1;
        return expand(rng_.normal(flat, 0, 1, Dtype::f64), shape);
      }
      default:
        return rng_.normal(shape, 0, 1, Dtype::f64);
    }
  }

  std::mt19937_64 engine_;
  Rng rng_;
};

TEST(Einsum, AgreesWithItsDefinitionOnRandomEquations) {
  EquationMaker maker(1);
  for (int i = 0; i < 600; ++i) {
    const auto made = maker.make();
    expect_as_defined(made.equation, made.operands);
    if (HasFailure()) break;
  }
}

TEST(Einsum, GradientsOfTheDocumentedFormsAreRight) {
  for (const Form& form : documented_forms()) {
    SCOPED_TRACE(form.equation);
    int64_t elements = 0;
    for (const Shape& shape : form.shapes) elements += shape.numel();
    if (elements > 60) continue;
    const auto f = [&](const Tensors& x) { return einsum(form.equation, x); };
    const GradientReport report = check_gradients(f, random_operands(form.shapes));
    EXPECT_TRUE(report) << report.text;
  }
}

TEST(Einsum, GradientsOfRandomEquationsAreRight) {
  EquationMaker maker(2);
  int checked = 0;
  while (checked < 40) {
    const auto made = maker.make();
    SCOPED_TRACE(made.equation);
    int64_t elements = einsum(made.equation, made.operands).numel();
    for (const Tensor& x : made.operands) elements += x.numel();
    if (elements > 80) continue;
    ++checked;
    const auto f = [&](const Tensors& x) { return einsum(made.equation, x); };
    const GradientReport report = check_gradients(f, made.operands, {.non_contiguous = false});
    EXPECT_TRUE(report) << report.text;
  }
}

TEST(Einsum, WorksInF32) {
  const Tensor a = tensor({{1, 2}, {3, 4}});
  const Tensor y = einsum("ij,jk->ki", {a, a});
  EXPECT_EQ(y.dtype(), Dtype::f32);
  EXPECT_EQ(y.values<float>(), (std::vector<float>{7, 15, 10, 22}));
}

TEST(Einsum, OnlyTurnedAxesAreAView) {
  const Tensor x = random_operands({{3, 3, 2}})[0];
  EXPECT_EQ(einsum("iij->ji", {x}).data<double>(), x.data<double>());
  EXPECT_EQ(einsum("i...->...i", {x}).data<double>(), x.data<double>());
}

// The shapes of the copies among the ops behind y.
Strings copies_behind(const Tensor& y) {
  Strings copies;
  std::vector<const Node*> open = {impl_of(y)->node.get()};
  while (!open.empty()) {
    const Node* node = open.back();
    open.pop_back();
    if (std::string(node->op) == "clone") copies.push_back(node->first.shape.str());
    for (const Edge& edge : node->inputs) {
      if (edge.node) open.push_back(edge.node.get());
    }
  }
  return copies;
}

Strings copies_of(const char* equation, const std::vector<Shape>& shapes) {
  Tensors operands = random_operands(shapes);
  for (Tensor& x : operands) x.set_requires_grad();
  return copies_behind(einsum(equation, operands));
}

TEST(Einsum, CopiesNothingThatABatchedProductCanRead) {
  EXPECT_EQ(copies_of("bqhd,bkhd->bhqk", {{2, 3, 4, 5}, {2, 6, 4, 5}}), Strings{});
  EXPECT_EQ(copies_of("bhqk,bkhd->bqhd", {{2, 4, 3, 6}, {2, 6, 4, 5}}), Strings{});
  EXPECT_EQ(copies_of("...tc,cd->...td", {{2, 3, 4, 5}, {5, 6}}), Strings{});
  EXPECT_EQ(copies_of("bthd,hdc->btc", {{2, 3, 4, 5}, {4, 5, 6}}), Strings{});
  EXPECT_EQ(copies_of("abij,klij->lkba", {{2, 3, 4, 5}, {6, 7, 4, 5}}), Strings{});
  EXPECT_EQ(copies_of("ij,ji->", {{3, 4}, {4, 3}}), Strings{});
  EXPECT_EQ(copies_of("ii,ij->j", {{3, 3}, {3, 4}}), Strings{});
}

TEST(Einsum, CopiesTheSmallerOperandWhereTheOrdersDisagree) {
  EXPECT_EQ(copies_of("ijk,lkj->il", {{2, 3, 4}, {9, 4, 3}}), Strings{"[2, 4, 3]"});
  EXPECT_EQ(copies_of("ijk,lkj->il", {{9, 3, 4}, {2, 4, 3}}), Strings{"[3, 4, 2]"});
}

TEST(Einsum, AProductIsDenseAlongTheLastAxisOfTheOutput) {
  const std::vector<Shape> shapes = {{2, 3}, {3, 4}};
  EXPECT_TRUE(einsum("ij,jk->ik", random_operands(shapes)).is_contiguous());
  EXPECT_TRUE(einsum("ij,jk->ki", random_operands(shapes)).is_contiguous());
}

TEST(Einsum, TakesMoreOperandsThanTheExactSearchCovers) {
  const std::vector<Shape> shapes(11, Shape{2, 2});
  expect_as_defined("ab,bc,cd,de,ef,fg,gh,hi,ij,jk,kl->la", random_operands(shapes));
}

TEST(Einsum, TakesEightAxes) {
  const Shape eight = {2, 1, 2, 2, 1, 2, 2, 2};
  expect_as_defined("abcdefgh,abcdefgh->hgfedcba", random_operands({eight, eight}));
  expect_as_defined("abcdefgh,abcdefgh->abcdefg", random_operands({eight, eight}));
  const Shape twos = filled<Shape>(8, 2);
  expect_as_defined("abcdefgh,abcdefgi->abcdefhi", random_operands({twos, twos}));
  expect_as_defined("abcdefgh,abcdefgi->aihbcdef", random_operands({twos, twos}));
}

// ---- errors ------------------------------------------------------------------------------------

std::string error_with(const std::string& equation, const Tensors& operands) {
  return tests::error_of([&] { einsum(equation, operands); });
}

std::string error_of(const std::string& equation, const std::vector<Shape>& shapes) {
  return error_with(equation, random_operands(shapes));
}

TEST(Einsum, AnErrorNamesTheLabelAndItsTwoLengths) {
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

TEST(Einsum, AnErrorNamesTheOperandWhoseRankIsWrong) {
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

TEST(Einsum, AnErrorCountsTheOperands) {
  EXPECT_EQ(error_of("ij,jk", {{2, 3}}), "einsum: wanted 2 operands for \"ij,jk\"; got 1");
  EXPECT_EQ(error_of("ij", {{2, 3}, {2, 3}}), "einsum: wanted 1 operand for \"ij\"; got 2");
  EXPECT_EQ(error_of("", std::vector<Shape>{}), "einsum: wanted 1 operand for \"\"; got 0");
}

TEST(Einsum, AnErrorShowsTheCharacter) {
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

TEST(Einsum, AnErrorNamesTheOutputLabel) {
  EXPECT_EQ(error_of("ij->iz", {{2, 3}}),
            "einsum: wanted output labels that an operand has; got 'z' in \"ij->iz\"");
  EXPECT_EQ(error_of("ij,jk->ikk", {{2, 3}, {3, 4}}),
            "einsum: wanted each label once in the output; got 'k' again in \"ij,jk->ikk\"");
  const std::vector<Shape> two(2, filled<Shape>(5, 2));
  EXPECT_EQ(error_of("abcde,fghij", two),
            "einsum: wanted at most 8 output axes; got 10 in \"abcde,fghij\"");
}

TEST(Einsum, AnErrorNamesTheDtypes) {
  const Tensor f = ones({2});
  EXPECT_EQ(error_with("i,i", {f, ones({2}, Dtype::i64)}),
            "einsum: wanted operands of f32 or f64; got i64 in operand 1");
  EXPECT_EQ(error_with("i", {equal(f, f)}),
            "einsum: wanted operands of f32 or f64; got b8 in operand 0");
  EXPECT_EQ(error_with("i,i", {f, ones({2}, Dtype::f64)}),
            "einsum: wanted operands of one dtype; got f32 in operand 0 and f64 in operand 1");
  EXPECT_EQ(error_with("i,i", {f, {}}),
            "einsum: wanted a tensor as operand 1 of \"i,i\"; got an undefined one");
}

TEST(Einsum, AnErrorSaysThatIntermediateResultsAreTooLarge) {
  // Five operands, each pair of which shares two labels: any product of two has 12.
  const std::vector<Shape> shapes(5, filled<Shape>(8, 2));
  EXPECT_EQ(error_of("abcdefgh,abijklmn,cdijopqr,efklopst,ghmnqrst->", shapes),
            "einsum: wanted an order of contraction that keeps intermediate results within 8 axes; "
            "got labels that allow none");
}

}  // namespace
}  // namespace rapt
