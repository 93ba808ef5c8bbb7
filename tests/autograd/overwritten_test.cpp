// What a rule reads when it runs must be what it was in the forward pass: inputs, side arguments
// (indices, masks, targets, weights in option structs) and whatever else it captured.

#include <gtest/gtest.h>

#include <functional>
#include <regex>
#include <set>

#include "../support/declarations.h"
#include "../support/tensors.h"
#include "rapt/nn/nn.h"

namespace rapt {
namespace {

using tests::error_of;
using tests::normal_leaf;

constexpr Dtype f64 = Dtype::f64;

Tensor ids(const std::vector<int64_t>& values) { return from_values(values); }
Tensor mask(const std::vector<bool>& values) { return from_values(values); }

/// The loss of rnn, lstm or gru as a function of the lengths.
template <class Op>
auto of_lengths(Op op, int64_t gates) {
  return [=](const Tensor& n) {
    const RecurrentWeights weights{normal_leaf({gates * 2, 3}, 2), normal_leaf({gates * 2, 2}, 3)};
    return sum(op(normal_leaf({2, 2, 3}), weights, {}, {.lengths = n}).output);
  };
}

/// A function with a side argument that its gradient needs: what is overwritten, and the loss.
struct Case {
  std::string function;  // "name.argument", as in ops.h, or "name.Struct.member"
  Tensor side;
  std::function<Tensor(const Tensor& side)> loss;
  bool copies = false;  // the rule works on a copy of its own: nothing to complain of
};

std::vector<Case> cases() {
  const auto attend = [](const Mask& m) {
    const Tensor q = normal_leaf({2, 3, 4}), k = normal_leaf({2, 3, 4}, 2);
    return sum(attention(q, k, k, {.mask = m}));
  };
  const auto attend_by = [](const Score& score) {
    const Tensor q = normal_leaf({2, 3, 4}), k = normal_leaf({2, 3, 4}, 2);
    return sum(attention(q, k, k, {.score = score}));
  };
  const Tensor square = mask({true, true, false, true, true, true, false, true, true});
  return {
      {"where.condition", mask({true, false, true}),
       [](auto& c) { return sum(where(c, normal_leaf({3}), normal_leaf({3}, 2))); }},
      {"masked_fill.mask", mask({true, false, true}),
       [](auto& m) { return sum(masked_fill(normal_leaf({3}), m, 0) * normal_leaf({3}, 2)); }},
      {"index_select.index", ids({0, 1}),
       [](auto& i) { return sum(index_select(normal_leaf({3}), 0, i)); }},
      {"index_add.index", ids({0, 1}),
       [](auto& i) { return sum(index_add(normal_leaf({3}), 0, i, normal_leaf({2}, 2))); }},
      {"gather.index", ids({0, 1}), [](auto& i) { return sum(gather(normal_leaf({3}), 0, i)); }},
      {"take_along_dim.index", ids({0, 1}),
       [](auto& i) { return sum(take_along_dim(normal_leaf({3}), i, 0)); }},
      {"masked_select.mask", mask({true, false, true}),
       [](auto& m) { return sum(masked_select(normal_leaf({3}), m)); }, true},
      {"scatter.index", ids({0, 1}),
       [](auto& i) { return sum(scatter(normal_leaf({3}), 0, i, normal_leaf({2}, 2))); }},
      {"scatter_reduce.index", ids({0, 1}),
       [](auto& i) {
         return sum(scatter_reduce(normal_leaf({3}), 0, i, normal_leaf({2}, 2), Reduce::max));
       }},
      {"scatter_add.index", ids({0, 1}),
       [](auto& i) { return sum(scatter_add(normal_leaf({3}), 0, i, normal_leaf({2}, 2))); }},
      {"embedding.ids", ids({0, 1}),
       [](auto& i) {
         return sum(embedding(normal_leaf({3, 2}), i));
       }},
      {"cross_entropy.targets", ids({0, 1}),
       [](auto& t) {
         return cross_entropy(normal_leaf({2, 3}), t).sum;
       }},
      {"cross_entropy_each.targets", ids({0, 1}),
       [](auto& t) {
         return sum(cross_entropy_each(normal_leaf({2, 3}), t));
       }},
      {"nll_loss_each.targets", ids({0, 1}),
       [](auto& t) {
         return sum(nll_loss_each(log_softmax(normal_leaf({2, 3})), t));
       },
       true},
      {"nll_loss.targets", ids({0, 1}),
       [](auto& t) {
         return nll_loss(log_softmax(normal_leaf({2, 3})), t).sum;
       },
       true},
      {"ctc_loss.targets", reshape(ids({1, 2}), {1, 2}),
       [](auto& i) {
         return ctc_loss(normal_leaf({1, 4, 3}), i, ids({4}), ids({2})).sum;
       }},
      {"ctc_loss.lengths", ids({4}),
       [](auto& i) {
         return ctc_loss(normal_leaf({1, 4, 3}), reshape(ids({1, 2}), {1, 2}), i, ids({2})).sum;
       }},
      {"ctc_loss.target_lengths", ids({2}),
       [](auto& i) {
         return ctc_loss(normal_leaf({1, 4, 3}), reshape(ids({1, 2}), {1, 2}), ids({4}), i).sum;
       }},
      {"ctc_loss_each.targets", reshape(ids({1, 2}), {1, 2}),
       [](auto& i) {
         return sum(ctc_loss_each(normal_leaf({1, 4, 3}), i, ids({4}), ids({2})));
       }},
      {"ctc_loss_each.lengths", ids({4}),
       [](auto& i) {
         return sum(
             ctc_loss_each(normal_leaf({1, 4, 3}), reshape(ids({1, 2}), {1, 2}), i, ids({2})));
       }},
      {"ctc_loss_each.target_lengths", ids({2}),
       [](auto& i) {
         return sum(
             ctc_loss_each(normal_leaf({1, 4, 3}), reshape(ids({1, 2}), {1, 2}), ids({4}), i));
       }},
      {"focal_loss.targets", ids({0, 1}),
       [](auto& t) {
         return focal_loss(normal_leaf({2, 3}), t).sum;
       },
       true},
      {"focal_loss_each.targets", ids({0, 1}),
       [](auto& t) {
         return sum(focal_loss_each(normal_leaf({2, 3}), t));
       },
       true},
      {"unlikelihood_loss.candidates", ids({0, 1}),
       [](auto& c) { return unlikelihood_loss(normal_leaf({3}), c).sum; }, true},
      {"unlikelihood_loss_each.candidates", ids({0, 1}),
       [](auto& c) { return sum(unlikelihood_loss_each(normal_leaf({3}), c)); }, true},
      {"cosine_embedding_loss.alike", mask({true, false}),
       [](auto& m) {
         return cosine_embedding_loss(normal_leaf({2, 3}), normal_leaf({2, 3}, 2), m).sum;
       }},
      {"cosine_embedding_loss_each.alike", mask({true, false}),
       [](auto& m) {
         return sum(cosine_embedding_loss_each(normal_leaf({2, 3}), normal_leaf({2, 3}, 2), m));
       }},
      {"linear_cross_entropy.targets", ids({0, 1}),
       [](auto& t) {
         return linear_cross_entropy(normal_leaf({2, 3}), normal_leaf({4, 3}, 2), t).sum;
       }},
      {"", tensor({1, 2, 3, 4}, f64),
       [](auto& w) {
         return linear_cross_entropy(normal_leaf({2, 3}), normal_leaf({4, 3}, 2), ids({0, 1}),
                                     {.classes = {.class_weights = w}})
             .sum;
       }},
      {"cross_entropy.ClassificationOptions.class_weights", tensor({1, 2, 3}, f64),
       [](auto& w) {
         return cross_entropy(normal_leaf({2, 3}), ids({0, 2}), {.class_weights = w}).sum;
       }},
      {"cross_entropy_each.ClassificationOptions.class_weights", tensor({1, 2, 3}, f64),
       [](auto& w) {
         return sum(cross_entropy_each(normal_leaf({2, 3}), ids({0, 2}), {.class_weights = w}));
       }},
      {"nll_loss_each.ClassificationOptions.class_weights", tensor({1, 2, 3}, f64),
       [](auto& w) {
         return sum(nll_loss_each(normal_leaf({2, 3}), ids({0, 2}), {.class_weights = w}));
       },
       true},
      {"binary_cross_entropy_with_logits.BinaryCrossEntropyOptions.pos_weight",
       tensor({1, 2, 3}, f64),
       [](auto& w) {
         return binary_cross_entropy_with_logits(normal_leaf({2, 3}), normal_leaf({2, 3}),
                                                 {.pos_weight = w})
             .sum;
       }},
      {"binary_cross_entropy_with_logits_each.BinaryCrossEntropyOptions.pos_weight",
       tensor({1, 2, 3}, f64),
       [](auto& w) {
         return sum(binary_cross_entropy_with_logits_each(normal_leaf({2, 3}), normal_leaf({2, 3}),
                                                          {.pos_weight = w}));
       }},
      {"nll_loss.ClassificationOptions.class_weights", tensor({1, 2, 3}, f64),
       [](auto& w) {
         return nll_loss(normal_leaf({2, 3}), ids({0, 2}), {.class_weights = w}).sum;
       },
       true},
      {"attention.AttentionOptions.mask", reshape(square, {3, 3}), attend},
      {"", mask({true, false, true}), [attend](auto& m) { return attend(Mask::keys(m)); }},
      {"", reshape(square, {1, 3, 3}), [attend](auto& m) { return attend(Mask::pairs(m)); }},
      {"attention_weights.AttentionOptions.mask", reshape(square, {3, 3}),
       [](auto& m) {
         return sum(attention_weights(normal_leaf({3, 4}), normal_leaf({3, 4}, 2), {.mask = m}) *
                    normal_leaf({3, 3}, 3));
       },
       true},
      {"attention.AttentionOptions.sink", tensor(0.5, f64),
       [](auto& s) {
         return sum(attention(normal_leaf({3, 4}), normal_leaf({3, 4}, 2), normal_leaf({3, 4}, 3),
                              {.sink = s}));
       }},
      {"attention_weights.AttentionOptions.sink", tensor({0.5, 1}, f64),
       [](auto& s) {
         return sum(
             attention_weights(normal_leaf({2, 3, 4}), normal_leaf({2, 3, 4}, 2), {.sink = s}));
       },
       true},
      // What a score holds: additive's weight, bilinear's, cosine's scale, a relative bias.
      {"", tensor({1, 2, 3, 4}, f64), [=](auto& w) { return attend_by(Score::additive(w)); }},
      {"", expand(tensor({1, 2, 3, 4}, f64), {4, 4}).clone(),
       [=](auto& w) { return attend_by(Score::bilinear(w)); }},
      {"", tensor({{{2}}, {{3}}}, f64), [=](auto& s) { return attend_by(Score::cosine(s)); }},
      {"", tensor({1, 2, 3, 4, 5}, f64),
       [=](auto& b) { return attend_by(Score().with_relative_bias(b)); }},
      // Documents are copied, as lengths are.
      {"", ids({1, 1, 2}),
       [](auto& d) {
         return sum(attention(normal_leaf({3, 4}), normal_leaf({3, 4}, 2), normal_leaf({3, 4}, 3),
                              {.mask = Mask::documents(d)}));
       },
       true},
      {"rotary.RotaryOptions.positions", ids({4, 9}),
       [](auto& at) {
         return sum(rotary(normal_leaf({2, 4}), {.positions = at}) * normal_leaf({2, 4}, 2));
       },
       true},
      {"rnn.RecurrentOptions.lengths", ids({1, 2}), of_lengths(rnn, 1), true},
      {"lstm.RecurrentOptions.lengths", ids({1, 2}), of_lengths(lstm, 4), true},
      {"gru.RecurrentOptions.lengths", ids({1, 2}), of_lengths(gru, 3), true},
      // An additive mask, one that requires a gradient, one that is broadcast.
      {"", tensor({{0, -1, 0}, {0, 0, 0}, {1, 2, 3}}, f64), attend},
      {"", mask({true, false, true}), attend},
      // Captured by recompute's function, as an input of none of its ops or of some.
      {"", ids({0, 1}),
       [](auto& i) {
         return sum(recompute([i](const Tensors& in) { return embedding(in[0], i); },
                              {normal_leaf({3, 2})}));
       }},
      {"", mask({true, false, true}),
       [](auto& m) {
         return sum(
             recompute([m](const Tensors& in) { return masked_fill(in[0], logical_not(m), 0); },
                       {normal_leaf({3})}));
       }},
      {"", tensor({1, 2, 3}, f64),
       [](auto& c) {
         return sum(recompute(
             [c](const Tensors& in) { return where(greater(c, full({}, 1.5, f64)), in[0], c); },
             {normal_leaf({3})}));
       }},
      // Captured by a user's own rule, and not among its inputs.
      {"", tensor({1, 2, 3}, f64),
       [](auto& c) {
         Tensor x = normal_leaf({3});
         return sum(record(
             "custom", {x}, [&] { return x * c; },
             [c](const Backward& b) -> Gradients { return {b.grad * c}; }));
       }},
      // Handed on by a layer.
      {"", tests::strided(mask({true, false, true})).contiguous(),
       [](auto& m) {
         Rng rng(1);
         nn::MultiHeadAttention attention({.width = 4, .heads = 2}, rng);
         return sum(attention(Rng(2).normal({1, 3, 4}), {.mask = Mask::keys(m)}));
       }},
  };
}

void overwrite(Tensor x) { x.copy_from(x.detach().clone()); }  // even by the same values

TEST(Overwritten, EverySideArgumentIsWatched) {
  for (const Case& c : cases()) {
    for (const bool before : {false, true}) {
      SCOPED_TRACE(text(c.function, " ", c.side.dtype(), c.side.shape()));
      const Tensor side = c.side.clone();
      if (before) overwrite(side);  // harmless
      const Tensor loss = c.loss(side);
      EXPECT_EQ(error_of([&] { loss.backward({.retain_graph = true}); }), "");
      overwrite(side);
      const std::string error = error_of([&] { loss.backward(); });
      if (c.copies) {
        EXPECT_EQ(error, "");
        continue;
      }
      EXPECT_NE(error.find(": backward needs "), std::string::npos) << error;
      EXPECT_NE(error.find("which was overwritten since"), std::string::npos) << error;
    }
  }
}

TEST(Overwritten, WithAGraphOfTheGradientToo) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text(c.function, " ", c.side.dtype(), c.side.shape()));
    const Tensor side = c.side.clone(), value = c.loss(side);
    Tensor scale = ones({}, value.dtype()).set_requires_grad();
    const Tensor loss = value * scale;
    const auto differentiate = [&] { grad({loss}, {scale, loss}, {.create_graph = true}); };
    overwrite(side);
    EXPECT_EQ(error_of(differentiate), "");  // nothing that was overwritten is needed there
    EXPECT_EQ(error_of([&] { loss.backward(); }).empty(), c.copies);
  }
}

