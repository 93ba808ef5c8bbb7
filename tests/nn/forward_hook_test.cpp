// Names at call time: who watches a model's layers, replaces what they give, and what errors say.

#include "rapt/nn/forward_hook.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "../support/tensors.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/recompute.h"
#include "rapt/nn/models/decoder_only.h"

namespace rapt::nn {
namespace {

using tests::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

TransformerOptions small_model() {
  return {.vocabulary = 11,
          .context = 8,
          .width = 8,
          .layers = 2,
          .block = {.attention = {.heads = 2}},
          .dropout = 0.1};
}

const Tensor ids = from_values<int64_t>({1, 2, 3, 4}, {1, 4});

Names watched_names(const Module& model, const std::function<void()>& run) {
  Names names;
  const ForwardHook hook(model, [&](const LayerCall& call) {
    names.push_back(call.path);
    return Tensor();
  });
  run();
  return names;
}

TEST(ForwardHook, SeesEachLayerByItsPathInnerOnesFirst) {
  Rng rng(1);
  const DecoderOnly model(small_model(), rng);
  const Names names = watched_names(model, [&] { model(ids); });
  const Names block = {"norm1",           "attention.query",   "attention.key",
                       "attention.value", "attention.heads",   "attention.output",
                       "attention",       "dropout",           "norm2",
                       "feed_forward.up", "feed_forward.down", "feed_forward",
                       "dropout"};
  Names wanted = {"tokens", "positions", "dropout"};
  for (const char* place : {"blocks.0", "blocks.1"}) {
    for (const std::string& name : block) wanted.push_back(text(place, ".", name));
    wanted.emplace_back(place);
  }
  for (const char* name : {"norm", "head", ""}) wanted.emplace_back(name);
  EXPECT_EQ(names, wanted);
}

TEST(ForwardHook, OfAPartSeesThatPartByItsOwnPaths) {
  Rng rng(1);
  const DecoderOnly model(small_model(), rng);
  EXPECT_EQ(watched_names(model.stack.blocks[1].feed_forward, [&] { model(ids); }),
            (Names{"up", "down", ""}));
}

/// A layer of a user's who does not know of call().
class Twice : public Module {
 public:
  explicit Twice(Rng& rng) : map(child("map", Linear(3, 3, rng))) {}
  Tensor operator()(const Tensor& x) const { return map(map(x)); }
  Linear map;
};

class Outer : public Module {
 public:
  explicit Outer(Rng& rng) : twice(child("twice", Twice(rng))) {}
  Tensor operator()(const Tensor& x) const {
    return call(x, [&] { return twice(x); });
  }
  Twice twice;
};

TEST(ForwardHook, ALayerWithoutCallHasNoNameButItsChildrenDo) {
  Rng rng(1);
  const Outer model(rng);
  EXPECT_EQ(watched_names(model,
                          [&] {
                            model(ones({1, 3}));
                          }),
            (Names{"twice.map", "twice.map", ""}));
  EXPECT_EQ(error_of([&] {
              model(ones({1, 4}));
            }),
            "linear: wanted x [..., in] and weight [out, in]; got x [1, 4] and weight [3, 3] (in "
            "twice.map)");
  EXPECT_EQ(error_of([&] {
              model.twice.map(ones({1, 4}));
            }),
            "linear: wanted x [..., in] and weight [out, in]; got x [1, 4] and weight [3, 3]");
}

TEST(ForwardHook, WhatIsWatchedHasTheSameBits) {
  for (const bool gated : {false, true}) {
    TransformerOptions options = small_model();
    options.block.feed_forward.gated = gated;
    const auto run = [&](bool watched) {
      Rng rng(1);
      const DecoderOnly model(options, rng);
      const std::unique_ptr<ForwardHook> hook =
          watched ? std::make_unique<ForwardHook>(model, [](const LayerCall&) { return Tensor(); })
                  : nullptr;
      const Tensor y = model(ids);
      sum(y * y).backward();
      Tensors all = {y};
      for (const auto& [name, p] : model.parameters()) all.push_back(p.grad());
      return all;
    };
    const Tensors plain = run(false), watched = run(true);
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(same_bits(plain[i], watched[i])) << i;
  }
}

TEST(ForwardHook, WhatItReturnsTakesTheOutputsPlaceWithItsGradient) {
  Rng rng(1);
  const Outer model(rng);
  Tensor x = ones({1, 3}).set_requires_grad();
  Tensor seen;
  {
    const ForwardHook first(model, [&](const LayerCall& call) {
      return call.path == "twice.map" ? call.input * 2.0 : Tensor();
    });
    const ForwardHook second(model, [&](const LayerCall& call) {
      if (call.path == "twice.map") seen = call.output;
      return Tensor();
    });
    const Tensor y = model(x);
    EXPECT_EQ(y.str(), "f32[1, 3] {{4, 4, 4}}");
    EXPECT_TRUE(same_bits(seen, y));  // what the first left
    sum(y).backward();
    EXPECT_EQ(x.grad().str(), "f32[1, 3] {{4, 4, 4}}");
  }
  EXPECT_FALSE(same_bits(model(x), seen));
}

TEST(ForwardHook, BadOnesAreErrors) {
  Rng rng(1);
  const Outer model(rng);
  EXPECT_EQ(error_of([&] { const ForwardHook hook(model, ForwardHook::Function()); }),
            "ForwardHook: wanted a function; got an empty one");
  EXPECT_FALSE(ForwardHook::any());
  const ForwardHook hook(model, [](const LayerCall&) { return ones({5}); });
  EXPECT_EQ(error_of([&] {
              model(ones({1, 3}));
            }),
            "ForwardHook: wanted an output f32[1, 3] for twice.map; got f32[5] (in twice.map)");
  EXPECT_TRUE(ForwardHook::any());
}

TEST(ForwardHook, MayCallLayersItself) {
  Rng rng(1);
  const Outer model(rng);
  int calls = 0;
  const ForwardHook hook(model, [&](const LayerCall& call) {
    ++calls;
    return call.path.empty() ? model.twice.map(call.output) : Tensor();
  });
  model(ones({1, 3}));
  EXPECT_EQ(calls, 3);
}

TEST(ForwardHook, TheyEndInAnyOrderAlsoInTheirOwnFunction) {
  Rng rng(1);
  const Outer model(rng);
  const Tensor x = ones({1, 3});
  Names seen;
  const auto note = [&seen](const char* name) {
    return [&seen, name](const LayerCall& call) {
      if (call.path.empty()) seen.emplace_back(name);
      return Tensor();
    };
  };
  auto a = std::make_unique<ForwardHook>(model, note("a"));
  auto b = std::make_unique<ForwardHook>(model, note("b"));
  auto c = std::make_unique<ForwardHook>(model, note("c"));
  a.reset();
  model(x);
  c.reset();
  model(x);
  b.reset();
  model(x);
  EXPECT_EQ(seen, (Names{"b", "c", "b"}));
  EXPECT_FALSE(ForwardHook::any());

  std::unique_ptr<ForwardHook> itself, made;
  itself = std::make_unique<ForwardHook>(model, [&](const LayerCall& call) {
    if (call.path.empty()) {
      made = std::make_unique<ForwardHook>(model, note("made inside"));
      itself.reset();
    }
    return Tensor();
  });
  model(x);
  model(x);
  EXPECT_EQ(seen.back(), "made inside");
  EXPECT_EQ(seen.size(), 4u);
}

TEST(ForwardHook, IsOfItsThreadAlone) {
  Rng rng(1);
  const Outer model(rng);
  int calls = 0;
  const ForwardHook hook(model, [&](const LayerCall&) {
    ++calls;
    return Tensor();
  });
  std::thread([&] { model(ones({1, 3})); }).join();
  EXPECT_EQ(calls, 0);
}

TEST(ForwardHookDeathTest, MayOutliveWhatItsThreadKeeps) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Rng rng(1);
        static const Outer model(rng);
        static const ForwardHook hook(model, [](const LayerCall&) { return Tensor(); });
        model(ones({1, 3}));
        std::exit(0);  // ends what the thread keeps, then statics
      },
      testing::ExitedWithCode(0), "");
}

