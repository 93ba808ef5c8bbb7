#include "rapt/training/detail/verify_subject.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>

#include "rapt/autograd/create.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/ops.h"
#include "rapt/training/detail/verify_batch.h"

namespace rapt::training::detail {
namespace {

// Sums of many rows, to which the changed ones add zeros, may be added up in another order.
constexpr double gradients_as_close_as = 1e-6;

/// "[1, 0, 5]", of the element of that number.
std::string place_of(int64_t number, const Shape& shape) {
  std::vector<int64_t> index(static_cast<size_t>(shape.rank()));
  for (int64_t axis = shape.rank() - 1; axis >= 0; --axis) {
    index[static_cast<size_t>(axis)] = number % shape[axis];
    number /= shape[axis];
  }
  std::string out = "[";
  for (size_t i = 0; i < index.size(); ++i) out += text(i == 0 ? "" : ", ", index[i]);
  return out + "]";
}

/// b8 of x's shape, from that of its rows or places.
Tensor spread(const Tensor& watched, const Tensor& x) {
  Tensor out = watched;
  while (out.rank() < x.rank()) out = unsqueeze(out, -1);
  return expand(out, x.shape());
}

Tensor copy_of(const Tensor& x) { return x.detach().clone(); }

}  // namespace

std::string difference(const std::string& name, const Tensor& before, const Tensor& now,
                       double as_close_as) {
  if (before.shape() != now.shape()) {
    return text(name, " was ", before.shape(), ", is ", now.shape());
  }
  if (before.numel() == 0 || same_values(before, now)) return "";
  Tensor differs =
      logical_and(not_equal(before, now), logical_not(logical_and(isnan(before), isnan(now))));
  if (as_close_as > 0) {  // NaN is not close to anything
    const double allowed = as_close_as * max(abs(before)).item();
    differs = logical_and(differs, logical_not(less_equal(abs(before - now), allowed)));
  }
  const std::vector<bool> at = differs.values<bool>();
  const auto first = static_cast<int64_t>(std::ranges::find(at, true) - at.begin());
  if (first == std::ssize(at)) return "";
  const auto shown = [&](const Tensor& x) {
    return reshape(x.contiguous(), {x.numel()})[first].item();
  };
  return text(name, place_of(first, before.shape()), " was ", shown(before), ", is ", shown(now));
}

NamedTensors copy_of_state(const nn::Module& model) {
  const NamedTensors state = model.state();
  NamedTensors out;
  for (const auto& [name, tensor] : state) out.add(name, copy_of(tensor));
  out.set_configuration(state.configuration());
  return out;
}

Subject::Subject(nn::Module& of, Forward forward_of, LossOf loss)
    : model(of),
      forward(forward_of),
      loss_of(loss),
      parameters(of.parameters()),
      state_(copy_of_state(of)) {
  for (const auto& [name, parameter] : parameters) {
    gradients_.push_back(parameter.grad());
    if (!parameter.requires_grad()) continue;
    trained_names.push_back(name);
    trained.push_back(parameter);
  }
}

Subject::~Subject() {
  try {
    restore();
  } catch (const std::exception& error) {  // forward() has made another model of it
    std::fprintf(stderr, "verify: the model could not be put back: %s\n", error.what());
  }
  for (size_t i = 0; const auto& [name, parameter] : parameters) {
    Tensor(parameter).set_grad(gradients_[i++]);
  }
}

void Subject::restore() {
  const NoGrad no_grad;
  model.load_state(state_);
}

/// While one lives, the model is in the mode that `as_given` says.
class Subject::Run {
 public:
  explicit Run(const Subject& subject) {
    if (!subject.as_given) {
      eval_.emplace();
      return;
    }
    const NoGrad no_grad;
    subject.model.load_state(subject.state_);  // for its streams
  }

 private:
  std::optional<nn::EvalMode> eval_;
};

Tensor Subject::output(const NamedTensors& batch) const {
  const NoGrad no_grad;
  const Run run(*this);
  return copy_of(forward(batch));
}

double Subject::loss(const NamedTensors& batch) const {
  const NoGrad no_grad;
  const Run run(*this);
  return loss_of(forward(batch), batch).mean().item();
}

Loss Subject::loss_of_output(const Tensor& output, const NamedTensors& batch) const {
  const NoGrad no_grad;
  const Run run(*this);
  return loss_of(output, batch);
}

Tensors Subject::gradients(const NamedTensors& batch) const {
  const Run run(*this);
  const Tensor mean = loss_of(forward(batch), batch).mean();
  return gradients_of(mean, {});
}

Tensor Subject::output_gradient(const Tensor& output, const NamedTensors& batch) const {
  const Tensor leaf = copy_of(output).set_requires_grad();
  const Run run(*this);
  const Tensor mean = loss_of(leaf, batch).mean();
  if (!mean.requires_grad()) return zeros(leaf.shape(), leaf.dtype());
  return grad({mean}, {leaf}, {.allow_unused = true})[0];
}

/// Zeros for parameters that have no say.
Tensors Subject::gradients_of(const Tensor& y, const Tensors& cotangents) const {
  if (y.requires_grad() && !trained.empty()) {
    return grad({y}, trained, {.allow_unused = true, .cotangents = cotangents});
  }
  Tensors out;
  for (const Tensor& parameter : trained) {
    out.push_back(zeros(parameter.shape(), parameter.dtype()));
  }
  return out;
}

Seen Subject::see(const NamedTensors& batch, const Tensor& watched) const {
  const Run run(*this);
  const Tensor y = forward(batch);
  Rng rng(7);  // the same in every call
  const Tensor weights = rng.normal(y.shape(), 0, 1, y.dtype());
  const Tensor cotangent = where(spread(watched, y), weights, 0.0);
  return {copy_of(y), gradients_of(y, {cotangent})};
}

std::string Subject::difference(const Seen& before, const Seen& now, const Tensor& watched) const {
  const auto at_watched = [&](const Tensor& y) { return where(spread(watched, y), y, 0.0); };
  if (before.output.shape() != now.output.shape()) {
    return detail::difference("the output", before.output, now.output, 0);
  }
  std::string out =
      detail::difference("the output", at_watched(before.output), at_watched(now.output), 0);
  for (size_t i = 0; out.empty() && i < trained.size(); ++i) {
    out = detail::difference(text("its gradient for ", trained_names[i]), before.gradients[i],
                             now.gradients[i], gradients_as_close_as);
  }
  return out;
}

}  // namespace rapt::training::detail
