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

constexpr int64_t most_rows = 4;     // that are learnt by heart
constexpr int64_t least_steps = 10;  // so that all has changed that does so one behind the other
constexpr int64_t most_steps = 200;
constexpr double wanted_share = 0.25;  // of the first loss, above the lowest
constexpr double different_by = 1e-4;  // of the output: more than another order of sums makes
constexpr int64_t most_places = 32;
constexpr int64_t most_tries = 4;  // of other values, at a place

bool begins_with_one_of(const std::string& name, const std::vector<std::string>& beginnings) {
  return std::ranges::any_of(beginnings, [&](const std::string& b) { return name.starts_with(b); });
}

bool is_in(const NamedTensors& list, const Tensor& tensor) {
  return std::ranges::any_of(list, [&](const auto& e) { return e.second.same_as(tensor); });
}

/// Those that a training would change: what the optimizer has, if one was given.
NamedTensors to_train(const Inquiry& q) {
  NamedTensors out;
  for (const auto& [name, parameter] : q.subject.parameters) {
    const bool is_trained =
        q.promises.optimizer == nullptr || is_in(q.promises.optimizer->parameters(), parameter);
    if (is_trained && parameter.requires_grad()) out.add(name, parameter);
  }
  return out;
}

/// Trains the model on some rows until the loss is a part of what it was: the last loss.
double train(Inquiry& q, const NamedTensors& few, double enough, double lr) {
  optim::Adam adam(to_train(q), {.lr = lr});
  double loss = 0;
  for (int64_t step = 0; step < most_steps; ++step) {
    const Tensors gradients = q.subject.gradients(few);
    for (size_t i = 0; i < gradients.size(); ++i) {
      Tensor(q.subject.trained[i]).set_grad(gradients[i]);
    }
    adam.step();
    loss = q.subject.loss(few);
    if (!std::isfinite(loss) || (loss <= enough && step + 1 >= least_steps)) break;
  }
  return loss;
}

/// The names of the parameters that get a gradient in training mode, where other layers may be at
/// work; of all rows.
std::vector<std::string> trained_as_given(Inquiry& q) {
  q.subject.as_given = true;
  const Tensors gradients = q.subject.gradients(q.batch);
  q.subject.as_given = false;
  q.subject.restore();
  std::vector<std::string> out;
  for (size_t i = 0; i < gradients.size(); ++i) {
    if (count_nonzero(gradients[i]).item() > 0) out.push_back(q.subject.trained_names[i]);
  }
  return out;
}

/// Which parameters changed, and which had to.
void check_parameters(Inquiry& q, const std::vector<std::string>& trained) {
  q.kept("parameters");
  for (const auto& [name, parameter] : q.subject.parameters) {
    const bool changed = !same_values(q.subject.state()[name], parameter);
    const bool frozen = begins_with_one_of(name, q.promises.frozen);
    if (frozen && changed) q.broken("parameters", text(name, " is frozen, and changed"));
    if (frozen || changed || std::ranges::find(trained, name) != trained.end()) continue;
    q.broken("parameters", text(name, parameter.requires_grad() ? " has not changed in a training"
                                                                : " requires no gradient"));
  }
}

