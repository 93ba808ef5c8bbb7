#include "rapt/autograd/recompute.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "../ops/record.h"
#include "../support/tensors.h"
#include "rapt/autograd/kernels/runtime/allocator.h"

namespace rapt {
namespace {

using kernels::blocks_in_use;
using tests::error_of;
using tests::leaf;
using tests::same_bits;

/// Two layers' worth of ops, some with kernels of their own for their gradients.
Tensor layers(const Tensor& x, const Tensor& w) {
  return gelu(linear(layer_norm(x), w)) + softmax(x * x);
}

TEST(Recompute, HasTheValueAndTheGradientsToTheBit) {
  Rng rng(1);
  Tensor x = rng.normal({5, 4}).set_requires_grad(), w = rng.normal({4, 4}).set_requires_grad();
  const auto f = [w](const Tensors& in) { return layers(in[0], w); };
  const Tensor plain = f({x});
  plain.backward(plain.detach());
  const Tensor wanted_x = x.grad(), wanted_w = w.grad();
  x.clear_grad();
  w.clear_grad();

  const Tensor y = recompute(f, {x});
  EXPECT_TRUE(y.requires_grad());
  EXPECT_TRUE(same_bits(y.detach(), plain.detach()));
  y.backward(y.detach());
  EXPECT_TRUE(same_bits(x.grad(), wanted_x));
  EXPECT_TRUE(same_bits(w.grad(), wanted_w));
}

/// Compares a sample's outputs and gradients with those under recompute.
void expect_same_under_recompute(const tests::Sample& sample) {
  Tensors inputs, wanted_for;
  for (const Tensor& x : sample.inputs) {
    inputs.push_back(is_float(x.dtype()) ? x.clone().set_requires_grad() : x);
    if (is_float(x.dtype())) wanted_for.push_back(inputs.back());
  }
  const Tensors plain = sample.f(inputs);
  for (size_t i = 0; i < plain.size(); ++i) {
    if (!plain[i].requires_grad()) continue;
    // Half of the inputs are handed in, the others captured.
    const Tensors given(inputs.begin(), inputs.begin() + static_cast<long>(inputs.size() / 2));
    const Tensor y = recompute(
        [&](const Tensors& in) {
          Tensors all = in;
          all.insert(all.end(), inputs.begin() + static_cast<long>(in.size()), inputs.end());
          return sample.f(all)[i];
        },
        given);
    EXPECT_TRUE(same_bits(y.detach(), plain[i].detach()));
    const Tensor cotangent = Rng(2).normal(y.shape(), 0, 1, y.dtype());
    const GradOptions options{
        .retain_graph = true, .allow_unused = true, .cotangents = {cotangent}};
    const Tensors wanted = grad({plain[i]}, wanted_for, options);
    const Tensors found = grad({y}, wanted_for, options);
    for (size_t k = 0; k < wanted.size(); ++k) EXPECT_TRUE(same_bits(found[k], wanted[k])) << k;
  }
}

// Every op notes what it is given, and is found again.
TEST(Recompute, OfEveryOp) {
  for (const tests::OpRecord& op : tests::op_records()) {
    for (const tests::Sample& sample : op.samples) {
      SCOPED_TRACE(text(op.function, ", ", sample.what));
      expect_same_under_recompute(sample);
    }
  }
}

TEST(Recompute, HasDerivativesOfAnyOrder) {
  Rng rng(3);
  const Tensors inputs = {rng.normal({2, 3}, 0, 1, Dtype::f64),
                          rng.normal({3, 3}, 0, 1, Dtype::f64)};
  const auto f = [](const Tensors& outer) {
    // The weights are captured, and so is a tensor between them and the loss.
    const Tensor w = outer[1], between = tanh(w);
    return recompute(
        [w, between](const Tensors& in) { return layers(in[0] * in[1], w) + sum(between); },
        {outer[0], outer[0]});
  };
  const GradientReport report = check_gradients(f, inputs);
  EXPECT_TRUE(report) << report.text;
}

// What f uses is used outside too, before and after, as a leaf and as the output of an op; `above`
// is computed from `below`, and its gradient must not be taken twice.
TEST(Recompute, AddsToTheGradientsOfOtherUses) {
  const auto loss = [](const Tensor& w, bool again) {
    const Tensor below = w * 2.0, above = exp(below);
    const auto f = [=](const Tensors& in) { return in[0] * above * below * w; };
    const Tensor y = again ? recompute(f, {below}) : f({below});
    return sum(y * below * above * w + above);
  };
  Tensor w = leaf({0.3, -0.2}), same = leaf({0.3, -0.2});
  loss(w, true).backward();
  loss(same, false).backward();
  EXPECT_TRUE(tests::close(w.grad(), same.grad(), 1e-14));
}

TEST(Recompute, GivesTheGradientsThatAreAskedFor) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const Tensor h = x * 5.0;
  const Tensor y = sum(recompute([w](const Tensors& in) { return in[0] * w; }, {h}));
  const Tensors found = grad({y}, {w, h}, {.retain_graph = true});
  EXPECT_EQ(found[0].values<double>(), (std::vector<double>{5, 10}));
  EXPECT_EQ(found[1].values<double>(), (std::vector<double>{3, 4}));
  EXPECT_EQ(grad({y}, {x})[0].values<double>(), (std::vector<double>{15, 20}));
  EXPECT_FALSE(w.grad().defined());
}

TEST(Recompute, ComputesNoOtherGradients) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  std::vector<bool> needed;
  const auto f = [&needed, w](const Tensors& in) {
    return record(
        "product", {in[0], w}, [&] { return in[0] * w; },
        [&needed](const Backward& b) {
          needed = {b.needs(0), b.needs(1)};
          return Gradients{b.grad, b.grad};
        });
  };
  grad({sum(recompute(f, {x}))}, {x});
  EXPECT_EQ(needed, (std::vector<bool>{true, false}));
}

