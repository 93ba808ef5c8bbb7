// A training that has found its pace asks the heap for nothing: what a step needs is what the step
// before gave back.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "ops/record.h"
#include "rapt/rapt.h"
#include "support/allocations.h"
#include "support/tensors.h"

namespace rapt {
namespace {

using tests::heap_allocations;

template <class F>
int64_t allocations_of(F&& f) {
  const int64_t before = heap_allocations();
  f();
  return heap_allocations() - before;
}

/// Passes as soon as `wanted` steps in a row have allocated nothing. The steps before that fill the
/// pool; how many it takes with several threads is a matter of who runs when.
void expect_steady(const std::function<void()>& step, int wanted = 20, int most = 400) {
  int quiet = 0;
  int64_t last = 0;
  for (int i = 0; i < most && quiet < wanted; ++i) {
    const int64_t made = allocations_of(step);
    quiet = made == 0 ? quiet + 1 : 0;
    if (made != 0) last = made;
  }
  EXPECT_EQ(quiet, wanted) << "of " << most << " steps; the last that allocated did so " << last
                           << " times";
}

// ---- the count itself --------------------------------------------------------------------------

// Blocks go through here, or the compiler leaves out a pair of calls that it sees through.
void* volatile last_block;

template <class Make, class Free>
int64_t count_one(Make make, Free free) {
  return allocations_of([&] {
    last_block = make();
    free(last_block);
  });
}

TEST(HeapAllocations, OperatorNewIsCountedInEveryForm) {
  struct alignas(128) Wide {
    char bytes[128];
  };
  EXPECT_EQ(count_one([] { return new int; }, [](void* p) { delete static_cast<int*>(p); }), 1);
  EXPECT_EQ(count_one([] { return new int[9]; }, [](void* p) { delete[] static_cast<int*>(p); }),
            1);
  EXPECT_EQ(count_one([] { return new Wide; }, [](void* p) { delete static_cast<Wide*>(p); }), 1);
  EXPECT_EQ(count_one([] { return new (std::nothrow) int; },
                      [](void* p) { delete static_cast<int*>(p); }),
            1);
}

#ifndef RAPT_SANITIZED  // there, malloc is the sanitizer's
TEST(HeapAllocations, MallocAndItsKinAreCounted) {
  EXPECT_EQ(count_one([] { return std::malloc(9); }, std::free), 1);
  EXPECT_EQ(count_one([] { return std::calloc(9, 9); }, std::free), 1);
  EXPECT_EQ(count_one([] { return std::realloc(nullptr, 9); }, std::free), 1);
  EXPECT_EQ(count_one([] { return std::aligned_alloc(64, 64); }, std::free), 1);
  EXPECT_EQ(count_one(
                [] {
                  void* block = nullptr;
                  return posix_memalign(&block, 64, 64) == 0 ? block : nullptr;
                },
                std::free),
            1);
}
#endif

TEST(HeapAllocations, EveryThreadCounts) {
  const auto on_a_thread = [](int blocks) {
    return allocations_of([blocks] {
      std::thread([blocks] {
        for (int i = 0; i < blocks; ++i) {
          last_block = new int;
          delete static_cast<int*>(last_block);
        }
      }).join();
    });
  };
  on_a_thread(0);  // what is made once, for the first thread
  EXPECT_EQ(on_a_thread(10), on_a_thread(0) + 10);
}

// ---- every function ---------------------------------------------------------------------------

/// A call of the sample and, if there is one, its gradient.
void run_once(const tests::Sample& sample, const Tensors& inputs, const Tensors& leaves) {
  Tensors outputs, cotangents;
  for (const Tensor& y : sample.f(inputs)) {
    if (!y.requires_grad()) continue;
    outputs.push_back(y);
    cotangents.push_back(ones(y.shape(), y.dtype()));
  }
  if (outputs.empty()) return;
  grad(outputs, leaves, {.allow_unused = true, .cotangents = cotangents});
}

TEST(SteadyOps, ACallAndItsGradientAllocateNothing) {
  for (const tests::OpRecord& op : tests::op_records()) {
    // einsum reads text; split takes a std::vector; this sample makes a tensor of a number.
    const std::string name = op.function.substr(0, op.function.find('('));
    if (name == "einsum" || name == "split" || name == "count_targets") continue;
    for (const tests::Sample& sample : op.samples) {
      SCOPED_TRACE(text(op.function, ", ", sample.what));
      Tensors inputs, leaves;
      for (const Tensor& x : sample.inputs) {
        inputs.push_back(x.clone());
        if (is_float(x.dtype())) leaves.push_back(inputs.back().set_requires_grad());
      }
      expect_steady([&] { run_once(sample, inputs, leaves); }, 3, 30);
    }
  }
}

// ---- training ----------------------------------------------------------------------------------

/// What a user writes, over a batch that stays.
struct Training {
  Rng rng{1};
  nn::DecoderOnly model;
  NamedTensors parameters = model.parameters();
  optim::AdamW adam{optim::decay_groups(parameters, 0.01)};
  optim::Schedule schedule = optim::Schedule::cosine({.lr = 1e-3, .warmup = 10, .total = 1000});
  Tensor ids, targets;
  int step = 0;

