// Every optimizer that PyTorch has too, step by step against it.

#include <gtest/gtest.h>

#include "on_a_problem.h"
#include "rapt/optim/optim.h"

namespace rapt::optim {
namespace {

using tests::expect_as_pytorch;
using tests::groups;

template <class O, class Options>
void expect_all_alike(const std::string& name, const Options& options) {
  expect_as_pytorch(name, [&](const NamedTensors& p) { return std::make_unique<O>(p, options); });
}

template <class O, class Options>
void expect_groups_alike(const std::string& name, const Options& options) {
  expect_as_pytorch(name,
                    [&](const NamedTensors& p) { return std::make_unique<O>(groups(p), options); });
}

/// beta1 and beta2 of the first group.
template <class O, class Options>
void expect_betas_alike(const std::string& name, const Options& options) {
  expect_as_pytorch(name, [&](const NamedTensors& p) {
    auto with_betas = groups(p);
    with_betas[0].beta1 = 0.7;
    with_betas[0].beta2 = 0.9;
    return std::make_unique<O>(with_betas, options);
  });
}

constexpr double lr = 0.05;

TEST(AsPyTorch, SGD) {
  using O = SGDOptions;
  expect_all_alike<SGD>("sgd", O{.lr = lr});
  expect_all_alike<SGD>("sgd.momentum",
                        O{.lr = lr, .momentum = 0.9, .dampening = 0.25, .weight_decay = 0.1});
  expect_all_alike<SGD>("sgd.nesterov", O{.lr = lr, .momentum = 0.8, .nesterov = true});
  expect_groups_alike<SGD>("sgd.groups", O{.lr = lr, .momentum = 0.9});
}

TEST(AsPyTorch, Adam) {
  using O = AdamOptions;
  expect_all_alike<Adam>("adam", O{.lr = lr});
  expect_all_alike<Adam>(
      "adam.l2", O{.lr = lr, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1});
  expect_all_alike<Adam>("adam.amsgrad", O{.lr = lr, .beta1 = 0.8, .beta2 = 0.5, .amsgrad = true});
  expect_groups_alike<Adam>("adam.groups", O{.lr = lr});
  expect_betas_alike<Adam>("adam.betas", O{.lr = lr});
}

TEST(AsPyTorch, AdamW) {
  using O = AdamWOptions;
  expect_all_alike<AdamW>("adamw", O{.lr = lr});
  expect_all_alike<AdamW>(
      "adamw.l2", O{.lr = lr, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .weight_decay = 0.1});
  expect_all_alike<AdamW>("adamw.amsgrad",
                          O{.lr = lr, .beta1 = 0.8, .beta2 = 0.5, .amsgrad = true});
  expect_groups_alike<AdamW>("adamw.groups", O{.lr = lr});
  expect_betas_alike<AdamW>("adamw.betas", O{.lr = lr});
  expect_as_pytorch("adamw.groups", [](const NamedTensors& p) {  // 0.2 and 0 in another way
    auto unset = groups(p);
    unset[0].weight_decay.reset();
    return std::make_unique<AdamW>(unset, O{.lr = lr, .weight_decay = 0.2});
  });
}

TEST(AsPyTorch, NAdam) {
  using O = NAdamOptions;
  expect_all_alike<NAdam>("nadam", O{.lr = lr});
  expect_all_alike<NAdam>(
      "nadam.l2", O{.lr = lr, .beta1 = 0.8, .beta2 = 0.75, .eps = 1e-3, .weight_decay = 0.1});
  expect_all_alike<NAdam>("nadam.decay", O{.lr = lr, .momentum_decay = 0.2});
}

TEST(AsPyTorch, RAdam) {
  using O = RAdamOptions;
  expect_all_alike<RAdam>("radam", O{.lr = lr});
  expect_all_alike<RAdam>(
      "radam.l2", O{.lr = lr, .beta1 = 0.8, .beta2 = 0.75, .eps = 1e-3, .weight_decay = 0.1});
}

TEST(AsPyTorch, Adamax) {
  using O = AdamaxOptions;
  expect_all_alike<Adamax>("adamax", O{.lr = lr});
  expect_all_alike<Adamax>(
      "adamax.l2", O{.lr = lr, .beta1 = 0.8, .beta2 = 0.75, .eps = 1e-3, .weight_decay = 0.1});
}

TEST(AsPyTorch, Adagrad) {
  using O = AdagradOptions;
  expect_all_alike<Adagrad>("adagrad", O{.lr = lr});
  expect_all_alike<Adagrad>("adagrad.l2",
                            O{.lr = lr, .lr_decay = 0.3, .eps = 1e-3, .weight_decay = 0.1});
}

TEST(AsPyTorch, RMSprop) {
  using O = RMSpropOptions;
  expect_all_alike<RMSprop>("rmsprop", O{.lr = lr});
  expect_all_alike<RMSprop>("rmsprop.momentum",
                            O{.lr = lr, .alpha = 0.9, .weight_decay = 0.1, .momentum = 0.8});
  expect_all_alike<RMSprop>("rmsprop.centered",
                            O{.lr = lr, .alpha = 0.9, .eps = 1e-3, .centered = true});
  expect_all_alike<RMSprop>("rmsprop.both",
                            O{.lr = lr, .alpha = 0.9, .momentum = 0.8, .centered = true});
}

TEST(AsPyTorch, Adadelta) {
  using O = AdadeltaOptions;
  expect_all_alike<Adadelta>("adadelta", O{});
  expect_all_alike<Adadelta>("adadelta.l2",
                             O{.lr = 0.7, .rho = 0.8, .eps = 1e-3, .weight_decay = 0.1});
}

TEST(AsPyTorch, Adafactor) {
  using O = AdafactorOptions;
  // Of f64: PyTorch computed in it, and eps1 is the dtype's own.
  expect_all_alike<Adafactor>("adafactor",
                              O{.lr = lr, .eps1 = std::numeric_limits<double>::epsilon()});
  expect_all_alike<Adafactor>(
      "adafactor.decay",
      O{.lr = 0.9, .beta2_decay = -0.5, .eps1 = 1e-6, .eps2 = 0.3, .weight_decay = 0.1});
}

}  // namespace
}  // namespace rapt::optim
