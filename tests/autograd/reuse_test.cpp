// What spares memory behind the rules (docs/design.md, "Memory reuse") never changes a gradient.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>

#include "../support/declarations.h"
#include "../support/tensors.h"
#include "rapt/autograd/graph/storage.h"

namespace rapt {
namespace {

using tests::close;
using tests::error_of;
using tests::normal;
using tests::normal_leaf;
using tests::same_bits;

constexpr Dtype f64 = Dtype::f64;

// ---- what is kept in its place in the graph alone, and what writes over its input ---------------

/// A function of n [2, 3, 4] and of a leaf [4, 4].
struct Step {
  const char* name;
  std::function<Tensor(const Tensor& n, const Tensor& w)> f;
};

/// Ops that offer to compute their output again; of x [2, 3, 4].
std::vector<Step> offering() {
  return {
      {"layer_norm", [](auto& x, auto&) { return layer_norm(x); }},
      {"layer_norm with a gain", [](auto& x, auto& w) { return layer_norm(x, w[0], w[1]); }},
      {"layer_norm of two axes",
       [](auto& x, auto& w) { return layer_norm(x, slice(w, 0, 0, 3), {}, {.axes = 2}); }},
      {"rms_norm", [](auto& x, auto& w) { return rms_norm(x, w[0]); }},
      {"group_norm", [](auto& x, auto&) { return group_norm(x, 1); }},
  };
}

/// Ops that keep n by a Kept.
std::vector<Step> keeping() {
  return {
      {"linear", [](auto& n, auto& w) { return sum(tanh(linear(n, w, w[0]))); }},
      {"linear_each",
       [](auto& n, auto& w) {
         const Tensors y = linear_each(n, {w, w * 2.0});
         return sum(y[0] * y[1]);
       }},
      {"two products",
       [](auto& n, auto& w) { return sum(tanh(linear(n, w))) + sum(linear(n, w)); }},
      {"linear of a norm of the same",
       [](auto& n, auto& w) { return sum(tanh(linear(rms_norm(n, w[1]), w)) + linear(n, w)); }},
      {"linear under recompute",
       [](auto& n, auto& w) {
         return sum(tanh(recompute([w](const Tensors& in) { return linear(in[0], w); }, {n})));
       }},
  };
}

/// A user's op, whose gradient is an input's own elements: the sum of n * v, times 1.
Tensor dot(const Tensor& n, const Tensor& v) {
  return record(
      "dot", {n, v}, [&] { return sum(n * v); },
      [n, v](const Backward& b) -> Gradients {
        if (b.create_graph) return {b.grad * v, b.grad * n};
        return {v.detach(), n.detach()};
      });
}

/// Ops that write their gradient, or something on the way to it, over n where they may; and
/// gradients that are n's elements, which others then are added to.
std::vector<Step> overwriting() {
  const Tensor ids = from_values<int64_t>({0, 3, 1, 1, 2, 0}), targets = reshape(ids, {2, 3});
  const auto of_rows = [ids](const Tensor& n, int64_t from, int64_t to) {
    const Tensor rows = slice(reshape(n, {6, 4}), 0, from, to);
    return cross_entropy(rows, slice(ids, 0, from, to)).sum;
  };
  return {
      {"cross_entropy", [=](auto& n, auto&) { return cross_entropy(n, targets).sum; }},
      {"cross_entropy_each", [=](auto& n, auto&) { return sum(cross_entropy_each(n, targets)); }},
      {"cross_entropy of a view",
       [=](auto& n, auto&) {
         return cross_entropy(reshape(n, {6, 4}), ids).sum;
       }},
      {"cross_entropy of the first rows", [=](auto& n, auto&) { return of_rows(n, 0, 4); }},
      {"cross_entropy of the last rows", [=](auto& n, auto&) { return of_rows(n, 2, 6); }},
      {"gelu_linear", [](auto& n, auto& w) { return sum(gelu_linear(n, w)); }},
      {"gelu_linear by tanh",
       [](auto& n, auto& w) { return sum(gelu_linear(n, w, {}, Gelu::tanh)); }},
      {"rnn",
       [](auto& n, auto& w) {
         return sum(rnn(n, {w, w}).output);
       }},
      {"lstm",
       [](auto& n, auto& w) {
         return sum(lstm(n, {concat({w, w, w, w}), concat({w, w, w, w})}).output);
       }},
      {"gru",
       [](auto& n, auto& w) {
         return sum(gru(n, {concat({w, w, w}), concat({w, w, w})}).output);
       }},
      {"a parameter's gradient that is n",
       [](auto& n, auto& w) {
         return dot(slice(reshape(n, {6, 4}), 0, 0, 4), w);
       }},
      {"a gradient of n that is n",
       [](auto& n, auto&) {
         return record(
             "half_of_squares", {n}, [&] { return sum(n * n) * 0.5; },
             [n](const Backward& b) -> Gradients {
               if (b.create_graph) return {b.grad * n};
               return {n.detach()};
             });
       }},
  };
}

enum class Way { backward, twice, of_some, second_order, hooked, recomputed };
constexpr Way all_ways[] = {Way::backward,     Way::twice,  Way::of_some,
                            Way::second_order, Way::hooked, Way::recomputed};

struct Pair {
  const Step& offers;
  const Step& keeps;
  const Step& overwrites;
  bool keeps_first = true;  // it is the older one: its rule runs last
};

/// The loss of the pair, and n's elements in `held` if that is wanted.
Tensor loss_of(const Pair& pair, const Tensors& in, Tensor* held, std::vector<Tensor>* gradients) {
  Tensor n = pair.offers.f(in[0], in[1]);
  if (held != nullptr) *held = n.detach();
  if (gradients != nullptr) {
    register_hook(n, [gradients](const Tensor& g) { gradients->push_back(g); });
  }
  const Tensor first = (pair.keeps_first ? pair.keeps : pair.overwrites).f(n, in[2]);
  return first + (pair.keeps_first ? pair.overwrites : pair.keeps).f(n, in[2]);
}

/// The gradients of the pair's loss.
Tensors gradients_of(const Pair& pair, Way way, bool holds) {
  const Tensors in = {normal_leaf({2, 3, 4}, 1), normal_leaf({4, 4}, 2), normal_leaf({4, 4}, 3)};
  Tensor held;
  std::vector<Tensor> hooked;
  const auto loss = [&](const Tensors& of) {
    return loss_of(pair, of, holds ? &held : nullptr, way == Way::hooked ? &hooked : nullptr);
  };
  const Tensor y = way == Way::recomputed ? recompute(loss, in) : loss(in);
  if (way == Way::of_some) return grad({y}, {in[2]});
  if (way == Way::second_order) {
    Tensor squares = zeros({}, f64);
    for (const Tensor& g : grad({y}, in, {.create_graph = true, .allow_unused = true})) {
      if (g.defined()) squares = squares + sum(g * g);
    }
    squares.backward();
  } else {
    if (way == Way::twice) y.backward({.retain_graph = true});
    y.backward();
  }
  return {in[0].grad(), in[1].grad(), in[2].grad()};
}

/// The same by ops alone, whose results are all kept: nothing is reused.
Tensors gradients_in_ops(const Pair& pair) {
  const Tensors in = {normal_leaf({2, 3, 4}, 1), normal_leaf({4, 4}, 2), normal_leaf({4, 4}, 3)};
  Tensor held;
  return grad({loss_of(pair, in, &held, nullptr)}, in,
              {.create_graph = true, .allow_unused = true});
}

void expect_same(const Tensors& found, const Tensors& wanted) {
  ASSERT_EQ(found.size(), wanted.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].defined(), wanted[i].defined()) << i;
    if (!found[i].defined()) continue;
    EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
  }
}

