// Replays what PyTorch made of the functions of ops.h (tests/reference/make_ops.py): forward values
// and gradients, in f32 and f64.

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "../reference/reference.h"
#include "../support/tensor_function.h"
#include "rapt/autograd/autograd.h"

namespace rapt {
namespace {

using tests::TensorFunction;
using Table = std::map<std::string, TensorFunction>;
using In = const Tensors&;

void add_elementwise(Table& t) {
  for (const char* how : {"same", "row", "outer", "scalar", "middle"}) {
    t[text("add/", how)] = [](In x) { return x[0] + x[1]; };
    t[text("mul/", how)] = [](In x) { return x[0] * x[1]; };
    t[text("div/", how)] = [](In x) { return x[0] / x[1]; };
  }
  for (const char* how : {"same", "outer"}) {
    t[text("sub/", how)] = [](In x) { return x[0] - x[1]; };
  }
  for (const char* how : {"same", "outer", "ties"}) {
    t[text("maximum/", how)] = [](In x) { return maximum(x[0], x[1]); };
    t[text("minimum/", how)] = [](In x) { return minimum(x[0], x[1]); };
  }
  t["neg"] = [](In x) { return -x[0]; };
  t["add/number"] = [](In x) { return x[0] + 1.25; };
  t["mul/number"] = [](In x) { return x[0] * -2.5; };
  t["div/number"] = [](In x) { return x[0] / 3.0; };
  t["div/of a number"] = [](In x) { return 3.0 / x[0]; };
  t["sub/number"] = [](In x) { return x[0] - 1.5; };
  t["sub/from a number"] = [](In x) { return 1.5 - x[0]; };
  t["clamp"] = [](In x) { return clamp(x[0], -0.5, 1.0); };
  t["where"] = t["where/broadcast condition"] = [](In x) { return where(x[0], x[1], x[2]); };
  t["masked_fill"] = [](In x) { return masked_fill(x[0], x[1], -7.5); };
  t["masked_fill/broadcast"] = [](In x) { return masked_fill(x[0], x[1], 2); };
  t["exp"] = [](In x) { return exp(x[0]); };
  t["log"] = [](In x) { return log(x[0]); };
  t["sqrt"] = [](In x) { return sqrt(x[0]); };
  t["rsqrt"] = [](In x) { return rsqrt(x[0]); };
  t["pow/0"] = [](In x) { return pow(x[0], 0); };
  t["pow/1"] = [](In x) { return pow(x[0], 1); };
  t["pow/2"] = [](In x) { return pow(x[0], 2); };
  t["pow/3"] = [](In x) { return pow(x[0], 3); };
  t["pow/2.5"] = [](In x) { return pow(x[0], 2.5); };
  t["pow/-1.5"] = [](In x) { return pow(x[0], -1.5); };
  t["abs"] = [](In x) { return abs(x[0]); };
  t["sin"] = [](In x) { return sin(x[0]); };
  t["cos"] = [](In x) { return cos(x[0]); };
  t["erf"] = [](In x) { return erf(x[0]); };
  t["tanh"] = [](In x) { return tanh(x[0]); };
  t["sigmoid"] = [](In x) { return sigmoid(x[0]); };
  t["relu"] = [](In x) { return relu(x[0]); };
  t["silu"] = [](In x) { return silu(x[0]); };
  t["gelu/erf"] = [](In x) { return gelu(x[0]); };
  t["gelu/tanh"] = [](In x) { return gelu(x[0], Gelu::tanh); };
}

void add_comparisons(Table& t) {
  t["equal"] = [](In x) { return equal(x[0], x[1]); };
  t["not_equal"] = [](In x) { return not_equal(x[0], x[1]); };
  t["less"] = [](In x) { return less(x[0], x[1]); };
  t["less_equal"] = [](In x) { return less_equal(x[0], x[1]); };
  t["greater"] = [](In x) { return greater(x[0], x[1]); };
  t["greater_equal"] = [](In x) { return greater_equal(x[0], x[1]); };
  t["logical_and"] = [](In x) { return logical_and(x[0], x[1]); };
  t["logical_or"] = [](In x) { return logical_or(x[0], x[1]); };
  t["logical_not"] = [](In x) { return logical_not(x[0]); };
  t["is_finite"] = [](In x) { return is_finite(x[0]); };
}

void add_reductions(Table& t) {
  t["sum/all"] = [](In x) { return sum(x[0]); };
  t["mean/all"] = [](In x) { return mean(x[0]); };
  t["max/all"] = t["max/ties, all"] = [](In x) { return max(x[0]); };
  t["min/all"] = [](In x) { return min(x[0]); };
  t["logsumexp/all"] = [](In x) { return logsumexp(x[0]); };
  t["var/all"] = [](In x) { return var(x[0]); };
  struct Over {
    const char* how;
    Axes axes;
    bool keepdim;
  };
  for (const Over& o : {Over{"0", {0}, false}, Over{"1 kept", {1}, true},
                        Over{"0 and -1", {0, -1}, false}, Over{"all kept", {0, 1, 2}, true}}) {
    t[text("sum/", o.how)] = [o](In x) { return sum(x[0], o.axes, {.keepdim = o.keepdim}); };
    t[text("mean/", o.how)] = [o](In x) { return mean(x[0], o.axes, {.keepdim = o.keepdim}); };
    t[text("max/", o.how)] = [o](In x) { return max(x[0], o.axes, {.keepdim = o.keepdim}); };
    t[text("min/", o.how)] = [o](In x) { return min(x[0], o.axes, {.keepdim = o.keepdim}); };
    t[text("logsumexp/", o.how)] = [o](In x) {
      return logsumexp(x[0], o.axes, {.keepdim = o.keepdim});
    };
    for (const int c : {0, 1}) {
      t[text("var/", o.how, ", correction ", c)] = [o, c](In x) {
        return var(x[0], o.axes, {.correction = 1.0 * c, .keepdim = o.keepdim});
      };
    }
  }
  t["max/ties, -1"] = [](In x) { return max(x[0], -1); };
  t["min/ties, 0"] = [](In x) { return min(x[0], 0); };
  t["logsumexp/large"] = t["logsumexp/-inf"] = [](In x) { return logsumexp(x[0], -1); };
  t["argmax/0"] = [](In x) { return argmax(x[0], 0); };
  t["argmax/-1 kept"] = [](In x) { return argmax(x[0], -1, {.keepdim = true}); };
  t["max_with_indices/0"] = [](In x) { return max_with_indices(x[0], 0).values; };
  t["max_with_indices/-1 kept"] = [](In x) {
    return max_with_indices(x[0], -1, {.keepdim = true}).values;
  };
}

void add_shapes(Table& t) {
  t["reshape"] = [](In x) { return reshape(x[0], {4, -1}); };
  t["reshape/of a permuted one"] = [](In x) { return reshape(permute(x[0], {2, 0, 1}), {8, 3}); };
  t["permute"] = [](In x) { return permute(x[0], {2, 0, 1}); };
  t["transpose"] = [](In x) { return transpose(x[0]); };
  t["transpose/0, 2"] = [](In x) { return transpose(x[0], 0, 2); };
  t["expand"] = [](In x) { return expand(x[0], {2, 3, -1, 4}); };
  t["squeeze"] = [](In x) { return squeeze(x[0], 1); };
  t["unsqueeze"] = [](In x) { return unsqueeze(x[0], -1); };
  t["slice"] = [](In x) { return slice(x[0], 1, 1, 3); };
  t["slice/step"] = [](In x) { return slice(x[0], -1, -4, 5, 2); };
  t["select"] = [](In x) { return select(x[0], 1, -1); };
  t["split"] = [](In x) { return split(x[0], {1, 0, 2}, 1); };
  t["diagonal"] = [](In x) { return diagonal(x[0], 0, 2); };
  t["concat"] = [](In x) { return concat(x, 1); };
  t["stack"] = [](In x) { return stack(x, -1); };
  for (const int d : {0, -1, 2}) {
    t[text("tril/", d)] = [d](In x) { return tril(x[0], d); };
    t[text("triu/", d)] = [d](In x) { return triu(x[0], d); };
  }
}

void add_indexing(Table& t) {
  t["index_select/0"] = [](In x) { return index_select(x[0], 0, x[1]); };
  t["index_select/-1"] = [](In x) { return index_select(x[0], -1, x[1]); };
  t["index_add"] = [](In x) { return index_add(x[0], 1, x[1], x[2]); };
  for (const int axis : {0, 1}) {
    t[text("gather/", axis)] = [axis](In x) { return gather(x[0], axis, x[1]); };
    t[text("scatter_add/", axis)] = [axis](In x) { return scatter_add(x[0], axis, x[1], x[2]); };
  }
  t["embedding"] = [](In x) { return embedding(x[0], x[1]); };
  t["one_hot"] = [](In x) { return one_hot(x[0], 4, Dtype::i64); };
}

void add_products(Table& t) {
  for (const char* how : {"matrices", "vector left", "vector right", "vectors", "batch",
                          "batch broadcast", "batch by matrix", "matrix by batch",
                          "batch by vector", "vector by batch", "rows of one"}) {
    t[text("matmul/", how)] = [](In x) { return matmul(x[0], x[1]); };
  }
  t["linear"] = [](In x) { return linear(x[0], x[1], x[2]); };
  t["linear/no bias"] = [](In x) { return linear(x[0], x[1]); };
  for (const char* equation : {"ii",
                               "ii->i",
                               "ij->ji",
                               "ij->",
                               "ij->j",
                               "ba",
                               "i,i",
                               "i,j",
                               "i,j->ij",
                               "ij,j",
                               "ij,jk",
                               "ij,jk->ki",
                               "ij,ij->",
                               "ij,ij->ij",
                               "bij,bjk->bik",
                               "...ij,...jk->...ik",
                               "...ii->...i",
                               "b...,b...->",
                               "i...->...",
                               "bn,anm,bm->ba",
                               "ijk,jil->kl",
                               "ab,bc,cd,de->ae",
                               "bqhd,bkhd->bhqk",
                               "bhqk,bkhd->bqhd",
                               "ij,jk,k"}) {
    t[text("einsum/", equation)] = [equation](In x) { return einsum(equation, x); };
  }
}

void add_normalization(Table& t) {
  for (const int axis : {0, 1, -1}) {
    t[text("softmax/", axis)] = [axis](In x) { return softmax(x[0], axis); };
    t[text("log_softmax/", axis)] = [axis](In x) { return log_softmax(x[0], axis); };
  }
  t["softmax/extreme"] = [](In x) { return softmax(x[0]); };
  t["log_softmax/large"] = [](In x) { return log_softmax(x[0]); };
  t["layer_norm/plain"] = [](In x) { return layer_norm(x[0]); };
  t["layer_norm/gain"] = [](In x) { return layer_norm(x[0], x[1]); };
  t["layer_norm"] = [](In x) { return layer_norm(x[0], x[1], x[2]); };
  t["layer_norm/eps"] = [](In x) { return layer_norm(x[0], x[1], x[2], 0.1); };
  t["rms_norm/plain"] = [](In x) { return rms_norm(x[0]); };
  t["rms_norm"] = [](In x) { return rms_norm(x[0], x[1]); };
  t["rms_norm/eps"] = [](In x) { return rms_norm(x[0], x[1], 0.1); };
}

void add_attention(Table& t) {
  const auto attend = [](AttentionOptions options) {
    return [options](In x) mutable {
      if (x.size() > 3) options.mask = options.mask & x[3];
      return scaled_dot_product_attention(x[0], x[1], x[2], options);
    };
  };
  for (const char* how :
       {"plain", "mask", "padding", "added mask", "broadcast heads", "one by one"}) {
    t[text("attention/", how)] = [=](In x) { return attend({})(x); };
  }
  for (const char* how : {"causal", "causal and padding"}) {
    t[text("attention/", how)] = [=](In x) { return attend({.mask = Mask::causal()})(x); };
  }
  t["attention/scale"] = [=](In x) {
    return attend({.score = Score::scaled_dot({.scale = 0.3})})(x);
  };
  t["attention_weights/plain"] = [](In x) { return attention_weights(x[0], x[1]); };
  t["attention_weights/causal and mask"] = [](In x) {
    return attention_weights(x[0], x[1], {.mask = Mask::causal() & x[2]});
  };
}

void add_losses(Table& t) {
  const auto with_weights = [](ClassificationOptions options, In x) {
    if (x.size() > 2) options.class_weights = x[2];
    return options;
  };
  for (const char* how : {"", "/one row", "/large", "/ignored", "/weights"}) {
    t[text("cross_entropy", how)] = [=](In x) {
      return cross_entropy(x[0], x[1], with_weights({}, x));
    };
  }
  t["cross_entropy/ignore 0"] = [](In x) { return cross_entropy(x[0], x[1], {.ignore_index = 0}); };
  t["cross_entropy/smoothing"] = t["cross_entropy/shifted"] = [](In x) {
    return cross_entropy(x[0], x[1], {.label_smoothing = 0.1});
  };
  t["cross_entropy/all"] = [=](In x) {
    return cross_entropy(x[0], x[1], with_weights({.label_smoothing = 0.2}, x));
  };
  for (const char* how : {"", "/ignored and weights"}) {
    t[text("nll_loss", how)] = [=](In x) { return nll_loss(x[0], x[1], with_weights({}, x)); };
  }
  t["nll_loss/of log_softmax"] = [](In x) { return nll_loss(log_softmax(x[0]), x[1]); };
  t["mse_loss"] = [](In x) { return mse_loss(x[0], x[1]); };
  t["binary_cross_entropy_with_logits"] = [](In x) {
    return binary_cross_entropy_with_logits(x[0], x[1]);
  };
}

const Table& table() {
  static const Table all = [] {
    Table t;
    add_elementwise(t);
    add_comparisons(t);
    add_reductions(t);
    add_shapes(t);
    add_indexing(t);
    add_products(t);
    add_normalization(t);
    add_attention(t);
    add_losses(t);
    return t;
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
  Tensors cotangents;
  for (const Tensor& y : outputs) cotangents.push_back(reference::cotangent(y));
  const Tensors got = grad(outputs, wanting, {.cotangents = cotangents});
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
