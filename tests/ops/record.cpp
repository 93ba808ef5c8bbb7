#include "record.h"

#include <algorithm>

namespace rapt::tests {

OpRecord& Ops::operator()(const std::string& function) {
  const auto at = std::find_if(records_.begin(), records_.end(),
                               [&](const OpRecord& r) { return r.function == function; });
  if (at != records_.end()) return *at;
  OpRecord& record = records_.emplace_back();
  record.function = function;
  record.named = function.substr(0, function.find('('));
  return record;
}

OpRecord& Ops::constant(const std::string& function) {
  OpRecord& record = (*this)(function);
  record.has_gradient = false;
  return record;
}

const std::deque<OpRecord>& op_records() {
  static const std::deque<OpRecord> all = [] {
    Ops ops;
    add_arithmetic(ops);
    add_elementwise(ops);
    add_choices(ops);
    add_activations(ops);
    add_comparisons(ops);
    add_reductions(ops);
    add_scans(ops);
    add_shapes(ops);
    add_arrangements(ops);
    add_diagonals(ops);
    add_sorting(ops);
    add_indexing(ops);
    add_scatters(ops);
    add_products(ops);
    add_normalization(ops);
    add_attention(ops);
    add_recurrent(ops);
    add_losses(ops);
    add_row_losses(ops);
    return ops.all();
  }();
  return all;
}

}  // namespace rapt::tests
