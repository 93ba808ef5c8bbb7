// Reads the tree: what may include what (docs: the README of each folder).

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "support/declarations.h"

namespace rapt {
namespace {

using Strings = std::vector<std::string>;

// Path from the root of the tree -> the file's text.
using Tree = std::map<std::string, std::string>;

// What stands between the "" or <> of each #include.
struct Includes {
  Strings quoted;
  Strings angled;
};

Includes includes_of(const std::string& text) {
  static const std::regex line("(?:^|\n)[ \t]*#[ \t]*include[ \t]*([\"<])([^\">]+)[\">]");
  Includes out;
  for (std::sregex_iterator m(text.begin(), text.end(), line), end; m != end; ++m) {
    ((*m)[1] == "\"" ? out.quoted : out.angled).push_back((*m)[2]);
  }
  return out;
}

bool starts_with_any(const std::string& s, const Strings& beginnings) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](const std::string& b) { return s.starts_with(b); });
}

// Folders of the library, and what their files may include of rapt.
const std::map<std::string, Strings>& floors() {
  static const std::map<std::string, Strings> floors = {
      {"autograd/", {"rapt/autograd/"}},
      {"nn/", {"rapt/autograd/", "rapt/nn/"}},
      {"optim/", {"rapt/autograd/", "rapt/optim/"}},
      {"data/", {"rapt/autograd/", "rapt/data/"}},
      {"training/", {"rapt/autograd/", "rapt/nn/", "rapt/optim/", "rapt/data/", "rapt/training/"}},
  };
  return floors;
}

// What is not rapt's and not C++'s, and the files that may know it.
const std::map<std::string, Strings>& guests() {
  static const std::map<std::string, Strings> guests = {
      {"Eigen/", {"autograd/kernels/"}},
      {"unsupported/Eigen/", {"autograd/kernels/"}},
      {"cblas", {"autograd/kernels/gemm/blas.cpp"}},
      {"omp.h", {}},
      {"thread", {"autograd/kernels/runtime/parallel.cpp", "data/loader.cpp"}},
      {"cereal/", {"data/checkpoint.cpp", "data/tokenizers/sentence_piece.cpp"}},
      {"nlohmann/",
       {"data/detail/safetensors_header.cpp", "data/tokenizers/byte_pairs.cpp",
        "training/metrics.cpp", "cli/"}},
      {"zlib.h", {"data/detail/"}},
      {"utf8proc.h", {"data/detail/gpt2_pieces.cpp"}},
      {"sentencepiece_", {"data/tokenizers/sentence_piece.cpp"}},
      {"CLI/", {"cli/"}},
      {"gtest/", {"autograd/gradient_check_gtest.h", "training/verify_gtest.h"}},
      {"gmock/", {}},
  };
  return guests;
}

bool is_library(const std::string& path) {
  return std::any_of(floors().begin(), floors().end(),
                     [&](const auto& floor) { return path.starts_with(floor.first); });
}

void check_folder(const std::string& path, const Includes& includes, Strings& out) {
  for (const auto& [folder, allowed] : floors()) {
    if (!path.starts_with(folder)) continue;
    for (const std::string& include : includes.quoted) {
      if (!starts_with_any(include, allowed)) out.push_back(path + " includes " + include);
    }
  }
}

void check_guests(const std::string& path, const Includes& includes, Strings& out) {
  if (path.starts_with("tests/") || path.starts_with("bench/")) return;
  for (const std::string& include : includes.angled) {
    for (const auto& [guest, homes] : guests()) {
      const bool whole_name = guest.find('/') == guest.npos && guest != "cblas";
      const bool here = whole_name ? include == guest : include.starts_with(guest);
      if (here && !starts_with_any(path, homes)) out.push_back(path + " includes " + include);
    }
  }
}

// A public header costs whoever includes it: only C++'s own headers, and not the heavy ones.
void check_public_header(const std::string& path, const Includes& includes,
                         const std::set<std::string>& installed, Strings& out) {
  if (!installed.contains(path)) return;
  static const Strings heavy = {"functional", "iostream", "fstream", "sstream", "regex"};
  for (const std::string& include : includes.angled) {
    if (path.ends_with("_gtest.h") && include == "gtest/gtest.h") continue;
    const bool standard = include.find_first_of("/.") == include.npos;
    if (!standard || std::find(heavy.begin(), heavy.end(), include) != heavy.end()) {
      out.push_back(path + " is public and includes " + include);
    }
  }
  for (const std::string& include : includes.quoted) {
    if (!installed.contains(include.substr(include.find('/') + 1))) {
      out.push_back(path + " is public and includes " + include + ", which is not installed");
    }
  }
}

void check_target(const std::string& path, const Includes& includes, const Tree& tree,
                  Strings& out) {
  for (const std::string& include : includes.quoted) {
    if (include.starts_with("rapt/") && !tree.contains(include.substr(5))) {
      out.push_back(path + " includes " + include + ", which is not there");
    }
  }
}

// Kernels know pointers and sizes: none of their includes leads to a Tensor.
void check_kernels(const std::string& path, const Tree& tree, Strings& out) {
  if (!path.starts_with("autograd/kernels/")) return;
  std::set<std::string> seen = {path};
  Strings open = {path};
  while (!open.empty()) {
    const auto file = tree.find(open.back());
    open.pop_back();
    if (file == tree.end()) continue;
    for (const std::string& include : includes_of(file->second).quoted) {
      const std::string target = include.substr(include.find('/') + 1);
      if (!seen.insert(target).second) continue;
      open.push_back(target);
      if (target == "autograd/tensor.h") {
        out.push_back(path + " knows Tensor, through " + file->first);
      }
    }
  }
}

