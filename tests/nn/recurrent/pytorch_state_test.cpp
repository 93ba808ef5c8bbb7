#include "rapt/nn/recurrent/pytorch_state.h"

#include <gtest/gtest.h>

#include "../../reference/reference.h"
#include "rapt/nn/recurrent/gru.h"
#include "rapt/nn/recurrent/lstm.h"

namespace rapt::nn {
namespace {

using reference::error_of;
using tests::same_bits;
using Names = std::vector<std::string>;

// In the order of nn.LSTM's state_dict.
TEST(PyTorchState, HasPyTorchsNames) {
  Rng rng(1);
  const LSTM layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}, rng);
  EXPECT_EQ(
      reference::names(pytorch_state(layer)),
      (Names{"weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ih_l0_reverse",
             "weight_hh_l0_reverse", "bias_ih_l0_reverse", "bias_hh_l0_reverse", "weight_ih_l1",
             "weight_hh_l1", "bias_ih_l1", "bias_hh_l1", "weight_ih_l1_reverse",
             "weight_hh_l1_reverse", "bias_ih_l1_reverse", "bias_hh_l1_reverse"}));
  const GRU plain({.input = 3, .hidden = 4, .bias = false}, rng);
  EXPECT_EQ(reference::names(pytorch_state(plain)), (Names{"weight_ih_l0", "weight_hh_l0"}));
  EXPECT_TRUE(
      pytorch_state(layer)["weight_hh_l1_reverse"].same_as(layer.layers[1].backward->weight_hh));
}

TEST(PyTorchState, ComesBack) {
  Rng rng(2);
  const LSTM from({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}, rng);
  LSTM to({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true}, rng);
  const Tensor x = rng.normal({2, 5, 3});
  EXPECT_FALSE(same_bits(from(x), to(x)));
  load_pytorch_state(to, pytorch_state(from));
  EXPECT_TRUE(same_bits(from(x), to(x)));
}

TEST(PyTorchState, ErrorsNameWhatDiffers) {
  Rng rng(3);
  GRU layer({.input = 3, .hidden = 4}, rng);
  NamedTensors state;
  for (const auto& [name, tensor] : pytorch_state(layer)) {
    if (name != "bias_hh_l0") state.add(name, name == "weight_hh_l0" ? zeros({3, 4}) : tensor);
  }
  state.add("weight_ih_l1", zeros({1}));
  const std::string error = error_of([&] { load_pytorch_state(layer, state); });
  for (const char* part : {"load_pytorch_state", "bias_hh_l0", "weight_ih_l1", "weight_hh_l0"}) {
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace rapt::nn
