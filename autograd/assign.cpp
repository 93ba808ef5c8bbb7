#include "rapt/autograd/assign.h"

namespace rapt {

void check_assign(std::string_view op, const NamedTensors& target, const NamedTensors& source) {
  std::string problems;
  for (const auto& [name, tensor] : target) {
    if (!source.contains(name)) {
      problems += text("\n  missing: ", name, " ", tensor.dtype(), tensor.shape());
      continue;
    }
    const Tensor& given = source[name];
    if (given.shape() != tensor.shape() || given.dtype() != tensor.dtype()) {
      problems += text("\n  different: ", name, ", wanted ", tensor.dtype(), tensor.shape(),
                       "; got ", given.dtype(), given.shape());
    }
  }
  for (const auto& [name, tensor] : source) {
    if (!target.contains(name)) {
      problems += text("\n  unexpected: ", name, " ", tensor.dtype(), tensor.shape());
    }
  }
  if (!problems.empty()) fail(op, ": the tensors do not fit; nothing was loaded", problems);
}

void assign(std::string_view op, const NamedTensors& target, const NamedTensors& source) {
  check_assign(op, target, source);
  NoGrad no_grad;
  for (const auto& [name, tensor] : target) Tensor(tensor).copy_from(source[name]);
}

}  // namespace rapt
