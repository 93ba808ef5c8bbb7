#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "../fuzz/draw.h"
#include "../support/tensor_function.h"

/// One record for each function of ops.h: all that the tests which go through every function ask of
/// it. Whoever adds a function adds its record here, to the file of its family.
namespace rapt::tests {

using In = const Tensors&;
using fuzz::Draw;

/// The function on one set of inputs, away from kinks; the f64 ones are differentiated. Checked
/// against finite differences at first and second order, dense and strided, and under recompute;
/// and the first sample of a record with each input left out.
struct Sample {
  std::string what;  ///< is special about these inputs
  TensorFunction f;
  Tensors inputs;
};

/// A case of tests/reference/ops.safetensors, and rapt's side of it: PyTorch's values and
/// gradients.
struct Replay {
  std::string name;
  TensorFunction f;
};

struct OpRecord {
  std::string function;  ///< as declared: "add(Tensor, double)", without const, & and names
  bool has_gradient = true;
  std::vector<Sample> samples;
  std::vector<Replay> replays;
  TensorFunction definition;  ///< the same of the first sample's inputs, written otherwise; or none
  std::function<Tensors(Draw&)> drawn;  ///< a call with random arguments: the fuzzers, RandomCalls
  std::string named;                    ///< what its errors begin with; its own name by default
  std::vector<size_t> optional;         ///< inputs of the first sample that may be undefined

  OpRecord& sample(std::string what, TensorFunction f, Tensors inputs) {
    samples.push_back({std::move(what), std::move(f), std::move(inputs)});
    return *this;
  }
  OpRecord& means(TensorFunction f) {
    definition = std::move(f);
    return *this;
  }
  OpRecord& replay(std::string name, TensorFunction f) {
    replays.push_back({std::move(name), std::move(f)});
    return *this;
  }
  OpRecord& draw(std::function<Tensors(Draw&)> f) {
    drawn = std::move(f);
    return *this;
  }
  OpRecord& errors_of(std::string name) {
    named = std::move(name);
    return *this;
  }
  OpRecord& may_lack(std::vector<size_t> inputs) {
    optional = std::move(inputs);
    return *this;
  }
};

/// Records, one for each function.
class Ops {
 public:
  /// That function's record; a new one, if there is none yet.
  OpRecord& operator()(const std::string& function);
  /// The same for one whose results never require a gradient.
  OpRecord& constant(const std::string& function);

  const std::deque<OpRecord>& all() const { return records_; }

 private:
  std::deque<OpRecord> records_;  // a record stays where it is
};

// The families, in the order of ops.h.
void add_arithmetic(Ops& ops);
void add_elementwise(Ops& ops);
void add_choices(Ops& ops);
void add_activations(Ops& ops);
void add_comparisons(Ops& ops);
void add_reductions(Ops& ops);
void add_scans(Ops& ops);
void add_shapes(Ops& ops);
void add_arrangements(Ops& ops);
void add_diagonals(Ops& ops);
void add_sorting(Ops& ops);
void add_indexing(Ops& ops);
void add_scatters(Ops& ops);
void add_products(Ops& ops);
void add_normalization(Ops& ops);
void add_attention(Ops& ops);
void add_recurrent(Ops& ops);
void add_losses(Ops& ops);
void add_row_losses(Ops& ops);

/// All of them.
const std::deque<OpRecord>& op_records();

}  // namespace rapt::tests
