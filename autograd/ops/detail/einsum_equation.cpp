#include "rapt/autograd/ops/detail/einsum_equation.h"

#include <algorithm>
#include <string>

#include "rapt/autograd/error.h"

namespace rapt::einsum_detail {
namespace {

constexpr char dots = '.';  // a whole "..." once it is read

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int64_t label_of(char letter) { return letter <= 'Z' ? letter - 'A' : 26 + letter - 'a'; }

std::string name_of_label(int64_t label) {
  if (label >= letters) return text("axis ", letters - 1 - label, " of '...'");
  const char letter = static_cast<char>(label < 26 ? 'A' + label : 'a' + label - 26);
  return text("label '", std::string_view(&letter, 1), "'");
}

bool has_dots(const std::string& symbols) { return symbols.find(dots) != std::string::npos; }

int64_t named_axes(const std::string& symbols) {
  return static_cast<int64_t>(symbols.size()) - (has_dots(symbols) ? 1 : 0);
}

// A character as it can be printed: half of a UTF-8 sequence cannot.
std::string shown(char c) {
  const bool printable = c > ' ' && c <= '~';
  return printable ? text("'", std::string_view(&c, 1), "'")
                   : text("byte ", static_cast<unsigned char>(c));
}

// The two sides of an equation, each term's symbols without spaces.
struct Symbols {
  PoolVector<std::string> terms{""};
  std::string output;
  bool has_output = false;
};

Symbols read_symbols(std::string_view equation) {
  Symbols out;
  for (size_t i = 0; i < equation.size(); ++i) {
    const char c = equation[i];
    std::string& term = out.has_output ? out.output : out.terms.back();
    if (c == ' ') continue;
    if (is_letter(c)) {
      term += c;
    } else if (equation.substr(i, 3) == "...") {
      if (has_dots(term)) {
        fail("einsum: wanted at most one '...' in a term; got a second one at position ", i,
             " of \"", equation, "\"");
      }
      term += dots;
      i += 2;
    } else if (c == ',' && !out.has_output) {
      out.terms.emplace_back();
    } else if (equation.substr(i, 2) == "->" && !out.has_output) {
      out.has_output = true;
      i += 1;
    } else {
      fail("einsum: wanted letters, '...', spaces, ',' between operands and one '->'; got ",
           shown(c), " at position ", i, " of \"", equation, "\"");
    }
  }
  return out;
}

std::string shown(const std::string& symbols) {
  const size_t at = symbols.find(dots);
  return at == std::string::npos ? symbols : symbols.substr(0, at) + "..." + symbols.substr(at + 1);
}

// The labels of a term whose "..." stands for `ellipsis` axes.
Labels expand_term(const std::string& symbols, int64_t ellipsis) {
  Labels out;
  for (const char c : symbols) {
    if (c == dots) {
      for (int64_t i = ellipsis - 1; i >= 0; --i) out.push_back(letters + i);
    } else {
      out.push_back(label_of(c));
    }
  }
  return out;
}

void check_operands(std::string_view equation, size_t terms, TensorList operands) {
  if (operands.size() != terms) {
    fail("einsum: wanted ", terms, terms == 1 ? " operand" : " operands", " for \"", equation,
         "\"; got ", operands.size());
  }
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!operands[i].defined()) {
      fail("einsum: wanted a tensor as operand ", i, " of \"", equation,
           "\"; got an undefined one");
    }
    if (operands[i].dtype() == Dtype::b8) {
      fail("einsum: wanted operands of f32, f64 or i64; got b8 in operand ", i);
    }
    if (operands[i].dtype() != operands[0].dtype()) {
      fail("einsum: wanted operands of one dtype; got ", operands[0].dtype(), " in operand 0 and ",
           operands[i].dtype(), " in operand ", i);
    }
  }
}