// Where the rule works on a copy, other values change nothing.
TEST(Overwritten, ACopyKeepsTheGradient) {
  const auto gradient = [](bool overwrites) {
    Tensor scores = normal_leaf({2, 3}), q = normal_leaf({2, 4}), k = normal_leaf({3, 4}, 2);
    Tensor targets = ids({0, 1}), weights = tensor({1, 2, 3}, f64),
           seen = mask({true, true, false});
    const Tensor loss = nll_loss(scores, targets, {.class_weights = weights}).sum +
                        sum(attention_weights(q, k, {.mask = seen}) * normal_leaf({2, 3}, 3));
    if (overwrites) {
      targets.copy_from(ids({2, 2}));
      weights.copy_from(tensor({7, 7, 7}, f64));
      seen.copy_from(mask({false, true, true}));
    }
    loss.backward();
    return Tensors{scores.grad(), q.grad(), k.grad()};
  };
  const Tensors wanted = gradient(false), found = gradient(true);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(tests::same_bits(found[i], wanted[i]));
}

/// The tensors of the functions of ops.h that are not differentiated: "name.argument" for those
/// whose name is none of a differentiable argument, "name.Struct.member" for those in options.
std::set<std::string> side_arguments(const std::string& header) {
  const std::set<std::string> differentiable = {
      "a",
      "b",
      "x",
      "weight",
      "bias",
      "q",
      "k",
      "v",
      "source",
      "logits",
      "log_probabilities",
      "prediction",
      "target",
  };
  const std::set<std::string> exceptions = {
      // differentiated:
      "info_nce_loss.queries", "info_nce_loss.keys",
      "linear_cross_entropy.LinearCrossEntropyOptions.bias",
      "binary_cross_entropy_with_logits.targets", "binary_cross_entropy_with_logits_each.targets",
      // no gradient at all:
      "one_hot.ids", "count_targets.targets", "count_targets.ClassificationOptions.class_weights"};
  const std::set<std::string> differentiable_structs = {"RecurrentWeights", "RecurrentState"};
  std::set<std::pair<std::string, std::string>> members;  // struct, tensor member
  const std::regex of_struct(R"(struct (\w+) \{((?:\{\}|[^}])*)\};)");
  for (std::sregex_iterator s(header.begin(), header.end(), of_struct), end; s != end; ++s) {
    const std::string body = (*s)[2];
    const std::regex member(R"(\n  (?:Tensor|Mask) (\w+)( = \{\})?;)");
    for (std::sregex_iterator m(body.begin(), body.end(), member); m != end; ++m) {
      members.insert({(*s)[1], (*m)[1]});
    }
  }
  std::set<std::string> out;
  const std::regex function(
      R"(\n(?:Tensor|Tensors|Loss|double|RecurrentResult) (\w+)\(([^;]*)\);)");
  const std::regex argument(R"(const (\w+)& (\w+))");
  for (std::sregex_iterator f(header.begin(), header.end(), function), end; f != end; ++f) {
    const std::string name = (*f)[1], arguments = (*f)[2];
    for (std::sregex_iterator a(arguments.begin(), arguments.end(), argument); a != end; ++a) {
      const std::string type = (*a)[1], word = (*a)[2];
      if (type == "Tensor" && !differentiable.contains(word)) out.insert(name + "." + word);
      for (const auto& [of, member] : members) {
        if (type == of && !differentiable_structs.contains(type))
          out.insert(name + "." + of + "." + member);
      }
    }
  }
  for (const std::string& e : exceptions) out.erase(e);
  return out;
}

