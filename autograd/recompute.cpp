#include "rapt/autograd/recompute.h"

#include "rapt/autograd/draws.h"
#include "rapt/autograd/node.h"

namespace rapt {

struct Replay {
  size_t inputs;  // how many of `used` are f's own
  Tensors used;   // as in FirstRun
  Draws draws;
};

namespace {

bool contains(const Tensors& list, const Tensor& x) {
  for (const Tensor& other : list) {
    if (other.defined() && place_of(other) == place_of(x)) return true;
  }
  return false;
}

}  // namespace

FirstRun first_run(FunctionRef<Tensor(const Tensors&)> f, TensorList inputs) {
  const Tensors given(inputs.begin(), inputs.end());
  FirstRun run;
  if (!records_graph()) {
    run.value = f(given);
    return run;
  }
  auto replay = std::allocate_shared<Replay>(PoolAllocator<Replay>());
  Watch watch;
  {
    const NoteDraws note(replay->draws);
    run.value = f(given);
  }
  if (!run.value.defined()) {
    fail("recompute: wanted a function that returns a tensor; got an undefined one");
  }
  watch.note(run.value);  // f may return what it was given
  if (watch.noted.empty() || !is_float(run.value.dtype())) return run;
  run.used = given;
  for (const Tensor& x : watch.noted) {
    if (!contains(given, x)) run.used.push_back(x);
  }
  replay->inputs = given.size();
  replay->used = run.used;
  run.replay = std::move(replay);
  return run;
}

Gradients gradients_by_rerun(FunctionRef<Tensor(const Tensors&)> f, const Replay& replay,
                             const Backward& b) {
  Tensor value;
  {
    const Recording recording(true);
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

}  // namespace rapt
