#include <algorithm>
#include <cmath>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/ops.h"
#include "rapt/nn/gradient_flow.h"
#include "rapt/optim/adam.h"
#include "rapt/training/detail/verify_batch.h"
#include "rapt/training/detail/verify_checks.h"

namespace rapt::training::detail {
namespace {

constexpr int64_t most_rows = 4;  // that are learnt by heart
constexpr int64_t most_steps = 200;
constexpr double wanted_share = 0.25;  // of the first loss, above the lowest
constexpr double different_by = 1e-4;  // of the output: more than another order of sums makes
constexpr int64_t most_places = 32;

bool begins_with_one_of(const std::string& name, const std::vector<std::string>& beginnings) {
  return std::ranges::any_of(beginnings, [&](const std::string& b) { return name.starts_with(b); });
}

/// Trains the model on some rows until the loss is a part of what it was: the last loss.
double train(Inquiry& q, const NamedTensors& few, double enough, double lr) {
  optim::Adam adam(q.subject.parameters, {.lr = lr});
  double loss = 0;
  for (int64_t step = 0; step < most_steps; ++step) {
    const Tensors gradients = q.subject.gradients(few);
    for (size_t i = 0; i < gradients.size(); ++i) {
      Tensor(q.subject.trained[i]).set_grad(gradients[i]);
    }
    adam.step();
    loss = q.subject.loss(few);
    if (loss <= enough || !std::isfinite(loss)) break;
  }
  return loss;
}

/// Which parameters changed, and which had to.
void check_parameters(Inquiry& q) {
  q.kept("parameters");
  for (const auto& [name, parameter] : q.subject.parameters) {
    const bool changed = !difference("", q.subject.state()[name], parameter, 0).empty();
    const bool frozen = begins_with_one_of(name, q.promises.frozen);
    if (frozen && changed) q.broken("parameters", text(name, " is frozen, and changed"));
    if (frozen || changed) continue;
    q.broken("parameters", text(name, parameter.requires_grad() ? " has not changed in a training"
                                                                : " requires no gradient"));
  }
}

/// The optimizer has what is trained, and nothing else.
void check_optimizer(Inquiry& q) {
  if (q.promises.optimizer == nullptr) return;
  const NamedTensors theirs = q.promises.optimizer->parameters();
  const auto is_in = [](const NamedTensors& list, const Tensor& tensor) {
    return std::ranges::any_of(list, [&](const auto& e) { return e.second.same_as(tensor); });
  };
  for (const auto& [name, parameter] : q.subject.parameters) {
    const bool is_trained =
        parameter.requires_grad() && !begins_with_one_of(name, q.promises.frozen);
    if (is_trained && !is_in(theirs, parameter)) {
      q.broken("parameters", text("the optimizer has not ", name));
    }
  }
  for (const auto& [name, parameter] : theirs) {
    if (!is_in(q.subject.parameters, parameter)) {
      q.broken("parameters", text("the optimizer has ", name, ", which is none of the model's"));
    }
  }
}

/// What is behind the loss and in no parameters().
void check_unlisted(Inquiry& q) {
  const nn::EvalMode eval;
  const Tensor mean = q.subject.loss_of(q.subject.forward(q.batch), q.batch).mean();
  if (!mean.requires_grad()) {
    return q.broken("parameters", "the loss has no graph: nothing would be trained");
  }
  for (const std::string& what : nn::check_gradient_flow(q.subject.parameters, mean).unlisted) {
    q.broken("parameters", text("the loss trains what is in no parameters(): ", what));
  }
}

/// Leaves the model trained.
void check_overfits(Inquiry& q, const NamedTensors& few) {
  const double first = q.subject.loss(few), lowest = q.promises.lowest_loss;
  const double enough = lowest + wanted_share * (first - lowest);
  double best = first;
  for (const double lr : {1e-2, 3e-3, 3e-2, 5e-4}) {
    q.subject.restore();
    const double loss = train(q, few, enough, lr);
    if (loss < lowest - 1e-3 * std::abs(first)) {
      return q.broken("overfits", text("the loss fell to ", loss, ", and the lowest is ", lowest));
    }
    if (loss <= enough) return q.kept("overfits");
    best = std::min(best, loss);
  }
  q.broken("overfits",
           text("the loss of ", rows_of(few, q.promises.inputs[0].name), " rows fell from ", first,
                " to ", best, " in ", most_steps, " steps, and was to fall to ", enough));
}

/// How far two outputs are from one another, beside the largest number of them.
double distance(const Tensor& a, const Tensor& b) {
  const double scale = max(abs(a)).item();
  return scale > 0 ? max(abs(a - b)).item() / scale : 0;
}

/// b8 [B]: the rows where this place and the next one count, and are of one document.
Tensor hold_both(const Inquiry& q, const InputPromise& input, const NamedTensors& few,
                 int64_t place) {
  const int64_t rows = rows_of(few, input.name);
  Tensor out = select(slice(q.counting(input), 0, 0, rows), 1, place + 1);
  if (input.documents.empty()) return out;
  const Tensor& documents = few[input.documents];
  return logical_and(out, equal(select(documents, 1, place), select(documents, 1, place + 1)));
}

/// Two places that hold something else are exchanged: what is behind them has to notice.
void check_order(Inquiry& q, const NamedTensors& few, const InputPromise& input) {
  const Tensor& x = few[input.name];
  if (!input.ordered) return q.not_checked("order", "it is not promised");
  if (x.rank() < 2) return q.not_checked("order", "there are no places");
  const Tensor before = q.subject.output(few);
  const bool along = q.along_output() != nullptr && q.along_output()->name == input.name;
  const int64_t places = x.size(1);
  // Next to one another, so that a window of attention holds both, and as the first, which all see.
  const int64_t last = along ? places - 2 : places - 1;
  int64_t tried = 0;
  for (int64_t i = 0; i < last && tried < most_places; ++i) {
    const NamedTensors other =
        with(few, input.name, exchanged(x, i, i + 1, hold_both(q, input, few, i)));
    if (difference("", x, other[input.name], 0).empty()) continue;
    Tensor was = before, is = q.subject.output(other);
    if (along) was = slice(was, 1, i + 2, places), is = slice(is, 1, i + 2, places);
    if (distance(was, is) > different_by) return q.kept("order");
    ++tried;
  }
  if (tried == 0) return q.not_checked("order", "there are no two places to exchange");
  q.broken("order", text("two places of \"", input.name,
                         "\" can be exchanged, and the output is the same: has the model "
                         "positions? If that is meant, promise .ordered = false"));
}

/// Each place that counts has a say in something.
void check_places(Inquiry& q, const NamedTensors& few, const InputPromise& input) {
  const Tensor& x = few[input.name];
  if (x.rank() < 2) return;
  const Tensor before = q.subject.output(few);
  const std::vector<int64_t> lengths =
      q.lengths_of(input).defined()
          ? q.lengths_of(input).values<int64_t>()
          : std::vector<int64_t>(static_cast<size_t>(x.size(0)), x.size(1));
  Rng rng(3);
  const int64_t longest = *std::max_element(lengths.begin(), lengths.begin() + x.size(0));
  const int64_t stride = std::max<int64_t>(1, longest / most_places);
  for (int64_t place = longest - 1; place >= 0; place -= stride) {
    const Tensor is_place = equal(unsqueeze(arange(x.size(1)), 0), place);
    const auto other = changed(x, expand(is_place, {x.size(0), x.size(1)}), rng);
    if (!other) return;
    const Tensor now = q.subject.output(with(few, input.name, *other));
    if (difference("", before, now, 0).empty()) {
      q.broken("inputs",
               text("place ", place, " of \"", input.name, "\" has no say in the output"));
    }
  }
}

void check_state(Inquiry& q) {
  q.subject.restore();
  q.note("state", difference("the output", q.output, q.subject.output(q.batch), 0));
  if (!q.found.promises.back().text.empty()) {
    q.found.promises.back().text += ", after state() was loaded again: it has not all that changes";
  }
  if (!q.promises.rebuilt) return;
  const NoGrad no_grad;
  const nn::EvalMode eval;
  const std::string differs =
      difference("the output", q.output, q.promises.rebuilt(q.subject.state(), q.batch), 0);
  q.note("state", differs.empty() ? "" : text(differs, " in a model that was built anew"));
}

}  // namespace

void check_training(Inquiry& q) {
  check_unlisted(q);
  check_optimizer(q);
  const NamedTensors few = select_rows(q.batch, q.rows, arange(std::min(q.rows, most_rows)));
  if (!q.promises.overfits) {
    q.not_checked("overfits", "it is not promised");
    q.not_checked("parameters", "without overfits there is no training");
    q.not_checked("order", "without overfits there is no training");
    return check_state(q);
  }
  check_overfits(q, few);
  check_parameters(q);
  for (const InputPromise& input : q.promises.inputs) {
    check_order(q, few, input);
    check_places(q, few, input);
  }
  check_state(q);
}

}  // namespace rapt::training::detail
