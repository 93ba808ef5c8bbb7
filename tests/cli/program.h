#pragma once

#include <string>
#include <vector>

namespace rapt::cli {

/// How to start the rapt program.
struct ProgramOptions {
  std::string folder = ".";    ///< where it runs
  bool terminal = false;       ///< standard output is a terminal
  int columns = 80;            ///< of that terminal
  long largest_file = -1;      ///< bytes that a file may grow to; -1: no limit
  std::string output_to = "";  ///< a file for standard output, which is then not caught
};

/// What became of it.
struct Outcome {
  int status = -1;  ///< the exit status; 128 + the signal that killed it
  std::string out, err;
};

/// The rapt program, started with these arguments. Killed by the destructor if it still runs.
class Program {
 public:
  explicit Program(const std::vector<std::string>& arguments, const ProgramOptions& options = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Waits until standard output holds this text; false when the program ended without it.
  bool wait_for(const std::string& part);
  void signal(int number);
  /// Waits for its end.
  Outcome finish();

 private:
  bool read_some();

  int process_ = -1;
  int out_ = -1, err_ = -1;
  Outcome outcome_;
};

/// Runs it to its end.
Outcome run_program(const std::vector<std::string>& arguments, const ProgramOptions& options = {});

/// False where the system has no pseudo-terminals to give (a chroot without /dev/pts).
bool has_terminals();

}  // namespace rapt::cli
