// The functions that layers are made of: indexing, products, normalization, attention, losses.

#include <limits>
#include <utility>

#include "gradient_case_inputs.h"
#include "gradient_cases.h"

namespace rapt::tests {

std::vector<GradientCase> indexing_cases() {
  Cases c;
  const Tensor repeated = ids({2, 0, 2}, {3});
  const Tensor none = ids({}, {0});
  std::string name = "index_select(Tensor, Int, Tensor)";
  const auto choose = [](In x) { return index_select(x[0], 0, x[1]); };
  c.push_back({name, "first axis", choose, {normal({3, 2}), repeated}});
  c.push_back({name,
               "last axis",
               [](In x) { return index_select(x[0], -1, x[1]); },
               {normal({2, 2, 3}), repeated}});
  c.push_back({name, "of nothing", choose, {normal({3, 2}), none}});
  name = "index_add(Tensor, Int, Tensor, Tensor)";
  const auto add = [](In x) { return index_add(x[0], -1, x[1], x[2]); };
  c.push_back({name, "", add, {normal({2, 3}), repeated, normal({2, 3}, 2)}});
  c.push_back({name, "of nothing", add, {normal({2, 3}), none, normal({2, 0})}});
  name = "gather(Tensor, Int, Tensor)";
  const auto take = [](In x) { return gather(x[0], 1, x[1]); };
  const Tensor index = ids({2, 0, 2, 1, 1, 1, 1, 0}, {2, 4});
  c.push_back({name, "", take, {normal({3, 3}), index}});
  c.push_back(
      {name, "first axis", [](In x) { return gather(x[0], 0, x[1]); }, {normal({3, 4}), index}});
  c.push_back({name, "of nothing", take, {normal({2, 3}), ids({}, {2, 0})}});
  name = "scatter_add(Tensor, Int, Tensor, Tensor)";
  const auto scatter = [](In x) { return scatter_add(x[0], 1, x[1], x[2]); };
  c.push_back({name, "", scatter, {normal({3, 3}), index, normal({2, 4}, 2)}});
  c.push_back({name,
               "first axis",
               [](In x) { return scatter_add(x[0], 0, x[1], x[2]); },
               {normal({3, 4}), index, normal({2, 4}, 2)}});
  name = "embedding(Tensor, Tensor)";
  const auto look_up = [](In x) { return embedding(x[0], x[1]); };
  c.push_back({name, "", look_up, {normal({4, 2}), ids({3, 0, 3, 1}, {2, 2})}});
  c.push_back({name, "one id", look_up, {normal({4, 2}), ids({2}, {})}});
  c.push_back({name, "matrices", look_up, {normal({2, 2, 2}), repeated - repeated}});
  c.push_back({name, "of nothing", look_up, {normal({4, 2}), ids({}, {2, 0})}});
  return c;
}

std::vector<GradientCase> product_cases() {
  Cases c;
  const auto product = [](In x) { return matmul(x[0], x[1]); };
  const auto add_matmul = [&](const char* what, const Shape& a, const Shape& b) {
    c.push_back({"matmul(Tensor, Tensor)", what, product, {normal(a), normal(b, 2)}});
  };
  add_matmul("matrices", {2, 3}, {3, 2});
  add_matmul("row by matrix", {3}, {3, 2});
  add_matmul("matrix by column", {2, 3}, {3});
  add_matmul("vectors", {3}, {3});
  add_matmul("batch", {2, 2, 3}, {2, 3, 2});
  add_matmul("batch stretched", {2, 1, 2, 3}, {3, 3, 1});
  add_matmul("batch by matrix", {2, 2, 3}, {3, 2});
  add_matmul("matrix by batch", {2, 3}, {2, 3, 2});
  add_matmul("batch by column", {2, 2, 3}, {3});
  add_matmul("row by batch", {3}, {2, 3, 2});
  add_matmul("lengths of 1", {1, 1}, {1, 1});
  add_matmul("no rows", {0, 2}, {2, 3});
  add_matmul("nothing to sum", {2, 0}, {0, 3});
  add_matmul("empty batch", {0, 2, 2}, {2, 3});
  c.push_back({"matmul(Tensor, Tensor)",
               "with its own transpose",
               [](In x) { return matmul(x[0], transpose(x[0])); },
               {normal({2, 3})}});
  const auto affine = [](In x) { return linear(x[0], x[1], x[2]); };
  const std::string name = "linear(Tensor, Tensor, Tensor)";
  c.push_back({name, "", affine, {normal({2, 2, 3}), normal({2, 3}, 2), normal({2}, 3)}});
  c.push_back({name, "vector", affine, {normal({3}), normal({2, 3}, 2), normal({2}, 3)}});
  c.push_back({name,
               "no bias",
               [](In x) { return linear(x[0], x[1]); },
               {normal({2, 3}), normal({2, 3}, 2)}});
  c.push_back({name, "no rows", affine, {normal({0, 3}), normal({2, 3}, 2), normal({2}, 3)}});
  // The gradient of the product on the right arrives first, and linear adds to it.
  c.push_back({name,
               "of one matrix by itself",
               [](In x) { return linear(x[0], x[0]) * x[0]; },
               {normal({3, 3})}});
  c.push_back({"matmul(Tensor, Tensor)",
               "of one matrix by itself",
               [](In x) { return matmul(x[0], x[0]) * x[0]; },
               {normal({3, 3})}});
  const std::string each = "linear_each(Tensor, TensorList, TensorList)";
  c.push_back(
      {each,
       "",
       [](In x) {
         return concat(linear_each(x[0], {x[1], x[2]}, {x[3], x[4]}));
       },
       {normal({2, 2, 3}), normal({2, 3}, 2), normal({2, 3}, 3), normal({2}, 4), normal({2}, 5)}});
  c.push_back({each,
               "no biases, one weight twice",
               [](In x) {
                 return concat(linear_each(x[0], {x[1], x[1]}));
               },
               {normal({2, 3}), normal({2, 3}, 2)}});
  for (const Gelu form : {Gelu::erf, Gelu::tanh}) {
    c.push_back({"gelu_linear(Tensor, Tensor, Tensor, Gelu)",
                 form == Gelu::erf ? "erf" : "tanh",
                 [form](In x) { return gelu_linear(x[0], x[1], x[2], form); },
                 {normal({2, 2, 3}), normal({2, 3}, 2), normal({2}, 3)}});
  }
  const auto add_einsum = [&](const char* equation, const std::vector<Shape>& shapes) {
    Tensors inputs;
    for (const Shape& shape : shapes) inputs.push_back(normal(shape, inputs.size() + 1));
    c.push_back({"einsum(std::string_view, TensorList)", equation,
                 [equation](In x) { return einsum(equation, x); }, std::move(inputs)});
  };
  add_einsum("bqhd,bkhd->bhqk", {{1, 2, 2, 2}, {1, 2, 2, 2}});
  add_einsum("ii->i", {{3, 3}});
  add_einsum("...ij,jk->...ki", {{2, 1, 3}, {3, 2}});
  add_einsum("ij,jk,kl->il", {{2, 2}, {2, 3}, {3, 1}});
  add_einsum("ij,jk", {{2, 0}, {0, 2}});
  return c;
}

std::vector<GradientCase> normalization_cases() {
  Cases c;
  const Tensor x = normal({2, 3, 2});
  const double inf = std::numeric_limits<double>::infinity();
  for (const int64_t axis : {0, 1, -1}) {
    c.push_back({"softmax(Tensor, Int)",
                 text("axis ", axis),
                 [axis](In in) { return softmax(in[0], axis); },
                 {x}});
    c.push_back({"log_softmax(Tensor, Int)",
                 text("axis ", axis),
                 [axis](In in) { return log_softmax(in[0], axis); },
                 {x}});
  }
  for (const Shape& shape : {Shape{2, 1}, Shape{0, 3}, Shape{2, 0}}) {
    c.push_back({"softmax(Tensor, Int)",
                 shape.str(),
                 [](In in) { return softmax(in[0]); },
                 {normal(shape)}});
    c.push_back({"log_softmax(Tensor, Int)",
                 shape.str(),
                 [](In in) { return log_softmax(in[0]); },
                 {normal(shape)}});
  }
  const Tensor rows_masked = from_values<bool>({true, true, true, false, true, false}, {2, 3});
  c.push_back({"softmax(Tensor, Int)",
               "a row masked, one in part",
               [=](In in) { return softmax(masked_fill(in[0], rows_masked, -inf)); },
               {normal({2, 3})}});

  const Tensor gain = normal({3}, 2);
  const Tensor bias = normal({3}, 3);
  std::string name = "layer_norm(Tensor, Tensor, Tensor, double)";
  const auto norm = [](In in) { return layer_norm(in[0], in[1], in[2]); };
  c.push_back({name, "", norm, {normal({2, 2, 3}), gain, bias}});
  c.push_back(
      {name, "plain", [](In in) { return layer_norm(in[0], {}, {}, 0.1); }, {normal({2, 3})}});
  c.push_back(
      {name, "gain", [](In in) { return layer_norm(in[0], in[1]); }, {normal({2, 3}), gain}});
  c.push_back(
      {name, "bias", [](In in) { return layer_norm(in[0], {}, in[1]); }, {normal({2, 3}), bias}});
  c.push_back({name, "vector", norm, {normal({3}), gain, bias}});
  c.push_back({name, "length 1", norm, {normal({2, 1}), normal({1}, 2), normal({1}, 3)}});
  c.push_back({name, "no rows", norm, {normal({0, 3}), gain, bias}});
  name = "rms_norm(Tensor, Tensor, double)";
  const auto rms = [](In in) { return rms_norm(in[0], in[1]); };
  c.push_back({name, "", rms, {normal({2, 2, 3}), gain}});
  c.push_back({name, "plain", [](In in) { return rms_norm(in[0], {}, 0.1); }, {normal({2, 3})}});
  c.push_back({name, "length 1", rms, {normal({2, 1}), normal({1}, 2)}});
  c.push_back({name, "no rows", rms, {normal({0, 3}), gain}});
  // The generator is made anew in each call, so each call drops the same elements.
  name = "dropout(Tensor, double, Rng)";
  for (const double p : {0.0, 0.4}) {
    c.push_back({name,
                 text("p ", p),
                 [p](In in) {
                   Rng rng(3);
                   return dropout(in[0], p, rng);
                 },
                 {normal({3, 3})}});
  }
  c.push_back({name,
               "empty",
               [](In in) {
                 Rng rng(3);
                 return dropout(in[0], 0.4, rng);
               },
               {normal({0, 3})}});
  return c;
}

std::vector<GradientCase> attention_cases() {
  Cases c;
  const std::string name = "scaled_dot_product_attention(Tensor, Tensor, Tensor, AttentionOptions)";
  const std::string weights_name = "attention_weights(Tensor, Tensor, AttentionOptions)";
  const Tensors qkv = {normal({2, 2, 2}), normal({2, 3, 2}, 2), normal({2, 3, 2}, 3)};
  const auto add = [&](const std::string& what, const Tensors& inputs, AttentionOptions o) {
    c.push_back({name, what,
                 [o](In x) { return scaled_dot_product_attention(x[0], x[1], x[2], o); }, inputs});
    c.push_back({weights_name,
                 what,
                 [o](In x) { return attention_weights(x[0], x[1], o); },
                 {inputs[0], inputs[1]}});
  };
  add("plain", qkv, {});
  add("causal", qkv, {.mask = Mask::causal()});
  add("scale", qkv, {.score = Score::scaled_dot({.scale = 0.7})});
  add("mask", qkv, {.mask = from_values<bool>({true, false, true, false, true, true}, {2, 3})});
  add("a row masked", qkv,
      {.mask = from_values<bool>({false, false, false, true, true, false}, {2, 3})});
  add("causal with more queries than keys", {normal({3, 2}), normal({2, 2}, 2), normal({2, 1}, 3)},
      {.mask = Mask::causal()});
  add("causal and padding", qkv,
      {.mask =
           Mask::causal() & from_values<bool>({true, true, false, true, true, true}, {2, 1, 3})});
  add("broadcast heads", {normal({2, 2, 2, 1}), normal({2, 1, 2, 1}, 2), normal({2, 2}, 3)}, {});
  add("one by one", {normal({1, 2}), normal({1, 2}, 2), normal({1, 2}, 3)}, {});
  add("no queries", {normal({0, 2}), normal({2, 2}, 2), normal({2, 2}, 3)}, {});
  add("no keys", {normal({2, 2}), normal({0, 2}), normal({0, 2})}, {});
  const auto with_bias = [](In x) {
    return scaled_dot_product_attention(x[0], x[1], x[2], {.mask = x[3]});
  };
  c.push_back({name, "added mask", with_bias, {qkv[0], qkv[1], qkv[2], normal({2, 3}, 4)}});
  const auto weights_with_bias = [](In x) { return attention_weights(x[0], x[1], {.mask = x[2]}); };
  c.push_back({weights_name, "added mask", weights_with_bias, {qkv[0], qkv[1], normal({2, 3}, 4)}});
  const auto dropping = [](In x) {
    Rng rng(5);
    return scaled_dot_product_attention(x[0], x[1], x[2], {.dropout = 0.3, .rng = &rng});
  };
  c.push_back({name, "dropout", dropping, qkv});
  const auto with_itself = [](In x) { return scaled_dot_product_attention(x[0], x[0], x[0]); };
  c.push_back({name, "of itself", with_itself, {normal({3, 2})}});

  const std::string turn = "rotary(Tensor, RotaryOptions)";
  c.push_back({turn, "", [](In x) { return rotary(x[0]); }, {normal({2, 3, 4})}});
  c.push_back({turn,
               "options",
               [](In x) { return rotary(x[0], {.offset = 5, .base = 7}); },
               {normal({3, 2})}});
  c.push_back({turn, "no rows", [](In x) { return rotary(x[0]); }, {normal({2, 0, 4})}});
  return c;
}

std::vector<GradientCase> loss_cases() {
  Cases c;
  const Tensor targets = ids({1, 0, 2, 1}, {2, 2});
  const Tensor some_ignored = ids({1, -100, 2, -100}, {2, 2});
  const Tensor logits = normal({2, 2, 3});
  const Tensor class_weights = positive({3}, 5).detach();
  std::string name = "cross_entropy(Tensor, Tensor, ClassificationOptions)";
  const auto add = [&](const char* what, const Tensor& y, const ClassificationOptions& o) {
    c.push_back({name, what, [o, y](In x) { return cross_entropy(x[0], y, o); }, {logits}});
  };
  add("", targets, {});
  add("ignored", some_ignored, {});
  add("all ignored", ids({0, 0, 0, 0}, {2, 2}), {.ignore_index = 0});
  add("smoothing", some_ignored, {.label_smoothing = 0.1});
  add("weights", some_ignored, {.class_weights = class_weights});
  add("all options", some_ignored, {.label_smoothing = 0.1, .class_weights = class_weights});
  c.push_back(
      {name, "one row", [](In x) { return cross_entropy(x[0], ids({1}, {})); }, {normal({3})}});
  c.push_back({name,
               "one class",
               [](In x) {
                 return cross_entropy(x[0], ids({0, 0}, {2}));
               },
               {normal({2, 1})}});
  c.push_back(
      {name, "empty", [](In x) { return cross_entropy(x[0], ids({}, {0})); }, {normal({0, 3})}});
  name = "nll_loss(Tensor, Tensor, ClassificationOptions)";
  c.push_back({name, "", [=](In x) { return nll_loss(x[0], targets); }, {logits}});
  c.push_back({name,
               "ignored and weights",
               [=](In x) {
                 return nll_loss(log_softmax(x[0]), some_ignored, {.class_weights = class_weights});
               },
               {logits}});
  c.push_back({name, "empty", [](In x) { return nll_loss(x[0], ids({}, {0})); }, {normal({0, 3})}});
  name = "mse_loss(Tensor, Tensor)";
  const auto mse = [](In x) { return mse_loss(x[0], x[1]); };
  c.push_back({name, "", mse, {normal({2, 3}), normal({2, 3}, 2)}});
  c.push_back({name, "scalar", mse, {normal({}), normal({}, 2)}});
  c.push_back({name, "empty", mse, {normal({0}), normal({0})}});
  name = "binary_cross_entropy_with_logits(Tensor, Tensor)";
  const auto bce = [](In x) { return binary_cross_entropy_with_logits(x[0], x[1]); };
  const auto inside = [](const Shape& shape) { return Rng(2).uniform(shape, 0.1, 0.9, f64); };
  c.push_back({name, "", bce, {normal({2, 3}), inside({2, 3})}});
  c.push_back({name, "empty", bce, {normal({0}), inside({0})}});
  c.push_back({"Loss::mean()",
               "",
               [](In x) { return mse_loss(x[0], x[1]).mean(); },
               {normal({3}), normal({3}, 2)}});
  c.push_back({"Loss::mean(double)",
               "",
               [](In x) { return mse_loss(x[0], x[1]).mean(7); },
               {normal({3}), normal({3}, 2)}});
  return c;
}

}  // namespace rapt::tests
