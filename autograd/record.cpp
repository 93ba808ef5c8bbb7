#include "rapt/autograd/record.h"

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/node.h"
#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/rule_run.h"

namespace rapt {

Backward::Backward(const RuleRun& run)
    : grad(run.gradient), create_graph(run.create_graph), run_(run) {}

bool Backward::needs(size_t input) const { return run_.needed[input] != 0; }

const Tensor& Backward::output() const {
  if (run_.output.defined()) return run_.output;
  fail(run_.node.op,
       ": its gradient rule reads the output, which was not kept; give record {.keep_output = "
       "true}");
}

Tensor record(const char* op, TensorList inputs, FunctionRef<Tensor()> value, Rule rule,
              RecordOptions options) {
  Tensor y;
  {
    const Recording off(false);
    y = value();
  }
  if (!wants_graph(inputs)) return y;
  return join(op, inputs, std::move(y), std::move(rule), options);
}

}  // namespace rapt
