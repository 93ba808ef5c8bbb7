// Reads docs/attention.md: every line of it in rapt is a line of a test, between "// [name]" and
// "// [end]", and every such line is on the page. The tests in attention/ run them.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "../support/command.h"
#include "../support/declarations.h"

namespace rapt::tests {
namespace {

using Lines = std::vector<std::string>;
using Regions = std::map<std::string, Lines>;

/// Not a variant, but what variants are changes of.
const std::set<std::string> frames = {"a-block-of-your-own"};
constexpr size_t most_lines = 5;

size_t indent_of(const std::string& line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

/// Without the spaces that all of them begin with.
Lines dedented(Lines lines) {
  size_t common = std::string::npos;
  for (const std::string& line : lines) {
    if (!line.empty()) common = std::min(common, indent_of(line));
  }
  for (std::string& line : lines) line = line.substr(std::min(common, line.size()));
  return lines;
}

/// What a source has between a comment "[name]" and "[end]".
Regions regions_of(const std::string& source) {
  Regions out;
  std::string name;
  for (const std::string& line : lines_of(source)) {
    const std::string text = line.substr(indent_of(line));
    const bool is_mark = text.starts_with("// [") && text.ends_with("]");
    const std::string mark = is_mark ? text.substr(4, text.size() - 5) : "";
    if (mark == "end") {
      out[name] = dedented(out[name]);
      name.clear();
    } else if (is_mark) {
      EXPECT_TRUE(name.empty()) << name << " has no end";
      EXPECT_FALSE(out.contains(mark)) << mark << " is there twice";
      name = mark;
    } else if (!name.empty()) {
      out[name].push_back(line);
    }
  }
  EXPECT_TRUE(name.empty()) << name << " has no end";
  return out;
}

/// As GitHub makes a heading's anchor.
std::string slug(const std::string& heading) {
  std::string out;
  for (const char c : heading) {
    if (c >= 'A' && c <= 'Z') {
      out += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-') {
      out += c;
    } else if (c == ' ') {
      out += '-';
    }
  }
  return out;
}

Lines cells_of(const std::string& row) {
  Lines out;
  for (size_t begin = 1; begin < row.size();) {
    const size_t end = row.find('|', begin);
    const std::string cell = row.substr(begin, end - begin);
    const size_t first = indent_of(cell);
    out.push_back(cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
    begin = end == std::string::npos ? row.size() : end + 1;
  }
  return out;
}

/// What stands between backquotes.
Lines code_in(const std::string& cell) {
  Lines out;
  for (size_t begin = cell.find('`'); begin != std::string::npos;) {
    const size_t end = cell.find('`', begin + 1);
    out.push_back(cell.substr(begin + 1, end - begin - 1));
    begin = cell.find('`', end + 1);
  }
  return out;
}

bool contains(const Lines& lines, const std::string& part) {
  std::string all;
  for (const std::string& line : lines) all += line.substr(indent_of(line)) + " ";
  return all.find(part) != std::string::npos;
}

/// What is wrong with a page beside the regions of the tests.
class PageCheck {
 public:
  PageCheck(const std::string& page, const Regions& regions) : regions_(regions) {
    const Lines lines = lines_of(page);
    for (const std::string& line : lines) {
      if (line.starts_with("### ")) headings_.insert(slug(line.substr(4)));
    }
    std::string heading;
    for (size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].starts_with("#")) heading = slug(lines[i].substr(lines[i].find(' ') + 1));
      if (lines[i] == "```c++") {
        const auto end =
            std::find(lines.begin() + static_cast<std::ptrdiff_t>(i), lines.end(), "```");
        check_block(heading, Lines(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1, end));
      }
      if (lines[i].starts_with("| ") && !lines[i].starts_with("| variant")) check_row(lines[i]);
    }
    for (const auto& [name, code] : regions) {
      if (!used_.contains(name)) wrong(name + ": not on the page");
    }
  }

  const Lines& mistakes() const { return mistakes_; }

 private:
  void wrong(const std::string& what) { mistakes_.push_back(what); }

  const Lines* region(const std::string& name) {
    const auto found = regions_.find(name);
    if (found == regions_.end()) {
      wrong(name + ": in no test");
      return nullptr;
    }
    used_.insert(name);
    return &found->second;
  }

  void check_block(const std::string& name, const Lines& lines) {
    const Lines* const tested = region(name);
    if (tested && *tested != lines) wrong(name + ": other lines than its test's");
    if (lines.size() > most_lines && !frames.contains(name)) wrong(name + ": too many lines");
  }

  void check_row(const std::string& row) {
    const Lines cells = cells_of(row);
    const std::string name = slug(cells.front()), &how = cells.back();
    if (how.starts_with("not there")) {
      if (regions_.contains(name)) wrong(name + ": there, in a test");
      return;
    }
    if (how.starts_with("[lines]")) {
      if (how != "[lines](#" + name + ")" || !headings_.contains(name)) {
        wrong(name + ": leads to no lines");
      }
      return;
    }
    const Lines* const tested = region(name);
    if (!tested) return;
    if (code_in(how).empty()) wrong(name + ": says nothing");
    for (const std::string& code : code_in(how)) {
      if (!contains(*tested, code)) wrong(name + ": its test has no " + code);
    }
  }

  const Regions& regions_;
  std::set<std::string> headings_, used_;
  Lines mistakes_;
};

Lines mistakes_of(const std::string& page, const Regions& regions) {
  return PageCheck(page, regions).mistakes();
}

TEST(AttentionPage, HasTheLinesOfItsTests) {
  Regions regions;
  for (const auto& file :
       std::filesystem::directory_iterator(RAPT_SOURCE_DIR "/tests/docs/attention")) {
    if (file.path().extension() != ".cpp") continue;
    for (auto& [name, lines] : regions_of(read_text(file.path().string()))) {
      EXPECT_TRUE(regions.emplace(name, lines).second) << name << " is there twice";
    }
  }
  EXPECT_GE(regions.size(), 80u);
  EXPECT_EQ(mistakes_of(read_text(RAPT_SOURCE_DIR "/docs/attention.md"), regions), Lines{});
}

// The check itself, on pages with one thing wrong.

const char* const table = "| variant | what | in rapt |\n|---|---|---|\n";

TEST(AttentionPage, APageInOrderPasses) {
  const Regions regions = regions_of(
      "  // [a-b]\n  const int a =\n      1;\n  // [end]\n// [c]\n  if (x) {\n    y;\n  }\n// "
      "[end]\n");
  EXPECT_EQ(regions.at("c"), (Lines{"if (x) {", "  y;", "}"}));
  const std::string page = std::string(table) +
                           "| A b | w | `a = 1` |\n| C | w | [lines](#c) |\n| D | w | not there |\n"
                           "### C\n\n```c++\nif (x) {\n  y;\n}\n```\n";
  EXPECT_EQ(mistakes_of(page, regions), Lines{});
}

TEST(AttentionPage, AWrongOneIsFound) {
  const Regions one = {{"a", {"x;"}}};
  const auto row = [](const std::string& cell) { return table + ("| A | w | " + cell + " |\n"); };
  EXPECT_EQ(mistakes_of("", one), Lines{"a: not on the page"});
  EXPECT_EQ(mistakes_of("### A\n```c++\ny;\n```\n", one), Lines{"a: other lines than its test's"});
  EXPECT_EQ(mistakes_of("### B\n```c++\nx;\n```\n", {}), Lines{"b: in no test"});
  EXPECT_EQ(mistakes_of("### A\n```c++\n1\n2\n3\n4\n5\n6\n```\n",
                        {{"a", {"1", "2", "3", "4", "5", "6"}}}),
            Lines{"a: too many lines"});
  EXPECT_EQ(mistakes_of(row("`y`"), one), Lines{"a: its test has no y"});
  EXPECT_EQ(mistakes_of(row("yes"), one), Lines{"a: says nothing"});
  EXPECT_EQ(mistakes_of(row("`x`"), {}), Lines{"a: in no test"});
  EXPECT_EQ(mistakes_of(row("not there"), one),
            (Lines{"a: there, in a test", "a: not on the page"}));
  EXPECT_EQ(mistakes_of(row("[lines](#a)"), {}), Lines{"a: leads to no lines"});
  EXPECT_EQ(mistakes_of(row("[lines](#b)") + "### A\n```c++\nx;\n```\n", one),
            Lines{"a: leads to no lines"});
}

}  // namespace
}  // namespace rapt::tests
