#include "declarations.h"

#include <fstream>
#include <regex>
#include <sstream>

#include "rapt/autograd/error.h"

namespace rapt::tests {
namespace {

std::string without_comments(std::string_view header) {
  static const std::regex comments("//[^\n]*|/\\*[^]*?\\*/|(^|\n)[ \t]*#[^\n]*");
  return std::regex_replace(std::string(header), comments, "\n");
}

std::string trimmed(const std::string& s) {
  const size_t begin = s.find_first_not_of(" \n\t");
  if (begin == std::string::npos) return "";
  return s.substr(begin, s.find_last_not_of(" \n\t") - begin + 1);
}

// "const Tensor& a = {}" -> "Tensor".
std::string parameter_type(const std::string& parameter) {
  std::string s = parameter.substr(0, parameter.find('='));
  s = std::regex_replace(s, std::regex("\\bconst\\b|&"), " ");
  s = trimmed(s);
  const size_t space = s.find_last_of(" \n\t");
  return space == std::string::npos ? s : trimmed(s.substr(0, space));
}

// "Tensor add(const Tensor& a, double b)" -> "add(Tensor, double)"; empty when it is no function.
std::string signature(const std::string& head) {
  static const std::regex function("(operator[^\\s\\w(]+|\\w+)\\s*\\(([^]*)\\)[^()]*");
  // A variable may be initialised by a call.
  const bool variable = head.find('=') < head.find('(') && head.find("operator") == head.npos;
  std::smatch match;
  if (variable || !std::regex_search(head, match, function)) return "";
  std::string out = match[1].str() + "(";
  const std::string parameters = match[2].str();
  int depth = 0;
  std::string parameter;
  const auto finish = [&] {
    if (trimmed(parameter).empty()) return;
    if (out.back() != '(') out += ", ";
    out += parameter_type(parameter);
    parameter.clear();
  };
  for (const char c : parameters) {
    depth += (c == '(' || c == '{' || c == '<') - (c == ')' || c == '}' || c == '>');
    if (c == ',' && depth == 0) {
      finish();
    } else {
      parameter += c;
    }
  }
  finish();
  return out + ")";
}

}  // namespace

std::vector<std::string> declared_functions(std::string_view header) {
  const std::string text = without_comments(header);
  static const std::regex scope("\\b(namespace|struct|class)\\s+([\\w:]+)[^()]*$");
  std::vector<std::string> out;
  std::vector<std::string> scopes;  // the prefix that each open brace adds
  std::string head;                 // of the declaration under way
  int parentheses = 0;
  int skipped = 0;  // braces of a body or an initialiser
  const auto declare = [&] {
    const std::string s = signature(head);
    if (!s.empty()) {
      std::string prefix;
      for (const std::string& p : scopes) prefix += p;
      out.push_back(prefix + s);
    }
    head.clear();
  };
  for (const char c : text) {
    if (skipped > 0) {
      skipped += (c == '{') - (c == '}');
      continue;
    }
    parentheses += (c == '(') - (c == ')');
    if (parentheses > 0) {
      head += c;  // a default argument may have braces
    } else if (c == '{') {
      std::smatch match;
      if (std::regex_search(head, match, scope)) {
        scopes.push_back(match[1] == "namespace" ? "" : match[2].str() + "::");
        head.clear();
      } else {
        if (head.find('(') != std::string::npos) declare();
        skipped = 1;
      }
    } else if (c == '}') {
      if (!scopes.empty()) scopes.pop_back();
      head.clear();
    } else if (c == ';') {
      declare();
    } else {
      head += c;
    }
  }
  return out;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("read_text: wanted a file; got ", path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string ops_headers() {
  const std::string index = read_text(RAPT_SOURCE_DIR "/autograd/ops.h");
  static const std::regex family(
      "#include \"rapt/(autograd/(?:ops/|attention/|operators)[^\"]+)\"");
  std::string out;
  for (std::sregex_iterator at(index.begin(), index.end(), family), end; at != end; ++at) {
    out += read_text(RAPT_SOURCE_DIR "/" + (*at)[1].str());
  }
  return out;
}

}  // namespace rapt::tests
