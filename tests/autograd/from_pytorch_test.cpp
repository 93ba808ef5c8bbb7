// docs/from-pytorch.md names every function of ops.h, and nothing that is not there.

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "../support/command.h"
#include "../support/declarations.h"

namespace rapt {
namespace {

using Names = std::set<std::string>;

Names declared() {
  Names names;
  for (const std::string& function : tests::declared_functions(tests::ops_headers())) {
    const std::string name = function.substr(0, function.find('('));
    if (!name.starts_with("operator")) names.insert(name);
  }
  return names;
}

/// What stands in backticks in the second column: the name at its beginning.
Names named(const std::string& page) {
  static const std::regex code("`([A-Za-z_:]\\w*(?:::\\w+)*)[^`]*`");
  Names names;
  for (const std::string& line : tests::lines_of(page)) {
    const size_t first = line.find(" | ");
    if (line.empty() || line[0] != '|' || first == std::string::npos) continue;
    const size_t end = line.find(" | ", first + 3);
    const std::string cell = line.substr(first, end - first);
    for (std::sregex_iterator at(cell.begin(), cell.end(), code), last; at != last; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

TEST(FromPyTorch, NamesEveryFunctionAndNoOther) {
  const Names known = declared();
  EXPECT_GE(known.size(), 100u);
  const Names found = named(tests::read_text(RAPT_SOURCE_DIR "/docs/from-pytorch.md"));
  for (const std::string& name : known) EXPECT_TRUE(found.contains(name)) << name << " is missing";
  // Besides functions: words of their arguments, an element, what other headers have.
  const Names words = {"Rounding::trunc",
                       "x",
                       "from_memory",
                       "Mask::keys",
                       "Mask::pairs",
                       "Rng::multinomial",
                       "Rng::gumbel",
                       "jvp",
                       "vjp",
                       "hvp",
                       "jacobian",
                       "hessian",
                       "per_sample_gradients",
                       "nn::pytorch_state",
                       "nn::load_pytorch_state"};
  for (const std::string& name : found) {
    EXPECT_TRUE(known.contains(name) || words.contains(name)) << name << " is no function";
  }
}

TEST(FromPyTorch, TheCheckSeesWhatIsWrong) {
  EXPECT_EQ(named("| `a` | `add(a, b)`, `Loss::mean` or | `not_this` |\n"),
            (Names{"add", "Loss::mean"}));
}

}  // namespace
}  // namespace rapt
