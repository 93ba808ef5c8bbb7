#include "command.h"

#include <sys/wait.h>

#include <cstdio>
#include <sstream>

#include "rapt/autograd/error.h"

namespace rapt::tests {

CommandResult run_command(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) fail("run_command: cannot start ", command);
  CommandResult out;
  char part[4096];
  while (const size_t n = std::fread(part, 1, sizeof part, pipe)) out.output.append(part, n);
  const int status = pclose(pipe);
  if (WIFEXITED(status)) out.status = WEXITSTATUS(status);
  return out;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(line);
  return out;
}

}  // namespace rapt::tests
