// Replays what PyTorch made of the functions of ops.h (tests/reference/make_ops.py): forward values
// and gradients, in f32 and f64.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "../ops/record.h"
#include "../reference/reference.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::TensorFunction;

/// Of all records, by name.
const std::map<std::string, TensorFunction>& table() {
  static const std::map<std::string, TensorFunction> all = [] {
    std::map<std::string, TensorFunction> replays;
    for (const tests::OpRecord& op : tests::op_records()) {
      for (const tests::Replay& replay : op.replays) replays[replay.name] = replay.f;
    }
    return replays;
  }();
  return all;
}

const NamedTensors& stored() {
  static const NamedTensors file = reference::file("ops");
  return file;
}

// The cases of the file: what stands before "/in.0" in a name.
std::set<std::string> cases_in_file() {
  std::set<std::string> names;
  for (const auto& [name, tensor] : stored()) {
    const size_t end = name.rfind("/in.0");
    if (end != std::string::npos) names.insert(name.substr(0, end));
  }
  return names;
}

void replay(const std::string& name, const TensorFunction& f, Dtype dtype) {
  const double tolerance = reference::tolerance(dtype);
  SCOPED_TRACE(text(name, " in ", dtype));
  const std::string results = text(name, "/", dtype, "/");
  Tensors inputs;
  Tensors wanting;  // those whose gradient PyTorch gave
  Tensors gradients;
  std::vector<int> input_of;
  for (int i = 0; stored().contains(text(name, "/in.", i)); ++i) {
    Tensor x = stored()[text(name, "/in.", i)];
    if (is_float(x.dtype())) x = x.to(dtype).clone();
    if (stored().contains(text(results, "grad.", i))) {
      x.set_requires_grad();
      wanting.push_back(x);
      gradients.push_back(stored()[text(results, "grad.", i)]);
      input_of.push_back(i);
    }
    inputs.push_back(x);
  }
  const Tensors outputs = f(inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    SCOPED_TRACE(text("output ", i));
    const Tensor& wanted = stored()[text(results, "out.", i)];
    EXPECT_EQ(outputs[i].dtype(), wanted.dtype());
    EXPECT_TRUE(reference::close(outputs[i], wanted, tolerance));
  }
  EXPECT_FALSE(stored().contains(text(results, "out.", outputs.size())));
  if (wanting.empty()) return;
  Tensors joined, cotangents;
  for (const Tensor& y : outputs) {
    if (!y.requires_grad()) continue;  // indices, say
    joined.push_back(y);
    cotangents.push_back(reference::cotangent(y));
  }
  const Tensors got = grad(joined, wanting, {.cotangents = cotangents});
  for (size_t i = 0; i < got.size(); ++i) {
    SCOPED_TRACE(text("gradient ", i));
    const auto near = reference::close(got[i], gradients[i], tolerance);
    if (near || dtype == Dtype::f64) {
      EXPECT_TRUE(near);
      continue;
    }
    // Where PyTorch's own f32 has lost digits (a logsumexp near 1000), its f64 is the judge.
    const Tensor& exact = stored()[text(name, "/f64/grad.", input_of[i])];
    EXPECT_TRUE(reference::close(got[i].to(Dtype::f64), exact, tolerance)) << near.message();
  }
}

TEST(Reference, EveryCaseOfTheFileIsReplayedAndEveryReplayHasItsCase) {
  std::set<std::string> replayed;
  for (const auto& [name, f] : table()) replayed.insert(name);
  EXPECT_EQ(cases_in_file(), replayed);
  EXPECT_GE(replayed.size(), 200u);
}

TEST(Reference, ValuesAndGradientsAgreeWithPyTorchInF64) {
  for (const auto& [name, f] : table()) replay(name, f, Dtype::f64);
}

TEST(Reference, ValuesAndGradientsAgreeWithPyTorchInF32) {
  for (const auto& [name, f] : table()) replay(name, f, Dtype::f32);
}

}  // namespace
}  // namespace rapt
