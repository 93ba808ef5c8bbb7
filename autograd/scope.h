#pragma once

#include <string>

namespace rapt {

/// A part of a program that has a name, such as a layer, while it runs on this thread. Scopes nest;
/// what rapt throws inside ends with the path of the innermost: "(in blocks.0.attention.query)".
class Scope {
 public:
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  /// The innermost of this thread; null if there is none.
  static const Scope* current() { return current_; }
  const Scope* outer() const { return outer_; }
  /// Its name as seen from the outermost, dotted; made when it is asked for. Empty if there is none
  /// to tell.
  virtual std::string path() const = 0;

 protected:
  Scope() : outer_(current_) { current_ = this; }
  ~Scope() { current_ = outer_; }

 private:
  // NOLINTNEXTLINE(readability-identifier-naming): a static member is a variable to clang-tidy
  static inline thread_local constinit const Scope* current_ = nullptr;
  const Scope* const outer_;
};

}  // namespace rapt
