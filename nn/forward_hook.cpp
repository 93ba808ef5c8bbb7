#include "rapt/nn/forward_hook.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <utility>
#include <vector>

#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/storage.h"

namespace rapt::nn {

struct ForwardHook::Body {
  Function f;
  std::shared_ptr<const void> model;  // so that no other layer gets one of its addresses
  std::unordered_map<const void*, std::string> paths;
  uint64_t id;
};

namespace {

/// Those of this thread, in the order in which they were made.
struct Hooks {
  std::vector<std::shared_ptr<void>> all;
  bool paused = false;  // while functions of hooks run
};
thread_local Hooks hooks;

ForwardHook::Function checked(ForwardHook::Function f) {
  if (!f) fail("ForwardHook: wanted a function; got an empty one");
  return f;
}

}  // namespace

ForwardHook::ForwardHook(const Module& model, Function f)
    : body_(new Body{checked(std::move(f)), model.registry_, {}, next_moment()}), thread_(&hooks) {
  model.visit_layers([this](const std::string& path, const void* layer) {
    body_->paths.try_emplace(layer, path);
  });
  hooks.all.push_back(body_);
}

ForwardHook::~ForwardHook() {
  if (thread_ != &hooks) {
    std::fputs("ForwardHook: wanted to end on the thread that made it; got another\n", stderr);
    std::abort();
  }
  std::erase(hooks.all, body_);
}

bool ForwardHook::any() { return !hooks.all.empty() && !hooks.paused; }

Tensor ForwardHook::shown(const void* layer, const Tensor& input, const Tensor& output) {
  struct Paused {
    Paused() { hooks.paused = true; }
    ~Paused() { hooks.paused = false; }
  };
  const Paused here;
  const auto now = hooks.all;  // a function may make hooks and end some
  Tensor y = output;
  for (const std::shared_ptr<void>& hook : now) {
    const auto& body = *static_cast<const Body*>(hook.get());
    const auto at = body.paths.find(layer);
    if (at == body.paths.end() || std::ranges::find(hooks.all, hook) == hooks.all.end()) continue;
    note_interposed(body.id);
    const Tensor replaced = body.f({at->second, input, y});
    if (!replaced.defined()) continue;
    if (replaced.shape() != y.shape() || replaced.dtype() != y.dtype()) {
      fail("ForwardHook: wanted an output ", y.dtype(), y.shape(), " for ",
           at->second.empty() ? "the model" : at->second, "; got ", replaced.dtype(),
           replaced.shape());
    }
    y = replaced;
  }
  return y;
}

}  // namespace rapt::nn
