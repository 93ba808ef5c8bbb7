// einsum against its definition: a loop over every index tuple.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "../support/equation_maker.h"
#include "../support/tensors.h"
#include "rapt/autograd/autograd.h"
#include "rapt/autograd/graph/node.h"

namespace rapt {
namespace {

using tests::EquationMaker;

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

TEST(Einsum, OfWholeNumbersIsExact) {
  Rng rng(3);
  for (const Form& form : documented_forms()) {
    SCOPED_TRACE(form.equation);
    Tensors whole, numbers;
    for (const Shape& shape : form.shapes) {
      whole.push_back(rng.integers(-9, 10, shape));
      numbers.push_back(whole.back().to(Dtype::f64));
    }
    EXPECT_TRUE(tests::same_bits(einsum(form.equation, whole),
                                 einsum(form.equation, numbers).to(Dtype::i64)));
  }
  // Rows and columns that no block divides, and numbers that a double cannot hold.
  const Tensor a = rng.integers(-9, 10, {7, 33}), b = rng.integers(-9, 10, {33, 301});
  EXPECT_TRUE(
      tests::same_bits(matmul(a, b), matmul(a.to(Dtype::f64), b.to(Dtype::f64)).to(Dtype::i64)));
  const Tensor large = full({1, 1}, 0x1p53, Dtype::i64) + 1;
  EXPECT_EQ(matmul(large, full({1, 1}, 3, Dtype::i64)).str(), "i64[1, 1] {{27021597764222979}}");
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

}  // namespace
}  // namespace rapt
