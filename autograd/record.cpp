#include "rapt/autograd/record.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/rule_run.h"

namespace rapt {

Backward::Backward(const RuleRun& run)
    : grad(run.gradients[0]), create_graph(run.create_graph), run_(run) {}

const Tensor& Backward::grad_of(size_t i) const {
  if (i < run_.gradients.size()) return run_.gradients[i];
  fail(run_.node.op, ": its gradient rule asks for the gradient of output ", i, "; it has ",
       run_.gradients.size());
}

bool Backward::needs(size_t input) const { return run_.needed[input] != 0; }

const Tensor& Backward::output(size_t i) const {
  if (i < run_.outputs.size() && run_.outputs[i].defined()) return run_.outputs[i];
  fail(run_.node.op,
       ": its gradient rule reads the output, which was not kept; give record {.keep_output = "
       "true}");
}

namespace {

template <class Value>
Value record_any(const char* op, TensorList inputs, FunctionRef<Value()> value, Rule rule,
                 RecordOptions options) {
  Value y;
  {
    const Recording off(false);
    y = value();
  }
  if (!wants_graph(inputs)) return y;
  return join(op, inputs, std::move(y), std::move(rule), options);
}

}  // namespace

Tensor record(const char* op, TensorList inputs, FunctionRef<Tensor()> value, Rule rule,
              RecordOptions options) {
  return record_any(op, inputs, value, std::move(rule), options);
}

Tensors record(const char* op, TensorList inputs, FunctionRef<Tensors()> values, Rule rule,
               RecordOptions options) {
  return record_any(op, inputs, values, std::move(rule), options);
}

}  // namespace rapt