TEST(ForwardHook, HasToBeThereWhenRecomputeRunsAgain) {
  Rng rng(1);
  TransformerOptions options = small_model();
  options.recompute = true;
  const DecoderOnly model(options, rng);
  int calls = 0;
  const auto watch = [&](const LayerCall& call) {
    calls += call.path == "blocks.0";
    return Tensor();
  };
  Tensor loss;
  {
    const ForwardHook hook(model, watch);
    loss = sum(model(ids));
    loss.backward({.retain_graph = true});
    EXPECT_EQ(calls, 2);
  }
  EXPECT_EQ(
      error_of([&] { loss.backward(); }),
      "recompute: wanted the same hooks when the function runs again as in its first run; keep "
      "a ForwardHook until backward() has run");
}

TEST(ForwardHook, OfAnotherModelIsNothingToRecompute) {
  Rng rng(1);
  TransformerOptions options = small_model();
  options.recompute = true;
  const DecoderOnly model(options, rng);
  const Outer another(rng);
  Tensor loss;
  {
    const ForwardHook hook(another, [](const LayerCall&) { return Tensor(); });
    loss = sum(model(ids));
  }
  loss.backward();
}

// ---- evaluation --------------------------------------------------------------------------------

TEST(EvalMode, IsOfItsThreadAndEndsWithItsScope) {
  Rng rng(1);
  const DecoderOnly model(small_model(), rng);
  {
    const EvalMode eval_mode;
    const EvalMode inner;
    EXPECT_FALSE(model.training());
    EXPECT_EQ(model.embedding.dropout.probability(), 0);
    std::thread([&] { EXPECT_TRUE(model.training()); }).join();
  }
  EXPECT_TRUE(model.training());
}

TEST(EvalMode, ManyThreadsEvaluateOneModel) {
  Rng rng(1);
  const DecoderOnly model(small_model(), rng);
  const NamedTensors before = model.state();
  std::vector<Tensor> found(4);
  std::vector<std::thread> threads;
  for (Tensor& y : found) {
    threads.emplace_back([&] {
      const EvalMode eval_mode;
      const NoGrad no_grad;
      for (int i = 0; i < 20; ++i) y = model(ids);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& y : found) EXPECT_TRUE(same_bits(y, found[0]));
  for (const auto& [name, tensor] : model.state()) {  // no stream was drawn from
    EXPECT_TRUE(same_bits(tensor, before[name])) << name;
  }
}

}  // namespace
}  // namespace rapt::nn
