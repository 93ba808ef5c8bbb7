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

VerifiedPromise* find(Verification& found, const std::string& name) {
  const auto at = std::ranges::find(found.promises, name, &VerifiedPromise::name);
  return at == found.promises.end() ? nullptr : &*at;
}

}  // namespace

void Inquiry::kept(const std::string& promise) {
  VerifiedPromise* const was = find(found, promise);
  if (was == nullptr) {
    found.promises.push_back({promise, Outcome::kept, ""});
  } else if (was->outcome == Outcome::not_checked) {
    *was = {promise, Outcome::kept, "in part: " + was->text};
  }
}

void Inquiry::broken(const std::string& promise, const std::string& why) {
  VerifiedPromise* was = find(found, promise);
  if (was == nullptr) was = &found.promises.emplace_back();
  if (was->outcome == Outcome::broken) return;  // one finding is enough to go on
  *was = {promise, Outcome::broken, why};
  found.text += text(found.text.empty() ? "" : "\n", promise, ": ", why);
}

void Inquiry::not_checked(const std::string& promise, const std::string& why) {
  VerifiedPromise* const was = find(found, promise);
  if (was == nullptr) {
    found.promises.push_back({promise, Outcome::not_checked, why});
  } else if (was->outcome == Outcome::kept && was->text.empty()) {
    was->text = "in part: " + why;
  }
}

void Inquiry::note(const std::string& promise, const std::string& why) {
  why.empty() ? kept(promise) : broken(promise, why);
}

bool Inquiry::is_along(const InputPromise& input) const {
  const Tensor& x = batch[input.name];
  if (x.rank() < 2 || output.rank() < 2 || output.size(1) != x.size(1)) return false;
  const auto is_ordered = [](const InputPromise& i) { return i.causal || i.next_token; };
  if (input.along_output) return *input.along_output;
  if (is_ordered(input)) return true;
  return output.rank() >= 3 && std::ranges::none_of(promises.inputs, is_ordered);
}

Tensor lengths_of(const InputPromise& input, const NamedTensors& batch) {
  if (!input.lengths.empty()) return batch[input.lengths];
  if (input.padding_token) return lengths_without(batch[input.name], *input.padding_token);
  return {};
}

Tensor counting(const InputPromise& input, const NamedTensors& batch) {
  const Tensor& x = batch[input.name];
  const Tensor lengths = lengths_of(input, batch);
  if (!lengths.defined()) return ones({x.size(0), x.size(1)}, Dtype::b8);
  return places_within(lengths, x.size(1));
}

}  // namespace detail

