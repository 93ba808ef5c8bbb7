#include "rapt/autograd/graph/recording.h"

#include <algorithm>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"

namespace rapt {
namespace {

thread_local bool recording = true;
thread_local Watch* watching = nullptr;
thread_local const Rerun* rerunning = nullptr;
thread_local NoteInterposed* noting = nullptr;

}  // namespace

NoGrad::NoGrad() : before_(recording) { recording = false; }
NoGrad::~NoGrad() { recording = before_; }

Recording::Recording(bool on) : before_(recording), watch_before_(watching) {
  recording = on;
  watching = nullptr;
}
Recording::~Recording() {
  recording = before_;
  watching = watch_before_;
}

Rerun::Rerun() : start_(this_moment()), before_(rerunning) { rerunning = this; }
Rerun::~Rerun() { rerunning = before_; }

bool is_older_than_rerun(const TensorImpl& x) {
  return rerunning != nullptr && (!x.node || x.node->order < rerunning->start());
}

void note_interposed(uint64_t id) {
  if (noting == nullptr) return;
  PoolVector<uint64_t>& ids = noting->ids;
  const auto at = std::lower_bound(ids.begin(), ids.end(), id);
  if (at == ids.end() || *at != id) ids.insert(at, id);
}

NoteInterposed::NoteInterposed() : before_(noting) { noting = this; }
NoteInterposed::~NoteInterposed() {
  noting = before_;
  for (const uint64_t id : ids) note_interposed(id);
}

Watch::Watch() : before_(watching) { watching = this; }
Watch::~Watch() { watching = before_; }

void Watch::note(const Tensor& x) {
  if (!x.defined() || !x.requires_grad()) return;
  for (const Tensor& other : noted) {
    if (place_of(other) == place_of(x)) return;
  }
  noted.push_back(x);
}

bool grad_enabled() { return recording; }

bool records_graph() { return recording && watching == nullptr; }

bool wants_graph(TensorList inputs) {
  if (!recording) return false;
  if (watching != nullptr) {
    for (const Tensor& input : inputs) watching->note(input);
    return false;
  }
  for (const Tensor& input : inputs) {
    if (input.defined() && input.requires_grad()) return true;
  }
  return false;
}

}  // namespace rapt