// How many axes the "..." of a term stands for.
int64_t ellipsis_axes(std::string_view equation, const std::string& symbols, const Tensor& x,
                      size_t operand) {
  const bool open = has_dots(symbols);
  const int64_t named = named_axes(symbols);
  if (open ? x.rank() < named : x.rank() != named) {
    fail("einsum: wanted ", open ? "at least " : "", named, named == 1 ? " axis" : " axes",
         " in operand ", operand, ", which is \"", shown(symbols), "\" in \"", equation, "\"; got ",
         x.shape());
  }
  return x.rank() - named;
}

// Lengths agree inside an operand; between operands 1 is stretched too.
Lengths read_lengths(std::string_view equation, const PoolVector<Labels>& terms,
                     TensorList operands) {
  Lengths lengths;
  lengths.fill(1);
  std::array<size_t, max_labels> owner{};
  for (size_t i = 0; i < terms.size(); ++i) {
    const Shape& shape = operands[i].shape();
    for (int64_t axis = 0; axis < shape.rank(); ++axis) {
      const int64_t label = terms[i][axis];
      for (int64_t before = 0; before < axis; ++before) {
        if (terms[i][before] == label && shape[before] != shape[axis]) {
          fail("einsum: wanted one length for ", name_of_label(label), " in \"", equation,
               "\"; got ", shape[before], " and ", shape[axis], " in operand ", i, " ", shape);
        }
      }
      if (shape[axis] == 1 || shape[axis] == lengths[label]) continue;
      if (lengths[label] != 1) {
        fail("einsum: wanted one length for ", name_of_label(label), " in \"", equation, "\"; got ",
             lengths[label], " in operand ", owner[label], " ", operands[owner[label]].shape(),
             " and ", shape[axis], " in operand ", i, " ", shape);
      }
      lengths[label] = shape[axis];
      owner[label] = i;
    }
  }
  return lengths;
}

// Without "->": the ellipsis, then the labels that the whole left side has once.
std::string implicit_output(const PoolVector<std::string>& terms) {
  std::string all;
  for (const std::string& term : terms) all += term;
  std::string once;
  for (const char c : all) {
    if (c != dots && std::count(all.begin(), all.end(), c) == 1) once += c;
  }
  std::sort(once.begin(), once.end());
  return dots + once;
}

void check_output(std::string_view equation, const Symbols& symbols) {
  const std::string& output = symbols.output;
  for (size_t i = 0; i < output.size(); ++i) {
    if (output[i] == dots) continue;
    const std::string_view letter(&output[i], 1);
    if (output.find(output[i], i + 1) != std::string::npos) {
      fail("einsum: wanted each label once in the output; got '", letter, "' again in \"", equation,
           "\"");
    }
    const auto has = [&](const std::string& t) { return t.find(letter) != std::string::npos; };
    if (std::none_of(symbols.terms.begin(), symbols.terms.end(), has)) {
      fail("einsum: wanted output labels that an operand has; got '", letter, "' in \"", equation,
           "\"");
    }
  }
}

}  // namespace

Equation parse(std::string_view equation, TensorList operands) {
  const Symbols symbols = read_symbols(equation);
  check_operands(equation, symbols.terms.size(), operands);
  check_output(equation, symbols);
  Equation out;
  int64_t longest_ellipsis = 0;
  for (size_t i = 0; i < operands.size(); ++i) {
    const int64_t ellipsis = ellipsis_axes(equation, symbols.terms[i], operands[i], i);
    longest_ellipsis = std::max(longest_ellipsis, ellipsis);
    out.terms.push_back(expand_term(symbols.terms[i], ellipsis));
  }
  out.lengths = read_lengths(equation, out.terms, operands);
  const std::string output = symbols.has_output ? symbols.output : implicit_output(symbols.terms);
  const int64_t axes = named_axes(output) + (has_dots(output) ? longest_ellipsis : 0);
  if (axes > Dims::max_rank) {
    fail("einsum: wanted at most ", Dims::max_rank, " output axes; got ", axes, " in \"", equation,
         "\"");
  }
  out.output = expand_term(output, longest_ellipsis);
  return out;
}

}  // namespace rapt::einsum_detail