namespace {

const Tensor& in_batch(const NamedTensors& batch, const std::string& name) {
  if (batch.contains(name)) return batch[name];
  std::string names;
  for (const auto& [other, tensor] : batch) names += text(names.empty() ? "" : ", ", other);
  fail("verify: wanted \"", name, "\", which was promised, in the batch; got ", names);
}

/// Its own shape, and those of what is named beside it.
void check_input(const NamedTensors& batch, const InputPromise& input, int64_t rows) {
  const Tensor& x = in_batch(batch, input.name);
  const bool needs_places = input.causal || input.next_token || !input.lengths.empty() ||
                            input.padding_token || !input.documents.empty();
  if (x.rank() < (needs_places ? 2 : 1) || (needs_places && x.size(1) == 0)) {
    fail("verify: wanted \"", input.name, "\" as [", rows, needs_places ? ", T, ...]" : ", ...]",
         "; got ", x.shape());
  }
  if ((input.next_token || input.padding_token) && (x.dtype() != Dtype::i64 || x.rank() != 2)) {
    fail("verify: wanted tokens, i64 [", rows, ", T], as \"", input.name, "\"; got ", x.dtype(),
         x.shape());
  }
  const auto wants = [&](const std::string& name, const Shape& shape) {
    if (name.empty()) return;
    const Tensor& other = in_batch(batch, name);
    if (other.dtype() == Dtype::i64 && other.shape() == shape) return;
    fail("verify: wanted \"", name, "\" as i64", shape, "; got ", other.dtype(), other.shape());
  };
  wants(input.lengths, {rows});
  if (!input.documents.empty()) wants(input.documents, {rows, x.size(1)});
  if (input.lengths.empty()) return;
  const double shortest = min(batch[input.lengths]).item(),
               longest = max(batch[input.lengths]).item();
  if (shortest < 0 || longest > static_cast<double>(x.size(1))) {
    fail("verify: wanted \"", input.lengths, "\" from 0 to ", x.size(1), "; got ",
         shortest < 0 ? shortest : longest);
  }
}

/// The batch has what the promises name, in the shapes that they want.
void check(const nn::Module& model, const NamedTensors& batch, const Promises& promises) {
  if (promises.inputs.empty())
    fail("verify: wanted Promises::inputs, what the model reads; got none");
  if (model.parameters().empty()) fail("verify: wanted a model with parameters; got one without");
  if (!std::isfinite(promises.lowest_loss)) {
    fail("verify: wanted a finite lowest_loss, or overfits = false; got ", promises.lowest_loss);
  }
  const Tensor& first = in_batch(batch, promises.inputs[0].name);
  const int64_t rows = first.rank() == 0 ? 0 : first.size(0);
  if (rows < 2) fail("verify: wanted a batch of at least 2 rows; got ", rows);
  for (const auto& [name, tensor] : batch) {
    if (tensor.rank() > 0 && tensor.size(0) == rows) continue;
    fail("verify: wanted every tensor of the batch as [", rows, ", ...]; got \"", name, "\" ",
         tensor.shape());
  }
  for (const InputPromise& input : promises.inputs) check_input(batch, input, rows);
}

/// What the promises say of the output.
void check_output(const detail::Inquiry& inquiry) {
  const Tensor& y = inquiry.output;
  if (y.rank() == 0 || y.size(0) != inquiry.rows || !is_float(y.dtype())) {
    fail("verify: wanted an output f32 or f64 [", inquiry.rows, ", ...]; got ", y.dtype(),
         y.shape());
  }
  for (const InputPromise& input : inquiry.promises.inputs) {
    const bool has_to = input.causal || !input.documents.empty() || input.along_output == true;
    if (!has_to || inquiry.is_along(input)) continue;
    fail("verify: wanted an output [", inquiry.rows, ", ", inquiry.batch[input.name].size(1),
         ", ...] along \"", input.name, "\", as is promised; got ", y.shape());
  }
}

/// At most 8 rows: of each input the longest and the shortest, and then from the first on.
NamedTensors some_rows(const NamedTensors& batch, const Promises& promises) {
  constexpr int64_t most = 8;
  const int64_t rows = batch[promises.inputs[0].name].size(0);
  std::vector<int64_t> chosen;
  const auto choose = [&](int64_t row) {
    if (std::ssize(chosen) < most && std::ranges::find(chosen, row) == chosen.end()) {
      chosen.push_back(row);
    }
  };
  for (const InputPromise& input : promises.inputs) {
    const Tensor lengths = detail::lengths_of(input, batch);
    if (!lengths.defined()) continue;
    choose(static_cast<int64_t>(argmax(lengths).item()));
    choose(static_cast<int64_t>(argmin(lengths).item()));
  }
  for (int64_t row = 0; row < rows; ++row) choose(row);
  return detail::select_rows(batch, from_values(chosen));
}

}  // namespace

Verification verify(nn::Module& model, const NamedTensors& batch,
                    FunctionRef<Tensor(const NamedTensors&)> forward,
                    FunctionRef<Loss(const Tensor&, const NamedTensors&)> loss,
                    const Promises& promises) {
  check(model, batch, promises);
  const NamedTensors some = some_rows(batch, promises);
  const int64_t rows = some[promises.inputs[0].name].size(0);
  detail::Subject subject(model, forward, loss);
  detail::Inquiry inquiry{subject, some, rows, promises};
  inquiry.output = subject.output(some);
  check_output(inquiry);
  if (any(isnan(inquiry.output)).item() != 0) {
    inquiry.broken("first_loss", "the output is NaN");
    return std::move(inquiry.found);
  }
  detail::check_leaks(inquiry);
  detail::check_loss(inquiry);
  detail::check_training(inquiry);
  return std::move(inquiry.found);
}

}  // namespace rapt::training
