#include "rapt/autograd/recompute.h"

#include <algorithm>

#include "rapt/autograd/graph/draws.h"
#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/graph/walk.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {
namespace {

using Function = OwnedFunction<Tensor(const Tensors&)>;

using Flags = PoolVector<char>;  // vector<bool> has no plain elements

/// What has been computed, and can be computed again: a function's value; or the gradients of such
/// a thing, which thus are not kept for derivatives of higher order either.
struct Stage {
  // A function:
  Function f;
  size_t inputs = 0;  // how many of the ends are its own
  Draws draws;
  PoolVector<uint64_t> interposed;  // see note_interposed
  // Or the gradients of what is below,
  std::shared_ptr<const Stage> below;
  Tensors cotangents;  // given these of its outputs (undefined: none),
  Flags wanted;        // for these of its ends.

  // What the outputs depend on: a function's inputs, then what else it used; for gradients, the
  // ends below, then the cotangents.
  Tensors ends;
};

bool contains(const Tensors& list, const Tensor& x) {
  for (const Tensor& other : list) {
    if (other.defined() && place_of(other) == place_of(x)) return true;
  }
  return false;
}

/// The first run, without a graph. The stage has no ends if no graph is wanted.
Tensor run_first(Stage& stage, const Tensors& given) {
  if (!records_graph()) return stage.f(given);
  Watch watch;
  Tensor value;
  {
    const NoteDraws note(stage.draws);
    const NoteInterposed interposed;
    value = stage.f(given);
    stage.interposed = interposed.ids;
  }
  if (!value.defined()) {
    fail("recompute: wanted a function that returns a tensor; got an undefined one");
  }
  watch.note(value);  // f may return what it was given
  if (watch.noted.empty() || !is_float(value.dtype())) return value;
  stage.inputs = given.size();
  stage.ends = given;
  for (const Tensor& x : watch.noted) {
    if (!contains(given, x)) stage.ends.push_back(x);
  }
  return value;
}

/// The function once more, with a graph.
Tensor run_again(const Stage& stage) {
  const NoteInterposed interposed;
  const Recording recording(true);
  const Rerun rerun;
  RepeatDraws draws(stage.draws);
  const Tensor value = stage.f(Tensors(stage.ends.begin(), stage.ends.begin() + stage.inputs));
  draws.expect_all_taken();
  if (interposed.ids != stage.interposed) {
    fail(
        "recompute: wanted the same hooks when the function runs again as in its first run; keep a "
        "ForwardHook until backward() has run");
  }
  return value;
}

void check_again(const Tensor& value, const Tensor& gradient) {
  if (value.defined() && value.shape() == gradient.shape() && value.dtype() == gradient.dtype()) {
    return;
  }
  fail("recompute: wanted ", gradient.dtype(), gradient.shape(),
       " when the function ran again, as in its first run; got ",
       value.defined() ? text(value.dtype(), value.shape()) : "an undefined tensor");
}

Flags needed_by(const Backward& b, const Stage& stage) {
  Flags wanted;
  for (size_t i = 0; i < stage.ends.size(); ++i) wanted.push_back(b.needs(i));
  return wanted;
}

/// The gradients of a stage's outputs with respect to the ends that are wanted; undefined where
/// they do not depend on one. The walk ends at the ends, and the graph of the inside is dropped.
Tensors gradients_of(const Stage& stage, const Tensors& cotangents, const Flags& wanted,
                     bool create_graph) {
  const Tensors outputs = stage.below
                              ? gradients_of(*stage.below, stage.cotangents, stage.wanted, true)
                              : Tensors{run_again(stage)};
  Tensors starts, from;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!cotangents[i].defined()) continue;
    check_again(outputs[i], cotangents[i]);
    if (!outputs[i].requires_grad()) continue;
    starts.push_back(outputs[i]);
    from.push_back(cotangents[i]);
  }
  Targets targets(starts, stage.ends, wanted);
  {
    Walk walk(create_graph, false, &targets);
    for (size_t i = 0; i < starts.size(); ++i) walk.start("recompute", starts[i], from[i]);
    walk.run();
  }
  return targets.take(stage.ends);
}

/// The same for a function, without a graph. What has arrived of an end's gradient is gone on from
/// (accumulate_into).
Gradients add_gradients(const Stage& stage, const Backward& b) {
  const Tensor value = run_again(stage);
  check_again(value, b.grad);
  if (!value.requires_grad()) return Gradients(stage.ends.size());
  Targets targets({value}, stage.ends, needed_by(b, stage));
  for (size_t i = 0; i < stage.ends.size(); ++i) {
    Tensor* const slot = stage.ends[i].defined() ? targets.slot(place_of(stage.ends[i])) : nullptr;
    if (slot == nullptr || slot->defined() || !b.needs(i)) continue;
    if (const Tensor arrived = accumulate_into(b, i); arrived.defined()) *slot = arrived.clone();
  }
  {
    Walk walk(false, false, &targets);
    walk.start("recompute", value, b.grad);
    walk.run();
  }
  Gradients out = targets.take(stage.ends);
  for (size_t i = 0; i < out.size(); ++i) {
    const Tensor into = out[i].defined() ? accumulate_into(b, i) : Tensor();
    if (!into.defined()) continue;
    copy_elements(into, out[i]);
    out[i] = into;
  }
  return out;
}

Tensors join_stage(Stage stage, Tensors outputs);

/// The rule of a stage's node.
Gradients gradients_by_rerun(const std::shared_ptr<const Stage>& stage, size_t outputs,
                             const Backward& b) {
  if (!b.create_graph && !stage->below) return add_gradients(*stage, b);
  Tensors cotangents;
  for (size_t i = 0; i < outputs; ++i) cotangents.push_back(b.grad_of(i));
  const Flags wanted = needed_by(b, *stage);
  Tensors found = gradients_of(*stage, cotangents, wanted, false);
  if (!b.create_graph) return found;
  Stage above;
  above.below = stage;
  above.wanted = wanted;
  above.ends = stage->ends;
  above.ends.insert(above.ends.end(), cotangents.begin(), cotangents.end());
  above.cotangents = std::move(cotangents);
  return join_stage(std::move(above), std::move(found));
}

/// The stage's outputs, as one op on its ends.
Tensors join_stage(Stage stage, Tensors outputs) {
  const bool any = std::any_of(outputs.begin(), outputs.end(),
                               [](const Tensor& output) { return output.defined(); });
  if (!any || !wants_graph(stage.ends)) return outputs;
  const Tensors ends = stage.ends;
  const size_t count = outputs.size();
  const auto shared = std::allocate_shared<const Stage>(PoolAllocator<Stage>(), std::move(stage));
  return join("recompute", ends, std::move(outputs), Rule([shared, count](const Backward& b) {
                return gradients_by_rerun(shared, count, b);
              }),
              {});
}

}  // namespace

Tensor recompute(OwnedFunction<Tensor(const Tensors&)> f, TensorList inputs) {
  Stage stage;
  stage.f = std::move(f);
  Tensors value;
  value.push_back(run_first(stage, Tensors(inputs.begin(), inputs.end())));
  if (stage.ends.empty()) return value[0];
  return join_stage(std::move(stage), std::move(value))[0];
}

}  // namespace rapt
