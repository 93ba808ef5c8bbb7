#pragma once

#include <type_traits>
#include <utility>

#include "rapt/autograd/pool.h"

namespace rapt {

template <class Signature>
class OwnedFunction;

/// A move-only function that owns what it captured, in memory of the pool, and keeps nothing else
/// alive. Empty by default.
template <class Result, class... Args>
class OwnedFunction<Result(Args...)> {
 public:
  OwnedFunction() = default;
  OwnedFunction(OwnedFunction&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
  OwnedFunction& operator=(OwnedFunction&& other) noexcept {
    std::swap(body_, other.body_);
    return *this;
  }
  ~OwnedFunction() { delete body_; }
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, OwnedFunction> &&
           std::is_invocable_r_v<Result, const std::remove_cvref_t<F>&, Args...>)
      OwnedFunction(F&& f)
      : body_(new Body<std::remove_cvref_t<F>>(std::forward<F>(f))) {}

  Result operator()(Args... args) const { return body_->run(std::forward<Args>(args)...); }
  explicit operator bool() const { return body_ != nullptr; }
  void reset() { delete std::exchange(body_, nullptr); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual Result run(Args... args) const = 0;
    static void* operator new(size_t bytes) { return kernels::allocate(bytes); }
    static void operator delete(void* block, size_t bytes) { kernels::release(block, bytes); }
  };
  template <class F>
  struct Body final : Base {
    explicit Body(F body) : f(std::move(body)) {}
    Result run(Args... args) const override { return f(std::forward<Args>(args)...); }
    F f;
  };
  Base* body_ = nullptr;  // not a unique_ptr, which takes longer to compile than all of this
};

}  // namespace rapt