template <class F>
void for_each_pair(F f) {
  for (const Step& offers : offering()) {
    for (const Step& keeps : keeping()) {
      for (const Step& overwrites : overwriting()) {
        for (const bool keeps_first : {true, false}) {
          SCOPED_TRACE(text(offers.name, ", ", keeps.name, keeps_first ? " before " : " after ",
                            overwrites.name));
          f(Pair{offers, keeps, overwrites, keeps_first});
        }
      }
    }
  }
}

TEST(Reuse, WhoHoldsElementsDoesNotChangeAGradient) {
  for_each_pair([](const Pair& pair) {
    for (const Way way : all_ways) {
      SCOPED_TRACE(static_cast<int>(way));
      expect_same(gradients_of(pair, way, false), gradients_of(pair, way, true));
    }
  });
}

TEST(Reuse, TheGradientIsThatOfPlainOps) {
  for_each_pair([](const Pair& pair) {
    Tensors found = gradients_of(pair, Way::backward, false);
    const Tensors wanted = gradients_in_ops(pair);
    for (size_t i = 0; i < found.size(); ++i) {
      if (!found[i].defined()) found[i] = zeros(wanted[i].shape(), f64);
      EXPECT_TRUE(close(found[i], wanted[i], 1e-12)) << i;
    }
  });
}

