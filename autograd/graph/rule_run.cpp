#include "rapt/autograd/graph/rule_run.h"

#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/reuse.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/sum_to.h"

namespace rapt {

// ---- what a rule reads -------------------------------------------------------------------------

thread_local constinit const RuleReads* RuleReads::current_ = nullptr;

RuleReads::RuleReads(const Node& node, TensorList gradients)
    : node_(node), gradients_(gradients), start_(this_moment()), before_(current_) {
  current_ = this;
}

void RuleReads::check_one(const TensorImpl& x) const {
  const uint64_t written = x.storage->written.load(std::memory_order_relaxed);
  if (written <= node_.order || written >= start_) return;
  for (const Tensor& gradient : gradients_) {
    if (gradient.defined() && impl_of(gradient)->storage == x.storage) return;
  }
  node_.fail_overwritten(x);
}

// ---- what has arrived --------------------------------------------------------------------------

namespace {

Tensor view_of(const Edge& edge, const Tensor& base) {
  return edge.node ? edge.node->view(view_of(edge.node->inputs[0], base)) : base;
}

bool share_elements(const Tensor& a, const Tensor& b) {
  return impl_of(a)->storage == impl_of(b)->storage;
}

}  // namespace

void gather(Tensor& place, Tensor gradient, bool own) {
  if (!place.defined()) {
    place = own && !is_sole_owner(gradient) ? gradient.clone() : std::move(gradient);
  } else if (!records_graph() && is_sole_owner(place)) {
    add_elements(place, gradient);
  } else {
    place = add(place, gradient);
  }
}

Tensor accumulate_into(const Backward& b, size_t input) { return b.run().arrived[input].take(); }

bool may_overwrite(const Backward& b, const Tensor& x) {
  if (!b.run().last || !is_last_handle(x)) return false;
  b.run().node.freed = true;  // the rule must not run again, even if it throws from here on
  return true;
}

Tensor Arrived::part() const { return through == nullptr ? *place : view_of(*through, *place); }

Tensor Arrived::take() {
  if (place == nullptr || given.defined()) return given;
  if (!is_sole_owner(*place)) *place = place->clone();
  impl_of(*place)->storage->written = 0;  // clipped or not: what has arrived is there to be read
  const Tensor shown = part();
  if (share_elements(shown, *place)) given = shown.contiguous();
  return given;
}

bool Arrived::finish(const char* op, const Tensor& returned) {
  const Tensor mine = std::move(given);
  given = Tensor();
  if (!mine.defined()) return false;
  if (!returned.same_as(mine)) {
    fail(op, ": wanted from its rule the tensor that it was given to add to; got another");
  }
  if (!share_elements(mine, *place)) copy_elements(part(), mine);
  return true;
}

}  // namespace rapt
