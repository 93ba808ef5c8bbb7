#include "rapt/nn/module.h"

#include <gtest/gtest.h>

#include "../reference/reference.h"
#include "rapt/nn/linear.h"

namespace rapt::nn {
namespace {

using reference::error_of;
using reference::names;
using Names = std::vector<std::string>;

/// A bit of everything that a Module can hold.
class Inner : public Module {
 public:
  explicit Inner(double value)
      : weight(parameter("weight", full({2}, value))),
        count(buffer("count", full({}, value, Dtype::i64))),
        mean(buffer("mean", full({2}, value))),
        rng(stream("stream", Rng(static_cast<uint64_t>(value)))) {}
  Tensor weight, count, mean;
  std::shared_ptr<Rng> rng;
};

class Outer : public Module {
 public:
  Outer() : scale(parameter("scale", full({3}, 9))) {
    for (int i = 0; i < 2; ++i) blocks.push_back(child("blocks." + std::to_string(i), Inner(i)));
  }
  Tensor scale;
  std::vector<Inner> blocks;
};

/// Opens what is protected.
class Open : public Module {
 public:
  using Module::buffer;
  using Module::child;
  using Module::parameter;
  using Module::stream;
};

TEST(Module, NamesParametersByDottedPathsInOrder) {
  EXPECT_EQ(names(Outer().parameters()), (Names{"scale", "blocks.0.weight", "blocks.1.weight"}));
}

TEST(Module, StateHasBuffersAndStreamsToo) {
  EXPECT_EQ(names(Outer().state()),
            (Names{"scale", "blocks.0.weight", "blocks.0.count", "blocks.0.mean", "blocks.0.stream",
                   "blocks.1.weight", "blocks.1.count", "blocks.1.mean", "blocks.1.stream"}));
}

TEST(Module, ParametersAskForGradientsAndBuffersDoNot) {
  const Outer outer;
  EXPECT_TRUE(outer.scale.requires_grad());
  EXPECT_TRUE(outer.blocks[1].weight.requires_grad());
  EXPECT_FALSE(outer.blocks[1].mean.requires_grad());
}

TEST(Module, HandsOutHandlesToTheMembers) {
  const Outer outer;
  EXPECT_TRUE(outer.parameters()["blocks.1.weight"].same_as(outer.blocks[1].weight));
  EXPECT_TRUE(outer.state()["blocks.0.count"].same_as(outer.blocks[0].count));
}

TEST(Module, CountsTheElementsOfParameters) { EXPECT_EQ(Outer().parameter_count(), 3 + 2 * 2); }

TEST(Module, ATensorUnderTwoNamesIsListedOnce) {
  Open tied;
  const Tensor shared = tied.parameter("first", ones({4}));
  tied.parameter("second", shared);
  EXPECT_EQ(names(tied.parameters()), Names{"first"});
  EXPECT_EQ(names(tied.state()), Names{"first"});
  EXPECT_EQ(tied.parameter_count(), 4);
}

/// A part, whose layers go by the name of what has it, and a layer under two names.
class Shared : public Module {
 public:
  explicit Shared(Rng& rng)
      : outer(part(Outer())),
        first(child("first", Linear(2, 2, rng))),
        second(child("second", first)) {}
  Outer outer;
  Linear first, second;
};

TEST(Module, ListsTheLayersBelowIt) {
  Rng rng(1);
  EXPECT_EQ(Shared(rng).layer_paths(), (std::vector<std::string>{"blocks.0", "blocks.1", "first"}));
  EXPECT_EQ(Linear(2, 2, rng).layer_paths(), std::vector<std::string>{});
}

TEST(Module, RefusesANameTwice) {
  Open module;
  module.parameter("a", ones({1}));
  EXPECT_EQ(error_of([&] { module.parameter("a", ones({1})); }),
            "Module: the name a is already taken");
  EXPECT_EQ(error_of([&] { module.buffer("a", ones({1})); }),
            "Module: the name a is already taken");
  EXPECT_EQ(error_of([&] { module.stream("a", Rng(1)); }), "Module: the name a is already taken");
  EXPECT_EQ(error_of([&] { module.child("a", Inner(1)); }), "Module: the name a is already taken");
  EXPECT_EQ(error_of([&] { module.parameter("", ones({1})); }),
            "Module: wanted a name; got an empty text");
  EXPECT_EQ(names(module.state()), Names{"a"});
}

TEST(Module, RefusesWhatIsNoParameter) {
  Open module;
  EXPECT_EQ(error_of([&] { module.parameter("a", Tensor()); }), "Module: parameter a is no tensor");
  EXPECT_EQ(error_of([&] { module.buffer("a", Tensor()); }), "Module: buffer a is no tensor");
  EXPECT_EQ(error_of([&] { module.parameter("a", arange(3)); }),
            "Module: wanted parameter a of f32 or f64; got i64[3]");
  EXPECT_TRUE(module.state().empty());
}

TEST(Module, TrainAndEvalReachEveryLayer) {
  Outer outer;
  EXPECT_TRUE(outer.training());
  EXPECT_TRUE(outer.blocks[1].training());
  outer.eval();
  EXPECT_FALSE(outer.training());
  EXPECT_FALSE(outer.blocks[1].training());
  outer.train();
  EXPECT_TRUE(outer.blocks[0].training());
  outer.blocks[0].eval();
  EXPECT_TRUE(outer.training());
  EXPECT_TRUE(outer.blocks[1].training());
}

TEST(Module, MovingALayerKeepsNamesAndTensorsTogether) {
  Outer outer;
  const Tensor weight = outer.blocks[1].weight;
  Outer moved = std::move(outer);
  EXPECT_TRUE(moved.parameters()["blocks.1.weight"].same_as(weight));
  EXPECT_TRUE(moved.blocks[1].weight.same_as(weight));
  moved.eval();
  EXPECT_FALSE(moved.blocks[1].training());
  EXPECT_EQ(outer.parameters().size(), 3u);  // the moved-from layer still knows its names
}

TEST(Module, ACopyIsAnAlias) {
  Outer outer;
  Outer copy = outer;
  copy.blocks[0].weight.mutable_data<float>()[1] = 7;
  copy.eval();
  EXPECT_EQ(outer.blocks[0].weight.data<float>()[1], 7);
  EXPECT_FALSE(outer.training());
}

TEST(Module, ToChangesTheDtypeBehindEveryHandle) {
  Outer outer;
  const Tensor handle = outer.parameters()["blocks.1.weight"];
  sum(outer.blocks[1].weight).backward();
  outer.to(Dtype::f64);
  EXPECT_EQ(handle.dtype(), Dtype::f64);
  EXPECT_EQ(outer.blocks[1].weight.dtype(), Dtype::f64);
  EXPECT_EQ(handle.values<double>(), (std::vector<double>{1, 1}));
  EXPECT_EQ(outer.blocks[1].mean.dtype(), Dtype::f64);
  EXPECT_EQ(outer.blocks[1].count.dtype(), Dtype::i64);
  EXPECT_FALSE(handle.grad().defined());
  sum(outer.blocks[1].weight).backward();
  EXPECT_EQ(handle.grad().values<double>(), (std::vector<double>{1, 1}));
  EXPECT_EQ(error_of([&] { outer.to(Dtype::i64); }), "Module::to: wanted f32 or f64; got i64");
}

TEST(Module, ToTheSameDtypeChangesNothing) {
  Outer outer;
  const float* before = outer.scale.data<float>();
  sum(outer.scale).backward();
  outer.to(Dtype::f32);
  EXPECT_EQ(outer.scale.data<float>(), before);
  EXPECT_TRUE(outer.scale.grad().defined());
}

TEST(Module, LoadStateBringsEverythingBack) {
  Outer from, into;
  from.scale.copy_from(full({3}, 5));
  from.blocks[1].count.copy_from(full({}, 42, Dtype::i64));
  from.blocks[1].rng->uniform();
  into.load_state(from.state());
  EXPECT_EQ(into.scale.values<float>(), (std::vector<float>{5, 5, 5}));
  EXPECT_EQ(into.blocks[1].count.item(), 42);
  EXPECT_EQ(into.blocks[1].rng->uniform(), from.blocks[1].rng->uniform());
  EXPECT_TRUE(into.scale.requires_grad());
}

TEST(Module, LoadStateListsAllThatIsWrongAndWritesNothing) {
  Outer outer;
  NamedTensors state;
  for (const auto& [name, tensor] : outer.state()) {
    if (name == "blocks.0.weight") {
      state.add(name, full({2, 1}, 3));
    } else if (name == "blocks.1.weight") {
      state.add(name, full({2}, 3, Dtype::f64));
    } else if (name != "blocks.1.stream") {
      state.add(name, tensor.dtype() == Dtype::f32 ? full(tensor.shape(), 3) : tensor);
    }
  }
  state.add("blocks.2.weight", ones({2}));
  EXPECT_EQ(error_of([&] { outer.load_state(state); }),
            "load_state: the tensors do not fit; nothing was loaded\n"
            "  different: blocks.0.weight, wanted f32[2]; got f32[2, 1]\n"
            "  different: blocks.1.weight, wanted f32[2]; got f64[2]\n"
            "  missing: blocks.1.stream i64[2]\n"
            "  unexpected: blocks.2.weight f32[2]");
  EXPECT_EQ(outer.scale.values<float>(), (std::vector<float>{9, 9, 9}));
}

TEST(Module, LoadParametersWantsTheParametersAlone) {
  Outer outer;
  NamedTensors weights{{"scale", full({3}, 4)},
                       {"blocks.0.weight", full({2}, 4)},
                       {"blocks.1.weight", full({2}, 4)}};
  outer.load_parameters(weights);
  EXPECT_EQ(outer.blocks[1].weight.values<float>(), (std::vector<float>{4, 4}));
  weights.add("blocks.1.mean", full({2}, 4));
  EXPECT_EQ(error_of([&] { outer.load_parameters(weights); }),
            "load_parameters: the tensors do not fit; nothing was loaded\n"
            "  unexpected: blocks.1.mean f32[2]");
}

}  // namespace
}  // namespace rapt::nn
