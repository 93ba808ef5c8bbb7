#include "rapt/training/verify.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/training/detail/verify_batch.h"
#include "rapt/training/detail/verify_checks.h"

namespace rapt::training {

using Outcome = VerifiedPromise::Outcome;

namespace detail {
namespace {

VerifiedPromise& entry(Verification& found, const std::string& name) {
  for (VerifiedPromise& promise : found.promises) {
    if (promise.name == name) return promise;
  }
  return found.promises.emplace_back(VerifiedPromise{name, Outcome::kept, ""});
}

}  // namespace

void Inquiry::kept(const std::string& promise) {
  VerifiedPromise& to = entry(found, promise);
  if (to.outcome == Outcome::not_checked) to = {promise, Outcome::kept, ""};
}

void Inquiry::broken(const std::string& promise, const std::string& why) {
  VerifiedPromise& to = entry(found, promise);
  if (to.outcome == Outcome::broken) return;  // one finding is enough to go on
  to = {promise, Outcome::broken, why};
  found.text += text(found.text.empty() ? "" : "\n", promise, ": ", why);
}

void Inquiry::not_checked(const std::string& promise, const std::string& why) {
  const bool is_new = std::ranges::none_of(
      found.promises, [&](const VerifiedPromise& p) { return p.name == promise; });
  if (is_new) entry(found, promise) = {promise, Outcome::not_checked, why};
}

void Inquiry::note(const std::string& promise, const std::string& why) {
  why.empty() ? kept(promise) : broken(promise, why);
}

const InputPromise* Inquiry::along_output() const {
  const InputPromise* out = nullptr;
  for (const InputPromise& input : promises.inputs) {
    const Tensor& x = batch[input.name];
    const bool is_along = x.rank() >= 2 && output.rank() >= 2 && output.size(1) == x.size(1);
    if (!is_along) continue;
    if (input.causal || input.next_token) return &input;
    if (promises.inputs.size() == 1 && output.rank() >= 3) out = &input;
  }
  return out;
}

Tensor Inquiry::lengths_of(const InputPromise& input) const {
  if (!input.lengths.empty()) return batch[input.lengths];
  if (input.padding_token) return lengths_without(batch[input.name], *input.padding_token);
  return {};
}

Tensor Inquiry::counting(const InputPromise& input) const {
  const Tensor& x = batch[input.name];
  const Tensor lengths = lengths_of(input);
  if (!lengths.defined()) return ones({x.size(0), x.size(1)}, Dtype::b8);
  return places_within(lengths, x.size(1));
}

}  // namespace detail

namespace {

const Tensor& in_batch(const NamedTensors& batch, const std::string& name) {
  if (!batch.contains(name)) {
    std::string names;
    for (const auto& [other, tensor] : batch) names += text(names.empty() ? "" : ", ", other);
    fail("verify: wanted \"", name, "\", which was promised, in the batch; got ", names);
  }
  return batch[name];
}

/// The batch has what the promises name, in the shapes that they want.
void check(const NamedTensors& batch, const Promises& promises) {
  if (promises.inputs.empty())
    fail("verify: wanted Promises::inputs, what the model reads; got none");
  const int64_t rows = in_batch(batch, promises.inputs[0].name).rank() == 0
                           ? 0
                           : batch[promises.inputs[0].name].size(0);
  if (rows < 2) fail("verify: wanted a batch of at least 2 rows; got ", rows);
  for (const InputPromise& input : promises.inputs) {
    const Tensor& x = in_batch(batch, input.name);
    const bool needs_places = input.causal || input.next_token || !input.lengths.empty() ||
                              input.padding_token || !input.documents.empty();
    if (x.rank() < (needs_places ? 2 : 1) || x.size(0) != rows) {
      fail("verify: wanted \"", input.name, "\" as [", rows, needs_places ? ", T, ...]" : ", ...]",
           "; got ", x.shape());
    }
    if ((input.next_token || input.padding_token) && x.dtype() != Dtype::i64) {
      fail("verify: wanted tokens, i64, as \"", input.name, "\"; got ", x.dtype());
    }
    const auto wants = [&](const std::string& name, const Shape& shape) {
      if (name.empty()) return;
      const Tensor& other = in_batch(batch, name);
      if (other.dtype() == Dtype::i64 && other.shape() == shape) return;
      fail("verify: wanted \"", name, "\" as i64", shape, "; got ", other.dtype(), other.shape());
    };
    wants(input.lengths, {rows});
    if (!input.documents.empty()) wants(input.documents, {rows, x.size(1)});
  }
}

/// At most 8 rows: the first, with the longest and the shortest of all.
NamedTensors some_rows(const NamedTensors& batch, const Promises& promises) {
  constexpr int64_t most = 8;
  const int64_t rows = batch[promises.inputs[0].name].size(0);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < std::min(rows, most); ++i) chosen.push_back(i);
  const auto choose = [&](int64_t row, size_t place) {
    if (std::ranges::find(chosen, row) == chosen.end()) chosen[place] = row;
  };
  for (const InputPromise& input : promises.inputs) {
    const Tensor lengths = input.lengths.empty()
                               ? (input.padding_token ? detail::lengths_without(
                                                            batch[input.name], *input.padding_token)
                                                      : Tensor())
                               : batch[input.lengths];
    if (!lengths.defined()) continue;
    choose(static_cast<int64_t>(argmax(lengths).item()), 0);
    choose(static_cast<int64_t>(argmin(lengths).item()), 1);
  }
  return detail::select_rows(batch, rows, from_values(chosen));
}

}  // namespace

Verification verify(nn::Module& model, const NamedTensors& batch,
                    FunctionRef<Tensor(const NamedTensors&)> forward,
                    FunctionRef<Loss(const Tensor&, const NamedTensors&)> loss,
                    const Promises& promises) {
  check(batch, promises);
  const NamedTensors some = some_rows(batch, promises);
  const int64_t rows = some[promises.inputs[0].name].size(0);
  detail::Subject subject(model, forward, loss);
  detail::Inquiry inquiry{subject, some, rows, promises};
  inquiry.output = subject.output(some);
  const Tensor& y = inquiry.output;
  if (y.rank() == 0 || y.size(0) != rows) {
    fail("verify: wanted an output of ", rows, " rows, as the batch has; got ", y.shape());
  }
  for (const InputPromise& input : promises.inputs) {
    if (!input.causal || inquiry.along_output() == &input) continue;
    fail("verify: wanted an output [", rows, ", ", some[input.name].size(1), ", ...] along \"",
         input.name, "\", which is causal; got ", y.shape());
  }
  if (!all(isfinite(y)).item()) {
    inquiry.broken("first_loss", "the output is not finite");
    return std::move(inquiry.found);
  }
  detail::check_leaks(inquiry);
  detail::check_loss(inquiry);
  detail::check_training(inquiry);
  return std::move(inquiry.found);
}

}  // namespace rapt::training
