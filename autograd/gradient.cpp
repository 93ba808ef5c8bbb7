#include "rapt/autograd/gradient.h"

#include <algorithm>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/graph/hooks.h"
#include "rapt/autograd/graph/walk.h"

namespace rapt {
namespace {

void check_cotangent(const char* function, const Tensor& output, const Tensor& cotangent) {
  if (!cotangent.defined())
    fail(function, ": wanted cotangents that are defined; got an undefined tensor");
  if (cotangent.shape() == output.shape() && cotangent.dtype() == output.dtype()) return;
  fail(function, ": wanted a cotangent ", output.dtype(), output.shape(), "; got ",
       cotangent.dtype(), cotangent.shape());
}

/// The hooks of ops have run in their turn.
void run_hooks_of_leaves(TensorList inputs, Targets& targets) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].is_leaf()) continue;
    const void* const place = place_of(inputs[i]);
    const bool again = std::any_of(inputs.begin(), inputs.begin() + i,
                                   [&](const Tensor& other) { return place_of(other) == place; });
    if (again) continue;
    Tensor& found = *targets.slot(place);
    found = through_hooks(impl_of(inputs[i])->leaf->hooks, found);
  }
}

}  // namespace

void Tensor::backward(BackwardOptions options) const { backward(Tensor(), options); }

void Tensor::backward(const Tensor& cotangent, BackwardOptions options) const {
  if (!defined()) fail("backward: wanted a tensor; got an undefined one");
  if (cotangent.defined()) check_cotangent("backward", *this, cotangent);
  Walk walk(false, options.retain_graph, nullptr);
  walk.start("backward", *this, cotangent);
  walk.run();
}

Tensors grad(TensorList outputs, TensorList inputs, const GradOptions& options) {
  const Tensors& cotangents = options.cotangents;
  if (!cotangents.empty() && cotangents.size() != outputs.size()) {
    fail("grad: wanted one cotangent for each of ", outputs.size(), " outputs; got ",
         cotangents.size());
  }
  for (const Tensor& t : outputs) {
    if (!t.defined()) fail("grad: wanted outputs that are defined; got an undefined tensor");
  }
  for (const Tensor& t : inputs) {
    if (!t.defined()) fail("grad: wanted inputs that are defined; got an undefined tensor");
  }
  Targets targets(outputs, inputs);
  {
    Walk walk(options.create_graph, options.retain_graph, &targets);
    for (size_t i = 0; i < outputs.size(); ++i) {
      const bool constant = !outputs[i].requires_grad();
      if (constant && options.allow_unused) continue;
      if (!cotangents.empty()) check_cotangent("grad", outputs[i], cotangents[i]);
      walk.start("grad", outputs[i], cotangents.empty() ? Tensor() : cotangents[i]);
    }
    walk.run();
    run_hooks_of_leaves(inputs, targets);
  }
  Tensors out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor found = *targets.slot(place_of(inputs[i]));
    if (!found.defined()) {
      if (!options.allow_unused) {
        fail("grad: no output depends on input ", i, " of shape ", inputs[i].shape(),
             "; .allow_unused = true gives zeros instead");
      }
      found = zeros(inputs[i].shape(), inputs[i].dtype());
    }
    out.push_back(std::move(found));
  }
  return out;
}

}  // namespace rapt
