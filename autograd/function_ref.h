#pragma once

#include <type_traits>
#include <utility>

namespace rapt {

template <class Signature>
class FunctionRef;

/// A borrowed callable, a plain function too: no allocation, and none of <functional>. It must not
/// outlive the callable.
template <class Result, class... Args>
class FunctionRef<Result(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<Result, F&, Args...>) FunctionRef(F&& f)
      : object_(const_cast<void*>(reinterpret_cast<const void*>(&f))),
        call_([](void* object, Args... args) -> Result {
          return (*reinterpret_cast<std::remove_reference_t<F>*>(object))(
              std::forward<Args>(args)...);
        }) {}

  Result operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  Result (*call_)(void*, Args...);
};

}  // namespace rapt
