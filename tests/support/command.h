#pragma once

#include <string>
#include <vector>

namespace rapt::tests {

/// What a command printed, and the status it ended with (-1 when it was killed).
struct CommandResult {
  std::string output;
  int status = -1;
};

/// Runs a command line in the shell.
CommandResult run_command(const std::string& command);

/// The lines of a text, without their ends.
std::vector<std::string> lines_of(const std::string& text);

}  // namespace rapt::tests
