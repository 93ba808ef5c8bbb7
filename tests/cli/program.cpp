#include "program.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "rapt/autograd/error.h"

namespace rapt::cli {
namespace {

struct Ends {
  int read = -1, write = -1;
};

Ends make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) fail("could not make a pipe");
  return {ends[0], ends[1]};
}

Ends make_terminal(int columns) {
  Ends ends;
  winsize size{};
  size.ws_row = 24;
  size.ws_col = static_cast<unsigned short>(columns);
  if (openpty(&ends.read, &ends.write, nullptr, nullptr, &size) != 0) {
    fail("could not make a terminal");
  }
  fcntl(ends.read, F_SETFD, FD_CLOEXEC);
  fcntl(ends.write, F_SETFD, FD_CLOEXEC);
  return ends;
}

/// In the new process: nothing but system calls until it becomes rapt.
[[noreturn]] void become_rapt(char* const* arguments, const ProgramOptions& options, int out,
                              int err) {
  if (options.largest_file >= 0) {
    const auto limit = static_cast<rlim_t>(options.largest_file);
    const rlimit both{limit, limit};
    setrlimit(RLIMIT_FSIZE, &both);
    std::signal(SIGXFSZ, SIG_IGN);  // so that writing fails, as on a full disk
  }
  if (!options.output_to.empty()) out = open(options.output_to.c_str(), O_WRONLY);
  if (chdir(options.folder.c_str()) == 0 && dup2(out, STDOUT_FILENO) != -1 &&
      dup2(err, STDERR_FILENO) != -1) {
    execv(RAPT_PROGRAM, arguments);
  }
  _exit(127);
}

/// Appends what is there to read; false at the end.
bool read_into(std::string& text, int file) {
  std::array<char, 4096> bytes;
  const ssize_t got = read(file, bytes.data(), bytes.size());
  if (got == -1 && errno == EINTR) return true;
  if (got <= 0) return false;  // a terminal whose other end is closed fails with EIO
  text.append(bytes.data(), static_cast<size_t>(got));
  return true;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const ProgramOptions& options) {
  std::vector<char*> words = {const_cast<char*>("rapt")};
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  const Ends out = options.terminal ? make_terminal(options.columns) : make_pipe();
  const Ends err = make_pipe();
  process_ = fork();
  if (process_ == 0) become_rapt(words.data(), options, out.write, err.write);
  close(out.write);
  close(err.write);
  out_ = out.read;
  err_ = err.read;
  if (process_ == -1) fail("could not start a process");
}

Program::~Program() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  if (out_ != -1) close(out_);
  if (err_ != -1) close(err_);
}

bool Program::read_some() {
  std::array<pollfd, 2> files = {pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};
  if (poll(files.data(), files.size(), -1) == -1) return true;
  if (files[0].revents != 0 && !read_into(outcome_.out, out_)) close(std::exchange(out_, -1));
  if (files[1].revents != 0 && !read_into(outcome_.err, err_)) close(std::exchange(err_, -1));
  return out_ != -1 || err_ != -1;
}

bool Program::wait_for(const std::string& part) {
  while (outcome_.out.find(part) == std::string::npos) {
    if (!read_some()) return false;
  }
  return true;
}

void Program::signal(int number) { kill(process_, number); }

Outcome Program::finish() {
  while (read_some()) {
  }
  int status = 0;
  waitpid(std::exchange(process_, -1), &status, 0);
  outcome_.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome_;
}

Outcome run_program(const std::vector<std::string>& arguments, const ProgramOptions& options) {
  return Program(arguments, options).finish();
}

bool has_terminals() {
  Ends ends;
  if (openpty(&ends.read, &ends.write, nullptr, nullptr, nullptr) != 0) return false;
  close(ends.read);
  close(ends.write);
  return true;
}

}  // namespace rapt::cli
