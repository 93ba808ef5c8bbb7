#include "rapt/autograd/recompute.h"

#include "rapt/autograd/graph/draws.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/walk.h"
#include "rapt/autograd/ops/sum_to.h"

namespace rapt {
namespace {

using Function = OwnedFunction<Tensor(const Tensors&)>;

/// How a function ran, so that it can run again just so.
struct Replay {
  Tensor value;
  size_t inputs = 0;  // how many of `used` are f's own
  Tensors used;       // the inputs, then what else the value may depend on; empty without a graph
  Draws draws;
  uint64_t interposed = Interposed::current();
};

bool contains(const Tensors& list, const Tensor& x) {
  for (const Tensor& other : list) {
    if (other.defined() && place_of(other) == place_of(x)) return true;
  }
  return false;
}

/// The first run, without a graph.
Replay first_run(const Function& f, const Tensors& given) {
  Replay run;
  if (!records_graph()) {
    run.value = f(given);
    return run;
  }
  Watch watch;
  {
    const NoteDraws note(run.draws);
    run.value = f(given);
  }
  if (!run.value.defined()) {
    fail("recompute: wanted a function that returns a tensor; got an undefined one");
  }
  watch.note(run.value);  // f may return what it was given
  if (watch.noted.empty() || !is_float(run.value.dtype())) return run;
  run.inputs = given.size();
  run.used = given;
  for (const Tensor& x : watch.noted) {
    if (!contains(given, x)) run.used.push_back(x);
  }
  return run;
}

/// The gradients of `output` with respect to those of `ends` that b needs, given b.grad with
/// respect to output. Nothing behind an end is looked at. A place that occurs twice has its
/// gradient at the first; where output does not depend on it, it is undefined. What has arrived of
/// an end's gradient is gone on from (accumulate_into). Throws when output depends on a leaf that
/// is not among the ends. Frees the graph unless b.create_graph.
Gradients grad_within(const Tensor& output, const Tensors& ends, const Backward& b) {
  Targets targets(output, ends, b);
  {
    Walk walk(b.create_graph, false, &targets);
    walk.start("recompute", output, b.grad);
    walk.run();
  }
  Gradients out(ends.size());
  for (size_t i = 0; i < ends.size(); ++i) {
    if (!ends[i].defined()) continue;
    Tensor* const slot = targets.slot(place_of(ends[i]));
    if (slot == nullptr || !slot->defined()) continue;
    out[i] = accumulate_into(b, i);
    if (out[i].defined()) {
      copy_elements(out[i], *slot);
    } else {
      out[i] = std::move(*slot);
    }
    *slot = Tensor();
  }
  return out;
}

/// The gradients of what the first run used, by running f again.
Gradients gradients_by_rerun(const Function& f, const Replay& replay, const Backward& b) {
  Tensor value;
  if (replay.interposed != Interposed::current()) {
    fail(
        "recompute: wanted the same hooks when the function runs again as in its first run; keep a "
        "ForwardHook until backward() has run");
  }
  {
    const Recording recording(true);
    const Rerun rerun;
    RepeatDraws draws(replay.draws);
    value = f(Tensors(replay.used.begin(), replay.used.begin() + replay.inputs));
    draws.expect_all_taken();
  }
  if (!value.defined() || value.shape() != b.grad.shape() || value.dtype() != b.grad.dtype()) {
    fail("recompute: wanted ", b.grad.dtype(), b.grad.shape(),
         " when the function ran again, as in its first run; got ",
         value.defined() ? text(value.dtype(), value.shape()) : "an undefined tensor");
  }
  if (!value.requires_grad()) return Gradients(replay.used.size());
  return grad_within(value, replay.used, b);
}

}  // namespace

Tensor recompute(OwnedFunction<Tensor(const Tensors&)> f, TensorList inputs) {
  Replay run = first_run(f, Tensors(inputs.begin(), inputs.end()));
  Tensor value = std::move(run.value);
  if (run.used.empty()) return value;
  const Tensors used = run.used;
  Rule rule([f = std::move(f), replay = std::move(run)](const Backward& b) -> Gradients {
    return gradients_by_rerun(f, replay, b);
  });
  return join("recompute", used, std::move(value), std::move(rule), {});
}

}  // namespace rapt