using Uses = std::map<std::string, int>;

/// How often the sources of ops say so, by file.
Uses uses_of(const std::string& words) {
  const std::filesystem::path root = RAPT_SOURCE_DIR "/autograd";
  Uses out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::filesystem::path& path = entry.path();
    if (!entry.is_regular_file() || path.parent_path() == root / "graph") continue;
    const std::string text = tests::read_text(path);
    for (size_t at = text.find(words); at != text.npos; at = text.find(words, at + 1)) {
      ++out[path.filename()];
    }
  }
  return out;
}

// Whoever writes another one adds it to the pairs.
TEST(Reuse, EveryOpThatOffersKeepsOrOverwritesIsAmongThePairs) {
  EXPECT_EQ(uses_of("offer_again("), (Uses{{"normalize.cpp", 2}}));
  EXPECT_EQ(uses_of("= Kept("), (Uses{{"matmul.cpp", 1}}));
  EXPECT_EQ(uses_of("may_overwrite("),
            (Uses{{"activation.cpp", 1}, {"cross_entropy.cpp", 1}, {"recurrent_kernels.cpp", 1}}));
}

// A norm's output, written to by way of a detached view, is not what the norm would compute again.
TEST(Reuse, WhatWasWrittenBeforeItIsKeptIsKeptItself) {
  for (const Step& offers : offering()) {
    SCOPED_TRACE(offers.name);
    const auto gradients = [&](bool holds) {
      const Tensors in = {normal_leaf({2, 3, 4}, 1), normal_leaf({4, 4}, 2),
                          normal_leaf({4, 4}, 3)};
      Tensor n = offers.f(in[0], in[1]), held;
      n.detach().copy_from(normal({2, 3, 4}, 4));
      const Tensor y = sum(tanh(linear(n, in[2])));
      if (holds) held = n;
      n = Tensor();
      y.backward();
      return Tensors{in[0].grad(), in[1].grad(), in[2].grad()};
    };
    expect_same(gradients(false), gradients(true));
  }
}

// ---- after an exception ------------------------------------------------------------------------

constexpr const char* freed = " was freed by an earlier walk; give that one .retain_graph = true";

TEST(Reuse, ARuleThatHasWrittenOverWhatItKeptDoesNotRunAgain) {
  const Tensor x = normal_leaf({2, 3, 4}, 1), hidden = normal_leaf({16, 4}, 3),
               cotangent = ones({2, 3, 4}, f64);
  Tensor weight = normal_leaf({16, 4}, 2);
  const Tensor y = lstm(x, {weight, hidden}).output;
  weight.copy_from(normal({16, 4}, 4));  // needed for x alone, when the gates are done
  EXPECT_EQ(
      error_of([&] { y.backward(cotangent); }),
      "lstm: backward needs input 1, which was overwritten since (mutable_data, copy_from, an "
      "optimizer's step)");
  EXPECT_EQ(error_of([&] { grad({y}, {hidden}, {.cotangents = {cotangent}}); }),
            text("backward: the graph behind lstm", freed));
}

