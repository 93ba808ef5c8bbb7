// What every function of ops.h has to hold, driven by its record: gradients by finite differences,
// errors, random calls. (PyTorch's values: autograd/reference_test; under recompute:
// autograd/recompute_test; that each function has a record: autograd/every_op_is_checked_test.)

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <set>

#include "../fuzz/check_call.h"
#include "../support/tensors.h"
#include "rapt/autograd/gradient_check.h"

namespace rapt {
namespace {

using tests::OpRecord;
using tests::Sample;

// ---- gradients, at first and second order, and again with every input as a strided view --------

void check_family(void (*add)(tests::Ops&)) {
  tests::Ops ops;
  add(ops);
  EXPECT_FALSE(ops.all().empty());
  for (const OpRecord& op : ops.all()) {
    if (!op.has_gradient) continue;
    for (const Sample& sample : op.samples) {
      SCOPED_TRACE(text(op.function, sample.what.empty() ? "" : ", ", sample.what));
      const auto f = [&](const Tensors& x) { return sample.f(x); };
      const GradientReport report = check_gradients(f, sample.inputs);
      EXPECT_TRUE(report) << report.text;
    }
  }
}

TEST(OpGradients, OfArithmetic) { check_family(tests::add_arithmetic); }
TEST(OpGradients, OfElementwiseFunctions) { check_family(tests::add_elementwise); }
TEST(OpGradients, OfChoices) { check_family(tests::add_choices); }
TEST(OpGradients, OfActivations) { check_family(tests::add_activations); }
TEST(OpGradients, OfReductions) { check_family(tests::add_reductions); }
TEST(OpGradients, OfScans) { check_family(tests::add_scans); }
TEST(OpGradients, OfShapes) { check_family(tests::add_shapes); }
TEST(OpGradients, OfArrangements) { check_family(tests::add_arrangements); }
TEST(OpGradients, OfDiagonals) { check_family(tests::add_diagonals); }
TEST(OpGradients, OfSorting) { check_family(tests::add_sorting); }
TEST(OpGradients, OfIndexing) { check_family(tests::add_indexing); }
TEST(OpGradients, OfScatters) { check_family(tests::add_scatters); }
TEST(OpGradients, OfProducts) { check_family(tests::add_products); }
TEST(OpGradients, OfNormalization) { check_family(tests::add_normalization); }
TEST(OpGradients, OfAttention) { check_family(tests::add_attention); }
TEST(OpGradients, OfRecurrentLayers) { check_family(tests::add_recurrent); }
TEST(OpGradients, OfLosses) { check_family(tests::add_losses); }

// A sample that asked for no gradient at all would pass every check.
TEST(OpGradients, AreThereOrNotAsTheRecordSays) {
  for (const OpRecord& op : tests::op_records()) {
    EXPECT_FALSE(op.samples.empty()) << op.function;
    for (const Sample& sample : op.samples) {
      Tensors inputs;
      for (const Tensor& x : sample.inputs) {
        inputs.push_back(is_float(x.dtype()) ? x.clone().set_requires_grad() : x);
      }
      bool joined = false;
      for (const Tensor& y : sample.f(inputs)) joined = joined || y.requires_grad();
      EXPECT_EQ(joined, op.has_gradient) << op.function << ", " << sample.what;
    }
  }
}

// ---- values ------------------------------------------------------------------------------------

TEST(OpValues, AreWhatTheDefinitionSays) {
  for (const OpRecord& op : tests::op_records()) {
    if (!op.definition) continue;
    for (const Dtype dtype : {Dtype::f32, Dtype::f64}) {
      Tensors inputs, exact;
      for (const Tensor& x : op.samples[0].inputs) {
        inputs.push_back(x.dtype() == Dtype::f64 ? x.to(dtype) : x);
        exact.push_back(x.dtype() == Dtype::f64 ? inputs.back().to(Dtype::f64) : x);
      }
      const Tensors found = op.samples[0].f(inputs), wanted = op.definition(exact);
      ASSERT_EQ(found.size(), wanted.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_TRUE(
            tests::close(found[i].to(Dtype::f64), wanted[i], dtype == Dtype::f32 ? 1e-6 : 1e-14))
            << op.function << " in " << dtype;
      }
    }
  }
}

// Beside PyTorch's values or its definition, a function has no excuse; but these have other tests.
TEST(OpValues, AreComparedWithSomethingElseForEveryFunction) {
  const std::set<std::string> tested_elsewhere = {"linear_each", "gelu_linear",   "dropout",
                                                  "rotary",      "count_targets", "Loss::mean"};
  for (const OpRecord& op : tests::op_records()) {
    const std::string name = op.function.substr(0, op.function.find('('));
    const bool is_operator = name.starts_with("operator");  // inline calls of the functions
    EXPECT_TRUE(op.definition || !op.replays.empty() || is_operator ||
                tested_elsewhere.contains(name))
        << op.function;
  }
}

// ---- errors ------------------------------------------------------------------------------------

TEST(OpErrors, NameTheFunctionThatAnInputIsMissingOf) {
  for (const OpRecord& op : tests::op_records()) {
    const Sample& sample = op.samples[0];
    for (size_t i = 0; i < sample.inputs.size(); ++i) {
      Tensors inputs = sample.inputs;
      inputs[i] = Tensor();
      const std::string error = tests::error_of([&] { sample.f(inputs); });
      const bool may_lack =
          std::find(op.optional.begin(), op.optional.end(), i) != op.optional.end();
      if (may_lack) {
        EXPECT_EQ(error, "") << op.function << ", input " << i;
      } else {
        EXPECT_TRUE(error.starts_with(op.named + ": wanted"))
            << op.function << ", input " << i << ": " << error;
      }
    }
  }
}

// ---- random arguments --------------------------------------------------------------------------

/// RAPT_RANDOM_CALLS in the environment asks for more than a test has time for.
int64_t calls_of_each() {
  const char* const asked = std::getenv("RAPT_RANDOM_CALLS");
  return asked == nullptr ? 300 : std::max<int64_t>(300, std::atoll(asked));
}

TEST(Fuzz, RandomCalls) {
  Rng rng(2024);
  const int64_t wanted = calls_of_each();
  for (const OpRecord& op : tests::op_records()) {
    ASSERT_TRUE(op.drawn) << op.function << " is drawn by nobody";
    int64_t accepted = 0;
    for (int64_t i = 0; i < wanted; ++i) {
      std::vector<uint8_t> bytes;
      for (const int64_t b : rng.integers(0, 256, {64}).values<int64_t>()) {
        bytes.push_back(static_cast<uint8_t>(b));
      }
      try {
        accepted += fuzz::check_call(op, bytes.data(), bytes.size());
      } catch (const std::exception& e) {
        ADD_FAILURE() << e.what();
        break;
      }
    }
    EXPECT_GE(accepted, wanted / 3) << op.function << ": too few arguments are such as it takes";
    if (wanted > 300) std::cout << accepted << " accepted\t" << op.function << std::endl;
  }
}

}  // namespace
}  // namespace rapt