Strings violations(const Tree& tree, const std::set<std::string>& installed) {
  Strings out;
  for (const auto& [path, text] : tree) {
    const Includes includes = includes_of(text);
    check_folder(path, includes, out);
    check_guests(path, includes, out);
    check_public_header(path, includes, installed, out);
    check_target(path, includes, tree, out);
    check_kernels(path, tree, out);
  }
  return out;
}

Tree read_tree() {
  const std::filesystem::path root = RAPT_SOURCE_DIR;
  Tree tree;
  for (const char* folder :
       {"autograd", "nn", "optim", "data", "training", "cli", "examples", "tests", "bench"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cpp") continue;
      tree[entry.path().lexically_relative(root).generic_string()] =
          tests::read_text(entry.path().string());
    }
  }
  tree["rapt.h"] = tests::read_text((root / "rapt.h").string());
  return tree;
}

// The headers that `cmake --install` copies: all of the library's but those that its list excludes.
std::set<std::string> installed_headers(const Tree& tree, const std::string& install_script) {
  static const std::regex pattern("PATTERN \"([^\"]+)\" EXCLUDE");
  std::set<std::string> excluded;
  for (std::sregex_iterator m(install_script.begin(), install_script.end(), pattern), end; m != end;
       ++m) {
    excluded.insert((*m)[1]);
  }
  std::set<std::string> out = {"rapt.h"};
  for (const auto& [path, text] : tree) {
    if (!is_library(path) || !path.ends_with(".h")) continue;
    const std::filesystem::path parts = path;
    const bool left_out = std::any_of(parts.begin(), parts.end(), [&](const auto& part) {
      return excluded.contains(part.string());
    });
    if (!left_out) out.insert(path);
  }
  return out;
}

TEST(Layers, NothingIncludesUpwardsOrSideways) {
  const Tree tree = read_tree();
  const auto installed =
      installed_headers(tree, tests::read_text(RAPT_SOURCE_DIR "/cmake/RaptInstall.cmake"));
  EXPECT_GE(tree.size(), 50u);
  EXPECT_TRUE(installed.contains("autograd/tensor.h"));
  EXPECT_FALSE(installed.contains("autograd/kernels/gemm/gemm.h"));
  EXPECT_EQ(violations(tree, installed), Strings{});
}

// The check itself, on trees with one thing wrong.

Strings violations_of(const std::string& path, const std::string& text) {
  Tree tree = {{"autograd/tensor.h", "#include <vector>\n#include \"rapt/autograd/shape.h\"\n"},
               {"autograd/shape.h", "#include <array>\n"},
               {"autograd/random.h", "#include \"rapt/autograd/tensor.h\"\n"},
               {"autograd/storage.h", ""},
               {"nn/linear.h", "#include \"rapt/autograd/tensor.h\"\n"},
               {"optim/adam.h", ""},
               {"data/loader.h", ""},
               {"cli/main.cpp", "#include <CLI/CLI.hpp>\n#include \"rapt/nn/linear.h\"\n"}};
  tree[path] = text;
  std::set<std::string> installed =
      installed_headers(tree, "PATTERN \"kernels\" EXCLUDE\nPATTERN \"storage.h\" EXCLUDE)");
  return violations(tree, installed);
}

TEST(Layers, ATreeInOrderPasses) {
  EXPECT_EQ(violations_of("nn/linear.cpp", "#include \"rapt/nn/linear.h\"\n#include <cmath>\n"),
            Strings{});
  EXPECT_EQ(violations_of("autograd/kernels/gemm/blas.cpp",
                          "#include <cblas.h>\n#include \"rapt/autograd/shape.h\"\n"),
            Strings{});
}

TEST(Layers, AWrongIncludeIsFound) {
  EXPECT_EQ(violations_of("autograd/ops.cpp", "#include \"rapt/nn/linear.h\"\n"),
            Strings{"autograd/ops.cpp includes rapt/nn/linear.h"});
  EXPECT_EQ(violations_of("nn/a.cpp", "#include \"rapt/optim/adam.h\"\n"),
            Strings{"nn/a.cpp includes rapt/optim/adam.h"});
  EXPECT_EQ(violations_of("optim/a.cpp", "#include \"rapt/data/loader.h\"\n"),
            Strings{"optim/a.cpp includes rapt/data/loader.h"});
  EXPECT_EQ(violations_of("data/a.cpp", "  #  include \"rapt/nn/linear.h\"  // why\n"),
            Strings{"data/a.cpp includes rapt/nn/linear.h"});
  EXPECT_EQ(violations_of("nn/a.cpp", "#include <Eigen/Core>\n"),
            Strings{"nn/a.cpp includes Eigen/Core"});
  EXPECT_EQ(violations_of("autograd/kernels/a.cpp", "#include <thread>\n"),
            Strings{"autograd/kernels/a.cpp includes thread"});
  EXPECT_EQ(violations_of("data/a.cpp", "#include <cereal/cereal.hpp>\n"),
            Strings{"data/a.cpp includes cereal/cereal.hpp"});
  EXPECT_EQ(violations_of("nn/a.cpp", "#include \"rapt/nn/gone.h\"\n"),
            Strings{"nn/a.cpp includes rapt/nn/gone.h, which is not there"});
  EXPECT_EQ(violations_of("autograd/kernels/a.h", "#include \"rapt/autograd/random.h\"\n"),
            Strings{"autograd/kernels/a.h knows Tensor, through autograd/random.h"});
  EXPECT_EQ(violations_of("nn/a.h", "#include <functional>\n"),
            Strings{"nn/a.h is public and includes functional"});
  EXPECT_EQ(
      violations_of("nn/a.h", "#include \"rapt/autograd/storage.h\"\n"),
      Strings{"nn/a.h is public and includes rapt/autograd/storage.h, which is not installed"});
}

}  // namespace
}  // namespace rapt
