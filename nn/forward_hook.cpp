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
  ForwardHookOptions options;
  std::shared_ptr<const void> model;  // so that no other layer gets one of its addresses
  std::unordered_map<const void*, std::string> paths;
  uint64_t id;
};

namespace {

/// The thread that asks: no other that lives has that address.
const void* this_thread() {
  thread_local const char mark = 0;
  return &mark;
}

ForwardHook::Function checked(ForwardHook::Function f) {
  if (!f) fail("ForwardHook: wanted a function; got an empty one");
  return f;
}

}  // namespace

/// Those of one thread, in the order in which they were made.
struct ForwardHook::List {
  const void* const thread = this_thread();
  std::vector<std::shared_ptr<const Body>> all;
  bool paused = false;  // while functions of hooks run
};

const std::shared_ptr<ForwardHook::List>& ForwardHook::of_this_thread() {
  thread_local const auto list = std::make_shared<List>();
  return list;
}

ForwardHook::ForwardHook(const Module& model, Function f, ForwardHookOptions options)
    : list_(of_this_thread()),
      body_(new Body{checked(std::move(f)), options, model.registry_, {}, next_moment()}) {
  model.visit_layers([this](const std::string& path, const void* layer) {
    body_->paths.try_emplace(layer, path);
  });
  list_->all.push_back(body_);
}

ForwardHook::~ForwardHook() {
  if (list_->thread != this_thread()) {
    std::fputs("ForwardHook: wanted to end on the thread that made it; got another\n", stderr);
    std::abort();
  }
  std::erase(list_->all, body_);
}

bool ForwardHook::any() {
  const List& list = *of_this_thread();
  return !list.all.empty() && !list.paused;
}

bool ForwardHook::any_for_attention_weights() {
  const List& list = *of_this_thread();
  return !list.paused && std::ranges::any_of(list.all, [](const auto& hook) {
    return hook->options.attention_weights;
  });
}

Tensor ForwardHook::shown(const void* layer, const Tensor& input, const Tensor& output) {
  struct Paused {
    explicit Paused(List& here) : list(here) { list.paused = true; }
    ~Paused() { list.paused = false; }
    List& list;
  };
  List& list = *of_this_thread();
  const Paused here(list);
  const auto now = list.all;  // a function may make hooks and end some
  Tensor y;                   // what took the output's place
  for (const std::shared_ptr<const Body>& hook : now) {
    const auto at = hook->paths.find(layer);
    if (at == hook->paths.end() || std::ranges::find(list.all, hook) == list.all.end()) continue;
    note_interposed(hook->id);
    const Tensor replaced = hook->f({at->second, input, y.defined() ? y : output});
    if (!replaced.defined()) continue;
    if (replaced.shape() != output.shape() || replaced.dtype() != output.dtype()) {
      fail("ForwardHook: wanted an output ", output.dtype(), output.shape(), " for ",
           at->second.empty() ? "the model" : at->second, "; got ", replaced.dtype(),
           replaced.shape());
    }
    y = replaced;
  }
  return y;
}

}  // namespace rapt::nn