TEST(Overwritten, EveryFunctionOfTheHeaderWithASideArgumentIsTested) {
  const std::string header = tests::ops_headers();
  std::set<std::string> tested;
  for (const Case& c : cases()) {
    if (!c.function.empty()) tested.insert(c.function);
  }
  EXPECT_EQ(side_arguments(header), tested);
  const std::string more =
      header +
      "\nTensor fresh(const Tensor& x,\n             const Tensor& choice = {});\n"
      "struct FreshOptions {\n  Tensor table = {};\n};\n"
      "Tensor fresher(const Tensor& x, const FreshOptions& options = {});\n";
  std::set<std::string> wanted = tested;
  wanted.insert({"fresh.choice", "fresher.FreshOptions.table"});
  EXPECT_EQ(side_arguments(more), wanted);
}

// ---- examples that went wrong, and what is no error -------------------------------------------

TEST(Overwritten, AnIndexNeverMakesBackwardWriteElsewhere) {
  Tensor w = tensor({{1, 2}, {3, 4}, {5, 6}}).set_requires_grad();
  Tensor chosen = from_values<int64_t>({0, 1});
  const Tensor loss = sum(embedding(w, chosen) * tensor({{1, 1}, {10, 10}}));
  chosen.copy_from(from_values<int64_t>({2, int64_t{1} << 40}));
  EXPECT_EQ(error_of([&] { loss.backward(); }),
            "index_select: backward needs i64[2], a side argument or a tensor that its rule "
            "captured, which was overwritten since (mutable_data, copy_from, an optimizer's step)");
  EXPECT_FALSE(w.grad().defined());
}