TEST(Recompute, RunsOnceMoreForEveryWalk) {
  int runs = 0;
  Tensor x = leaf({1, 2});
  const auto f = [&runs](const Tensors& in) {
    ++runs;
    return in[0] * in[0];
  };
  const Tensor y = sum(recompute(f, {x}));
  EXPECT_EQ(runs, 1);
  y.backward({.retain_graph = true});
  EXPECT_EQ(runs, 2);
  y.backward();
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(x.grad().values<double>(), (std::vector<double>{4, 8}));
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "backward: the graph behind sum was freed by an earlier walk; give that one "
            ".retain_graph = true");
  EXPECT_EQ(runs, 3);
}

TEST(Recompute, DrawsTheSameNumbersAndAdvancesNoStream) {
  const auto run = [](bool again) {
    Rng rng(7);
    Tensor x = Rng(8).normal({40, 30}).set_requires_grad();
    const auto f = [&rng](const Tensors& in) {
      Rng own = rng.fork();
      return dropout(dropout(in[0], 0.1, rng), 0.5, own) * rng.uniform();
    };
    Tensor y = x;
    for (int i = 0; i < 2; ++i) y = again ? recompute(f, {y}) : f({y});
    sum(y * y).backward({.retain_graph = true});
    sum(y).backward();
    return Tensors{y.detach(), x.grad(), rng.state()};
  };
  const Tensors wanted = run(false), found = run(true);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
}

TEST(Recompute, MayStandInsideRecompute) {
  const auto run = [](int depth) {
    Rng rng(9);
    Tensor x = Rng(10).normal({6, 4}).set_requires_grad(), w = Rng(11).normal({4, 4});
    w.set_requires_grad();
    const auto step = [&rng, w](const Tensors& in) { return dropout(layers(in[0], w), 0.3, rng); };
    const auto inner = [=](const Tensors& in) {
      return depth > 1 ? recompute(step, {recompute(step, in)}) : step({step(in)});
    };
    const Tensor y = depth > 0 ? recompute(inner, {x}) : inner({x});
    y.backward(y.detach());
    return Tensors{x.grad(), w.grad(), rng.state()};
  };
  const Tensors wanted = run(0);
  for (const int depth : {1, 2}) {
    const Tensors found = run(depth);
    EXPECT_TRUE(same_bits(found[0], wanted[0]));
    EXPECT_TRUE(tests::close(found[1], wanted[1], 1e-5));  // w is used twice: see recompute.h
    EXPECT_TRUE(same_bits(found[2], wanted[2]));
  }
}

TEST(Recompute, WithoutAGradientIsTheFunctionAlone) {
  int runs = 0;
  const auto f = [&runs](const Tensors& in) {
    ++runs;
    return in[0] * 2.0;
  };
  EXPECT_FALSE(recompute(f, {tensor({1, 2})}).requires_grad());
  Tensor x = leaf({1, 2});
  {
    const NoGrad no_grad;
    EXPECT_FALSE(recompute(f, {x}).requires_grad());
  }
  EXPECT_FALSE(recompute([](const Tensors& in) { return argmax(in[0], 0); }, {x}).requires_grad());
  EXPECT_FALSE(
      recompute([](const Tensors& in) { return in[0].detach() * 2.0; }, {x}).requires_grad());
  const auto without = [](const Tensors& in) {
    const NoGrad no_grad;
    return in[0] * 2.0;
  };
  EXPECT_FALSE(recompute(without, {x}).requires_grad());
  EXPECT_EQ(runs, 2);
  EXPECT_TRUE((x * x).requires_grad());  // the thread records as before
}

TEST(Recompute, TakesConstantsAndWhatIsUndefined) {
  Tensor table = leaf({1, 2, 3});
  const Tensor ids = tensor({2, 2, 0}, Dtype::i64);
  const auto f = [table](const Tensors& in) {
    return in[1].defined() ? table : index_select(table, 0, in[0]);
  };
  sum(recompute(f, {ids, Tensor()})).backward();
  EXPECT_EQ(table.grad().values<double>(), (std::vector<double>{1, 0, 2}));
}