/// The optimizer has what is trained, and nothing else.
void check_optimizer(Inquiry& q) {
  if (q.promises.optimizer == nullptr) return;
  const NamedTensors theirs = q.promises.optimizer->parameters();
  for (const auto& [name, parameter] : q.subject.parameters) {
    const bool frozen = begins_with_one_of(name, q.promises.frozen);
    const bool has = is_in(theirs, parameter);
    if (parameter.requires_grad() && !frozen && !has) {
      q.broken("parameters", text("the optimizer has not ", name));
    }
    if (frozen && has && parameter.requires_grad()) {
      q.broken("parameters", text("the optimizer has ", name, ", which is frozen"));
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
  const auto finite = [](const Tensor& x) { return where(isfinite(x), x, 0.0); };
  if (a.numel() == 0) return 0;
  const double scale = max(abs(finite(a))).item();
  return scale > 0 ? max(abs(finite(a) - finite(b))).item() / scale : 0;
}

/// b8 [B]: the rows where this place and the next one count, and are of one document.
Tensor hold_both(const InputPromise& input, const NamedTensors& few, int64_t place) {
  Tensor out = select(counting(input, few), 1, place + 1);
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
  const bool along = q.is_along(input);
  const int64_t places = x.size(1);
  // Next to one another, so that a window of attention holds both, and as the first, which all see.
  const int64_t last = along ? places - 2 : places - 1;
  int64_t tried = 0;
  for (int64_t i = 0; i < last && tried < most_places; ++i) {
    const NamedTensors other =
        with(few, input.name, exchanged(x, i, i + 1, hold_both(input, few, i)));
    if (same_values(x, other[input.name])) continue;
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
  if (!input.every_place) return q.not_checked("inputs", "not every place is promised to count");
  const Tensor before = q.subject.output(few);
  const Tensor counts = counting(input, few);
  Rng rng(3);
  const int64_t stride = std::max<int64_t>(1, x.size(1) / most_places);
  for (int64_t place = x.size(1) - 1; place >= 0; place -= stride) {
    const Tensor here = logical_and(counts, equal(unsqueeze(arange(x.size(1)), 0), place));
    if (any(here).item() == 0) continue;
    bool has_say = false;
    for (int64_t i = 0; i < most_tries && !has_say; ++i) {
      const auto other = changed(x, here, rng);
      if (!other) return q.not_checked("inputs", text("\"", input.name, "\" has not two values"));
      has_say = !same_values(before, q.subject.output(with(few, input.name, *other)));
    }
    q.note(
        "inputs",
        has_say ? "" : text("place ", place, " of \"", input.name, "\" has no say in the output"));
  }
}

/// State that was saved brings everything back; and into a model built anew, a trained one's, which
/// has no number in common with it.
void check_state(Inquiry& q, bool is_trained) {
  if (q.promises.rebuilt) {
    const NoGrad no_grad;
    const nn::EvalMode eval;
    const NamedTensors state = copy_of_state(q.subject.model);
    const std::string differs =
        difference("the output", q.subject.output(q.batch), q.promises.rebuilt(state, q.batch), 0);
    q.note("state", differs.empty() ? "" : text(differs, " in a model that was built anew"));
  }
  if (!is_trained) return q.not_checked("state", "without overfits there is no training");
  q.subject.restore();
  const std::string differs = difference("the output", q.output, q.subject.output(q.batch), 0);
  q.note("state", differs.empty() ? ""
                                  : text(differs,
                                         " after a training, when the state from before "
                                         "was loaded: it has not all that changes"));
}

/// The rows that are learnt: such as have a target, if there are.
NamedTensors few_rows(const Inquiry& q) {
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < q.rows && std::ssize(chosen) < most_rows; ++i) {
    const Tensor index = from_values<int64_t>({i});
    double count = 1;
    try {
      count =
          q.subject.loss_of_output(index_select(q.output, 0, index), select_rows(q.batch, index))
              .count;
    } catch (const Error&) {  // a loss of several rows only
    }
    if (count > 0) chosen.push_back(i);
  }
  if (chosen.empty()) chosen = arange(std::min(q.rows, most_rows)).values<int64_t>();
  return select_rows(q.batch, from_values(chosen));
}

}  // namespace

void check_training(Inquiry& q) {
  check_unlisted(q);
  check_optimizer(q);
  if (!q.promises.overfits || to_train(q).empty()) {
    for (const char* promise : {"overfits", "parameters", "order"}) {
      q.not_checked(promise,
                    q.promises.overfits ? "nothing is trained" : "overfits is not promised");
    }
    return check_state(q, false);
  }
  const NamedTensors few = few_rows(q);
  const std::vector<std::string> trained = trained_as_given(q);
  check_overfits(q, few);
  check_parameters(q, trained);
  for (const InputPromise& input : q.promises.inputs) {
    check_order(q, few, input);
    check_places(q, few, input);
  }
  check_state(q, true);
}

}  // namespace rapt::training::detail