  explicit Training(nn::TransformerOptions options, int64_t batch = 8)
      : model(options, rng),
        ids(rng.integers(0, options.vocabulary, {batch, options.context})),
        targets(rng.integers(0, options.vocabulary, {batch, options.context})) {}

  void operator()() {
    const Tensor loss = cross_entropy(model(ids), targets).mean();
    adam.zero_grad();
    loss.backward();
    optim::clip_grad_norm(parameters, 0.1);
    adam.set_lr(schedule.at(step++));
    adam.step();
    ASSERT_TRUE(std::isfinite(loss.item()));
  }
};

/// Those options at a size that takes a millisecond.
nn::TransformerOptions small(nn::TransformerOptions changed) {
  changed.vocabulary = 17;
  changed.context = 24;
  changed.width = 32;
  changed.dropout = 0.1;
  return changed;
}

class SteadyTraining : public ::testing::TestWithParam<int> {
 protected:
  tests::WithThreads threads_{GetParam()};
};

TEST_P(SteadyTraining, LearnedPositions) {
  Training training(small({}));
  expect_steady([&] { training(); });
}

TEST_P(SteadyTraining, RotaryPositions) {
  Training training(
      small({.block = {.attention = {.heads = 4, .positions = nn::AttentionPositions::rotary()}}}));
  expect_steady([&] { training(); });
}

TEST_P(SteadyTraining, EveryOtherOptionOfTheTransformer) {
  Training training(
      small({.block = {.attention = {.heads = 4},
                       .feed_forward = {.activation = nn::Activation::silu, .gated = true},
                       .norm = nn::NormKind::rms,
                       .pre_norm = false},
             .positions = nn::Positions::sinusoidal,
             .tie_weights = true}));
  expect_steady([&] { training(); });
}

TEST_P(SteadyTraining, BlocksThatRunAgain) {
  Training training(small({.recompute = true}));
  expect_steady([&] { training(); });
}

// ---- every model --------------------------------------------------------------------------------

/// Steps of any model, whose loss is given.
template <class Loss>
void expect_steady_training(const nn::Module& model, Loss loss) {
  const NamedTensors parameters = model.parameters();
  optim::AdamW adam{optim::decay_groups(parameters, 0.01)};
  expect_steady([&] {
    adam.zero_grad();
    loss().backward();
    optim::clip_grad_norm(parameters, 0.1);
    adam.step();
  });
}

std::vector<nn::MultiHeadAttentionOptions> attentions() {
  using Options = nn::MultiHeadAttentionOptions;
  using Positions = nn::AttentionPositions;
  std::vector<Options> all;
  for (const nn::ScoreKind score : {nn::ScoreKind::dot, nn::ScoreKind::bilinear,
                                    nn::ScoreKind::additive, nn::ScoreKind::cosine}) {
    all.push_back({.heads = 4, .score = score});
  }
  for (const Positions& where :
       {Positions::alibi(), Positions::relative_bias(8, 20), Positions::relative_keys(4)}) {
    all.push_back({.heads = 4, .positions = where});
  }
  all.push_back({.heads = 4,
                 .key_value_heads = 2,
                 .soft_cap = 20,
                 .query_key_norm = nn::NormKind::rms,
                 .window = 5,
                 .sink = true,
                 .gate = true,
                 .value_residual = true});
  return all;
}

TEST_P(SteadyTraining, EveryAttention) {
  for (const nn::MultiHeadAttentionOptions& attention : attentions()) {
    SCOPED_TRACE(text("score ", static_cast<int>(attention.score), ", positions ",
                      static_cast<int>(attention.positions.kind)));
    Training training(small({.block = {.attention = attention}}));
    expect_steady([&] { training(); });
  }
}

TEST_P(SteadyTraining, AnEncoderAndADecoder) {
  Rng rng(1);
  const nn::EncoderDecoder model(
      {.source = {17, 24}, .target = {19, 24}, .width = 32, .dropout = 0.1}, rng);
  const Tensor source = rng.integers(0, 17, {8, 11}), target = rng.integers(0, 19, {8, 9});
  const Tensor lengths = rng.integers(1, 12, {8});
  expect_steady_training(model, [&] {
    return cross_entropy(model(source, target, {.lengths = lengths}), target,
                         {.label_smoothing = 0.1})
        .mean();
  });
}

TEST_P(SteadyTraining, ClassifiersAndATagger) {
  Rng rng(1);
  const Tensor ids = rng.integers(0, 17, {8, 11}), lengths = rng.integers(1, 12, {8});
  const Tensor classes = rng.integers(0, 3, {8}), tags = rng.integers(0, 3, {8, 11});
  for (const nn::PoolingKind pooling : {nn::PoolingKind::first, nn::PoolingKind::mean,
                                        nn::PoolingKind::max, nn::PoolingKind::attention}) {
    SCOPED_TRACE(static_cast<int>(pooling));
    const nn::Classifier model({.encoder = small({}), .classes = 3, .pooling = pooling}, rng);
    expect_steady_training(
        model, [&] { return cross_entropy(model(ids, {.lengths = lengths}), classes).mean(); });
  }
  const nn::Tagger model({.encoder = small({}), .tags = 3}, rng);
  expect_steady_training(
      model, [&] { return cross_entropy(model(ids, {.lengths = lengths}), tags).mean(); });
}

TEST_P(SteadyTraining, RecurrentLayersAndTheirEncoderDecoder) {
  Rng rng(1);
  const Tensor x = rng.normal({8, 11, 6}), lengths = rng.integers(0, 12, {8});
  const nn::RecurrentStackOptions options{
      .input = 6, .hidden = 8, .layers = 2, .bidirectional = true, .dropout = 0.1};
  const auto expect_steady_layer = [&](const nn::RecurrentStack& layer) {
    expect_steady_training(layer, [&] { return sum(layer(x, {.lengths = lengths})); });
  };
  expect_steady_layer(
      nn::RNN({.input = 6, .hidden = 8, .layers = 2, .bidirectional = true, .dropout = 0.1}, rng));
  expect_steady_layer(nn::LSTM(options, rng));
  expect_steady_layer(nn::GRU(options, rng));
  const nn::RecurrentEncoderDecoder model(
      {.source_vocabulary = 17, .target_vocabulary = 19, .width = 16, .hidden = 16}, rng);
  const Tensor source = rng.integers(0, 17, {8, 11}), target = rng.integers(0, 19, {8, 9});
  const Tensor some = rng.integers(1, 12, {8});
  expect_steady_training(model,
                         [&] { return cross_entropy(model(source, target, some), target).mean(); });
}

// Large enough that products, sums and the optimizer are cut up among the threads.
TEST_P(SteadyTraining, AWiderModel) {
  Training training({.vocabulary = 100, .context = 64, .width = 128, .layers = 1, .dropout = 0.1});
  expect_steady([&] { training(); }, 10, 100);
}

// A user's own layer: maps per head, einsum, a mask (example 09).
TEST_P(SteadyTraining, ALayerOfOnesOwn) {
  Rng rng(1);
  const nn::SelfAttention layer(16, 2, rng);
  const NamedTensors parameters = layer.parameters();
  optim::Adam adam(parameters, {.lr = 0.01});
  expect_steady([&] {
    const Tensor x = rng.normal({20, 10, 16});
    const Tensor seen = Mask::causal().allowed({}, 10, 10);
    const Tensor mean_so_far =
        matmul(seen.to(Dtype::f32) / sum(seen.to(Dtype::f32), -1, {.keepdim = true}), x);
    adam.zero_grad();
    mse_loss(layer(x, x, x, reshape(seen, {1, 1, 10, 10})), mean_so_far).mean().backward();
    optim::clip_grad_value(parameters, 0.01);
    adam.step();
  });
}

// The batches too, when all examples are of one length: another length needs another room. Made
// ahead, they travel from thread to thread, and it takes some hundred until as much comes back.
TEST_P(SteadyTraining, BatchesFromALoader) {
  const data::TaskDataset dataset({.task = data::Task::sort, .min_length = 6, .max_length = 6});
  for (const int64_t prefetch : {0, 2}) {
    SCOPED_TRACE(prefetch);
    data::Loader loader(dataset, {.batch_size = 4, .prefetch = prefetch});
    Training training({.vocabulary = dataset.vocabulary_size(),
                       .context = dataset.context(),
                       .width = 8,
                       .layers = 1,
                       .block = {.attention = {.heads = 1}}});
    expect_steady(
        [&] {
          const NamedTensors batch = loader.next();
          training.ids = batch["tokens"];
          training.targets = batch["targets"];
          training();
        },
        20, 2000);
  }
}

// The penalty of arXiv:1704.00028: a gradient of a gradient.
TEST_P(SteadyTraining, AGradientInTheLoss) {
  Rng rng(1);
  const nn::Linear up(4, 32, rng), down(32, 8, rng);
  expect_steady([&] {
    Tensor x = rng.normal({16, 4}).set_requires_grad();
    const Tensor y = sum(down(tanh(up(x))));
    const Tensors slope = grad({y}, {x}, {.create_graph = true});
    (y + sum(slope[0] * slope[0])).backward();
    for (const nn::Linear* layer : {&up, &down}) Tensor(layer->weight).clear_grad();
  });
}

INSTANTIATE_TEST_SUITE_P(, SteadyTraining, ::testing::Values(1, 2),
                         [](const auto& test) { return std::to_string(test.param) + "Threads"; });

}  // namespace
}  // namespace rapt
