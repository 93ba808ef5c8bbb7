#include "plain_einsum.h"

#include <algorithm>
#include <map>
#include <string>

namespace rapt::fuzz {
namespace {

// A label is a letter, or an axis of "...": -1 for its last, -2 for the one before it.
using Label = int;
using LabelsOf = std::vector<Label>;
constexpr Label dots = 1;  // "...", before it is known how many axes it stands for

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct Read {
  std::vector<LabelsOf> terms{{}};
  std::optional<LabelsOf> output;
};

std::optional<Read> read(std::string_view equation) {
  std::string s;
  for (const char c : equation) {
    if (c != ' ') s += c;
  }
  // Spaces may stand anywhere but inside "..." and "->".
  if (std::string(equation).find(". ") != std::string::npos ||
      std::string(equation).find("- ") != std::string::npos) {
    for (size_t i = 0; i + 1 < equation.size(); ++i) {
      if (equation[i + 1] != ' ') continue;
      if (equation[i] == '-') return std::nullopt;
      size_t run = 0;  // of dots that end here
      for (size_t j = i + 1; j > 0 && equation[j - 1] == '.'; --j) ++run;
      if (run % 3 != 0) return std::nullopt;
    }
  }
  Read out;
  for (size_t i = 0; i < s.size(); ++i) {
    LabelsOf& term = out.output ? *out.output : out.terms.back();
    if (is_letter(s[i])) {
      term.push_back(s[i]);
    } else if (s.compare(i, 3, "...") == 0) {
      if (std::count(term.begin(), term.end(), dots) > 0) return std::nullopt;
      term.push_back(dots);
      i += 2;
    } else if (s[i] == ',' && !out.output) {
      out.terms.emplace_back();
    } else if (s.compare(i, 2, "->") == 0 && !out.output) {
      out.output.emplace();
      ++i;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

LabelsOf with_dots(const LabelsOf& term, int64_t axes) {
  LabelsOf out;
  for (const Label label : term) {
    if (label != dots) {
      out.push_back(label);
    } else {
      for (int64_t i = axes; i > 0; --i) out.push_back(static_cast<Label>(-i));
    }
  }
  return out;
}

struct Plan {
  std::vector<LabelsOf> terms;
  LabelsOf output;
  std::map<Label, int64_t> lengths;
};

std::optional<Plan> plan(std::string_view equation, const Tensors& operands) {
  const std::optional<Read> r = read(equation);
  if (!r || r->terms.size() != operands.size()) return std::nullopt;
  Plan out;
  int64_t most_dots = 0;
  std::map<Label, int> seen;
  for (size_t i = 0; i < operands.size(); ++i) {
    const LabelsOf& term = r->terms[i];
    const bool open = std::count(term.begin(), term.end(), dots) > 0;
    const auto named = static_cast<int64_t>(term.size()) - open;
    const int64_t left = operands[i].rank() - named;
    if (left < 0 || (left > 0 && !open)) return std::nullopt;
    most_dots = std::max(most_dots, left);
    out.terms.push_back(with_dots(term, left));
    for (const Label label : term) ++seen[label];
    std::map<Label, int64_t> inside;
    for (size_t axis = 0; axis < out.terms[i].size(); ++axis) {
      const Label label = out.terms[i][axis];
      const int64_t length = operands[i].shape()[static_cast<int64_t>(axis)];
      if (inside.contains(label) && inside[label] != length) return std::nullopt;
      inside[label] = length;
      int64_t& known = out.lengths.try_emplace(label, 1).first->second;
      if (known != 1 && length != 1 && known != length) return std::nullopt;
      if (length != 1) known = length;
    }
  }
  if (r->output) {
    for (const Label label : *r->output) {
      if (label == dots) continue;
      if (!seen.contains(label)) return std::nullopt;
      if (std::count(r->output->begin(), r->output->end(), label) > 1) return std::nullopt;
    }
    out.output = with_dots(*r->output, most_dots);
  } else {
    LabelsOf once{dots};
    for (const auto& [label, times] : seen) {
      if (label != dots && times == 1) once.push_back(label);
    }
    out.output = with_dots(once, most_dots);
  }
  if (out.output.size() > static_cast<size_t>(Dims::max_rank)) return std::nullopt;
  return out;
}

}  // namespace

int64_t plain_einsum_terms(std::string_view equation, const Tensors& operands) {
  const std::optional<Plan> p = plan(equation, operands);
  if (!p) return 0;
  int64_t terms = 1;
  for (const auto& [label, length] : p->lengths) terms *= std::max<int64_t>(1, length);
  return terms;
}

std::optional<PlainResult> plain_einsum(std::string_view equation, const Tensors& operands) {
  const std::optional<Plan> p = plan(equation, operands);
  if (!p) return std::nullopt;
  PlainResult out;
  for (const Label label : p->output) out.shape.push_back(p->lengths.at(label));
  out.values.assign(static_cast<size_t>(out.shape.numel()), 0);
  for (const auto& [label, length] : p->lengths) {
    if (length == 0) return out;
  }
  std::vector<std::vector<double>> values;
  for (const Tensor& x : operands) values.push_back(x.detach().to(Dtype::f64).values<double>());
  std::map<Label, int64_t> at;
  for (const auto& [label, length] : p->lengths) at[label] = 0;
  while (true) {
    double product = 1;
    for (size_t i = 0; i < operands.size(); ++i) {
      int64_t offset = 0;
      for (size_t axis = 0; axis < p->terms[i].size(); ++axis) {
        const int64_t length = operands[i].shape()[static_cast<int64_t>(axis)];
        offset = offset * length + (length == 1 ? 0 : at[p->terms[i][axis]]);
      }
      product *= values[i][static_cast<size_t>(offset)];
    }
    int64_t place = 0;
    for (const Label label : p->output) place = place * p->lengths.at(label) + at[label];
    out.values[static_cast<size_t>(place)] += product;
    auto next = at.begin();
    while (next != at.end() && ++next->second == p->lengths.at(next->first)) (next++)->second = 0;
    if (next == at.end()) return out;
  }
}

}  // namespace rapt::fuzz