TEST(Reuse, AnOpWhoseRuleIsGoneIsFreed) {
  const Tensor x = normal_leaf({3}, 1), cotangent = ones({3}, f64), y = exp(x);
  Hook hook = register_hook(x, [](const Tensor&) { fail("mine"); });
  EXPECT_EQ(error_of([&] { y.backward(cotangent); }), "mine");
  hook.remove();
  EXPECT_EQ(error_of([&] { y.backward(cotangent); }),
            text("backward: the graph behind exp", freed));
}

// ---- what it spares ----------------------------------------------------------------------------

enum class Other { none, holds, keeps };

/// True if cross_entropy's gradient lies where the logits [6, 4] lay.
bool overwrites(Tensor logits, Other other) {
  const double* const place = logits.data<double>();
  const double* gradient = nullptr;
  register_hook(logits, [&](const Tensor& g) { gradient = g.data<double>(); });
  Tensor loss = cross_entropy(logits, from_values<int64_t>({0, 3, 1, 1, 2, 0})).sum, held;
  if (other == Other::keeps) loss = loss + sum(linear(logits, normal_leaf({4, 4}, 3)));
  if (other == Other::holds) held = logits;
  logits = Tensor();
  loss.backward();
  return gradient == place;
}

TEST(Reuse, LogitsThatNobodyElseHasBecomeTheirGradient) {
  const Tensor x = normal_leaf({6, 4}, 1), weight = normal_leaf({4, 4}, 2);
  EXPECT_TRUE(overwrites(linear(x, weight), Other::none));
  EXPECT_TRUE(overwrites(layer_norm(x), Other::none));
  EXPECT_FALSE(overwrites(linear(x, weight), Other::holds));
  EXPECT_FALSE(overwrites(layer_norm(x), Other::holds));
  EXPECT_FALSE(overwrites(linear(x, weight), Other::keeps));
}

// What a kernel copied to have it dense is kept, and not the strided tensor beside it.
TEST(Reuse, AStridedInputIsKeptOnce) {
  const Tensor w = normal_leaf({4, 4}, 2);
  const auto releases = [&](auto op) {
    Tensor h = transpose(normal_leaf({2, 4, 4}, 1) + 1.0);
    const std::weak_ptr<Storage> elements = impl_of(h)->storage;
    const Tensor y = op(h);
    h = Tensor();
    return y.requires_grad() && elements.expired();
  };
  EXPECT_TRUE(releases([](auto& h) { return layer_norm(h); }));
  EXPECT_TRUE(releases([](auto& h) { return rms_norm(h); }));
  EXPECT_TRUE(releases([](auto& h) { return attention(h, h, h); }));
  EXPECT_TRUE(releases([](auto& h) {
    return attention_weights(h, h, {.score = Score::additive(tensor({1, 2, 3, 4}, f64))});
  }));
  EXPECT_TRUE(releases([&](auto& h) { return rnn(h, {w, w}).output; }));
}

// A second handle, in the op's own rule, and it would never write over them.
TEST(Reuse, WhoWantsToWriteOverAnInputKeepsItOnce) {
  const Tensor x = normal_leaf({6, 4}, 1), weight = normal_leaf({4, 4}, 2);
  const auto handles = [&](auto op) {
    Tensor h = x + 1.0;
    const std::weak_ptr<TensorImpl> handle = impl_of(h);
    const std::weak_ptr<Storage> elements = impl_of(h)->storage;
    const Tensor y = op(h);
    h = Tensor();
    return handle.use_count() * elements.use_count();
  };
  const Tensor ids = from_values<int64_t>({0, 3, 1, 1, 2, 0});
  EXPECT_EQ(handles([&](auto& h) { return cross_entropy(h, ids).sum; }), 1);
  EXPECT_EQ(handles([&](auto& h) { return cross_entropy_each(h, ids); }), 1);
  for (const Gelu form : {Gelu::erf, Gelu::tanh}) {
    EXPECT_EQ(handles([&](auto& h) { return gelu_linear(h, weight, {}, form); }), 1);
  }
}

}  // namespace
}  // namespace rapt