// One buffer for all batches, filled again before the gradient of the last one was taken.
TEST(Overwritten, ABatchBufferThatIsFilledAgain) {
  Rng rng(1);
  nn::Linear layer(4, 3, rng);
  Tensor targets = ids({0, 1, 2});
  const Tensor first = cross_entropy(layer(rng.normal({3, 4})), targets).sum;
  targets.copy_from(ids({2, 2, 2}));
  const Tensor second = cross_entropy(layer(rng.normal({3, 4})), targets).sum;
  EXPECT_EQ(error_of([&] { (first + second).backward(); }),
            "cross_entropy: backward needs i64[3], a side argument or a tensor that its rule "
            "captured, which was overwritten since (mutable_data, copy_from, an optimizer's step)");
}

TEST(Overwritten, WhatIsNotNeededMayBeOverwritten) {
  Tensor a = normal_leaf({3}), w = normal_leaf({4, 3}), scale = normal_leaf({3}, 2);
  const Tensor loss = sum(a + embedding(w, ids({1, 2})) - scale);
  for (Tensor* x : {&a, &w, &scale}) overwrite(*x);
  EXPECT_EQ(error_of([&] { loss.backward(); }), "");
}

// Gradients that were clipped in place, and a cotangent that was filled late, are no old values.
TEST(Overwritten, GradientsAreNotWatched) {
  Tensor w = normal_leaf({2, 3}), x = normal_leaf({5, 3}, 2), cotangent = zeros({5, 2}, f64);
  const Tensor y = linear(x, w);
  for (int i = 0; i < 2; ++i) {
    cotangent.copy_from(ones({5, 2}, f64));
    y.backward(cotangent, {.retain_graph = true});
    w.grad().mutable_data<double>()[0] *= 0.5;
  }
  EXPECT_TRUE(w.grad().defined());
}

}  // namespace
}  // namespace rapt