TEST(Recompute, MayReturnWhatItWasGiven) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const auto first = [](const Tensors& in) { return in[0]; };
  sum(recompute(first, {x})).backward();
  sum(recompute(first, {x * 2.0})).backward();
  const auto captured = [w](const Tensors& in) {
    exp(in[0]);  // of no use
    return w;
  };
  sum(recompute(captured, {x})).backward();
  EXPECT_EQ(x.grad().values<double>(), (std::vector<double>{3, 3}));
  EXPECT_EQ(w.grad().values<double>(), (std::vector<double>{1, 1}));
}

TEST(Recompute, BackwardMayRunInAnotherThread) {
  Rng rng(1);
  Tensor x = zeros({50}) + 1.0;
  x.set_requires_grad();
  const Tensor y = recompute([&](const Tensors& in) { return dropout(in[0], 0.5, rng); }, {x});
  std::thread([&] { sum(y).backward(); }).join();
  EXPECT_TRUE(same_bits(x.grad(), y.detach()));
}

// The most blocks of memory that a chain of layers needs, before and during its backward pass.
size_t blocks_for_layers(bool again) {
  size_t most = 0;
  const size_t before = blocks_in_use();
  const auto look = [&most, before](const Tensor& x) {
    most = std::max(most, blocks_in_use() - before);
    return record(
        "look", {x}, [&] { return x.detach(); },
        [&most, before](const Backward& b) -> Gradients {
          most = std::max(most, blocks_in_use() - before);
          return {b.grad};
        });
  };
  Tensor x = ones({8, 8}).set_requires_grad();
  const auto f = [look](const Tensors& in) {
    return look(layers(look(layers(in[0], in[1])), in[1]));
  };
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = again ? recompute(f, {y, x}) : f({y, x});
  sum(y).backward();
  return most;
}

TEST(Recompute, KeepsTheInputsAlone) {
  const tests::WithThreads scope(1);  // another thread may make its own workspace at any time
  for (const bool again : {true, false}) blocks_for_layers(again);  // what is made once
  const size_t before = blocks_in_use();
  EXPECT_LT(blocks_for_layers(true) * 4, blocks_for_layers(false));
  EXPECT_EQ(blocks_in_use(), before);
}

TEST(Recompute, RefusesValuesThatWereOverwritten) {
  Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const auto f = [w](const Tensors& in) { return in[0] * w; };
  for (Tensor* overwritten : {&x, &w}) {
    const Tensor y = sum(recompute(f, {x}));
    overwritten->mutable_data<double>()[0] = 5;
    EXPECT_EQ(error_of([&] { y.backward(); }),
              text("recompute: backward needs input ", overwritten == &x ? 0 : 1,
                   ", which was overwritten since (mutable_data, copy_from, an optimizer's step)"));
  }
}

TEST(Recompute, NoticesAFunctionThatDoesSomethingElse) {
  int runs = 0;
  Tensor x = leaf({1, 2, 3}), w = leaf({4, 5, 6});
  Rng rng(1);
  // The error of a backward() for which f returned second() instead of first().
  const auto error = [&](auto first, auto second) {
    runs = 0;
    const auto f = [&](const Tensors& in) { return ++runs == 1 ? first(in[0]) : second(in[0]); };
    const Tensor y = recompute(f, {x});
    return error_of([&] { y.backward(ones(y.shape(), Dtype::f64)); });
  };
  const auto same = [](const Tensor& in) { return in * 1.0; };
  const auto draw = [&](const Tensor& in) { return dropout(in, 0.5, rng); };
  EXPECT_EQ(error(same, [](const Tensor& in) { return sum(in); }),
            "recompute: wanted f64[3] when the function ran again, as in its first run; got f64[]");
  EXPECT_EQ(
      error(same, [](const Tensor& in) { return in.to(Dtype::f32); }),
      "recompute: wanted f64[3] when the function ran again, as in its first run; got f32[3]");
  EXPECT_EQ(error(same, [&](const Tensor& in) { return in * w; }),
            "recompute: wanted a function that uses the same tensors whenever it runs; when it ran "
            "again, mul used a leaf that it had not used before");
  const std::string draws =
      "recompute: wanted a function that draws the same random numbers whenever it runs; when it "
      "ran again it drew others (was its layer switched between train and eval?)";
  EXPECT_EQ(error(same, draw), draws);
  EXPECT_EQ(error(draw, same), draws);
  EXPECT_EQ(error(draw, [&](const Tensor& in) { return draw(draw(in)); }), draws);
  EXPECT_EQ(error(draw, [&](const Tensor& in) { return in * rng.uniform({1000}); }), draws);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_NO_THROW(rng.uniform());  // the thread draws and records as before
  EXPECT_TRUE((x * x).requires_grad());
  EXPECT_EQ(error_of([&] { recompute([](const Tensors&) { return Tensor(); }, {x}); }),
            "recompute: wanted a function that returns a tensor; got an undefined one");
}

}  // namespace
}  // namespace rapt
