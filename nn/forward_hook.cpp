#include "rapt/nn/forward_hook.h"

#include <memory>
#include <unordered_map>
#include <utility>

#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/recording.h"

namespace rapt::nn {
namespace {

thread_local const ForwardHook* innermost = nullptr;

}  // namespace

struct ForwardHook::Body {
  Function f;
  std::shared_ptr<const void> model;  // so that no other layer gets one of its addresses
  std::unordered_map<const void*, std::string> paths;
  Interposed interposed;
};

namespace {

ForwardHook::Function checked(ForwardHook::Function f) {
  if (!f) fail("ForwardHook: wanted a function; got an empty one");
  return f;
}

}  // namespace

ForwardHook::ForwardHook(const Module& model, Function f)
    : body_(new Body{checked(std::move(f)), model.registry_, {}, {}}), outer_(innermost) {
  model.visit_layers(
      [&](const std::string& path, const void* layer) { body_->paths.try_emplace(layer, path); });
  innermost = this;
}

ForwardHook::~ForwardHook() {
  innermost = outer_;
  delete body_;
}

bool ForwardHook::any() { return innermost != nullptr; }

Tensor ForwardHook::shown(const void* layer, const Tensor& input, const Tensor& output) {
  struct Unwatched {  // while functions of hooks run
    const ForwardHook* const hooks = std::exchange(innermost, nullptr);
    ~Unwatched() { innermost = hooks; }
  };
  const Unwatched here;
  return through(here.hooks, layer, input, output);
}

Tensor ForwardHook::through(const ForwardHook* hook, const void* layer, const Tensor& input,
                            const Tensor& output) {
  if (hook == nullptr) return output;
  const Tensor y = through(hook->outer_, layer, input, output);
  const auto at = hook->body_->paths.find(layer);
  if (at == hook->body_->paths.end()) return y;
  const Tensor replaced = hook->body_->f({at->second, input, y});
  if (!replaced.defined()) return y;
  if (replaced.shape() != y.shape() || replaced.dtype() != y.dtype()) {
    fail("ForwardHook: wanted an output ", y.dtype(), y.shape(), " for ", at->second, "; got ",
         replaced.dtype(), replaced.shape());
  }
  return replaced;
}

}  // namespace rapt::nn
