#include "rapt/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <thread>

#include "files.h"
#include "rapt/autograd/create.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

/// Example i: "tokens" is i, i times over (so it tells itself), and "targets" the same.
class Counting : public Dataset {
 public:
  explicit Counting(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  NamedTensors get(int64_t index) const override {
    const Tensor tokens = full({index % 5 + 1}, static_cast<double>(index), Dtype::i64);
    return {{"tokens", tokens}, {"targets", tokens}};
  }

 private:
  int64_t size_;
};

/// As Counting, until `broken` is set: example 5 then throws.
class Fragile : public Counting {
 public:
  explicit Fragile(std::shared_ptr<std::atomic<bool>> broken)
      : Counting(8), broken_(std::move(broken)) {}
  NamedTensors get(int64_t index) const override {
    if (index == 5 && *broken_) throw std::out_of_range("example 5 is broken");
    return Counting::get(index);
  }

 private:
  std::shared_ptr<std::atomic<bool>> broken_;
};

/// Which examples are in a batch.
Integers indices(const NamedTensors& batch) {
  const Tensor& tokens = batch["tokens"];
  Integers out;
  const Integers values = tokens.values<int64_t>();
  for (int64_t i = 0; i < tokens.size(0); ++i) {
    out.push_back(values[static_cast<size_t>(i * tokens.size(1))]);
  }
  return out;
}

Integers sorted(Integers values) {
  std::sort(values.begin(), values.end());
  return values;
}

Integers upto(int64_t size) {
  Integers out(static_cast<size_t>(size));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

void append(Integers& to, const Integers& more) { to.insert(to.end(), more.begin(), more.end()); }

constexpr int64_t prefetches[] = {0, 1, 2, 7};

TEST(Loader, PadsAndCountsAsCollateDoes) {
  Loader loader(Counting(3), {.batch_size = 3, .shuffle = false});
  const NamedTensors batch = loader.next();
  EXPECT_EQ(batch["tokens"].values<int64_t>(), (Integers{0, 0, 0, 1, 1, 0, 2, 2, 2}));
  EXPECT_EQ(batch["targets"].values<int64_t>(), (Integers{0, -100, -100, 1, 1, -100, 2, 2, 2}));
  EXPECT_EQ(batch["lengths"].values<int64_t>(), (Integers{1, 2, 3}));
}

TEST(Loader, WithoutShuffleGivesTheExamplesInOrderForEver) {
  for (const int64_t prefetch : prefetches) {
    Loader loader(Counting(5), {.batch_size = 2, .shuffle = false, .prefetch = prefetch});
    Integers seen;
    for (int i = 0; i < 6; ++i) append(seen, indices(loader.next()));
    EXPECT_EQ(seen, (Integers{0, 1, 2, 3, 4, 0, 1, 2, 3, 4}));
    EXPECT_EQ(loader.epoch(), 2);
    EXPECT_EQ(loader.position(), 0);
  }
}

TEST(Loader, EveryEpochHasEachExampleOnceInAnotherOrder) {
  Loader loader(Counting(50), {.batch_size = 8, .seed = 4});
  Integers epochs[2];
  for (Integers& epoch : epochs) {
    for (const NamedTensors& batch : loader.rest_of_epoch()) append(epoch, indices(batch));
    EXPECT_EQ(sorted(epoch), upto(50));
    EXPECT_NE(epoch, upto(50));
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(Loader, DropLastLeavesOutOnlyTheSmallerBatch) {
  Loader keeps(Counting(10), {.batch_size = 4});
  Loader drops(Counting(10), {.batch_size = 4, .drop_last = true});
  EXPECT_EQ(keeps.batches_per_epoch(), 3);
  EXPECT_EQ(drops.batches_per_epoch(), 2);
  Integers sizes, whole_sizes;
  for (const NamedTensors& batch : keeps.rest_of_epoch()) sizes.push_back(batch["tokens"].size(0));
  for (const NamedTensors& batch : drops.rest_of_epoch()) {
    whole_sizes.push_back(batch["tokens"].size(0));
  }
  EXPECT_EQ(sizes, (Integers{4, 4, 2}));
  EXPECT_EQ(whole_sizes, (Integers{4, 4}));
  EXPECT_EQ(drops.epoch(), 1);
  EXPECT_EQ(Loader(Counting(8), {.batch_size = 4}).batches_per_epoch(), 2);
}

TEST(Loader, ABatchSizeBeyondAllExamplesIsOneBatchAnEpoch) {
  Loader loader(Counting(7), {.batch_size = std::numeric_limits<int64_t>::max(), .seed = 1});
  EXPECT_EQ(loader.batches_per_epoch(), 1);
  for (int epoch = 0; epoch < 3; ++epoch) EXPECT_EQ(sorted(indices(loader.next())), upto(7));
}

TEST(Loader, TellsItsPlace) {
  Loader loader(Counting(10), {.batch_size = 4});
  Integers places;
  for (int i = 0; i < 4; ++i) {
    places.push_back(loader.epoch());
    places.push_back(loader.position());
    loader.next();
  }
  EXPECT_EQ(places, (Integers{0, 0, 0, 4, 0, 8, 1, 0}));
}

TEST(Loader, RestOfEpochEndsWithTheEpoch) {
  for (const int64_t prefetch : prefetches) {
    Loader loader(Counting(10), {.batch_size = 4, .shuffle = false, .prefetch = prefetch});
    loader.next();
    Integers rest;
    for (const NamedTensors& batch : loader.rest_of_epoch()) append(rest, indices(batch));
    EXPECT_EQ(rest, (Integers{4, 5, 6, 7, 8, 9}));
    EXPECT_EQ(indices(loader.next()), (Integers{0, 1, 2, 3}));
  }
}

TEST(Loader, BatchesDoNotDependOnPrefetch) {
  std::vector<Integers> reference;
  for (const int64_t prefetch : prefetches) {
    Loader loader(Counting(23), {.batch_size = 4, .seed = 11, .prefetch = prefetch});
    std::vector<Integers> seen;
    for (int i = 0; i < 20; ++i) seen.push_back(indices(loader.next()));
    if (reference.empty()) reference = seen;
    EXPECT_EQ(seen, reference) << "prefetch " << prefetch;
  }
}

TEST(Loader, AStateBringsBackExactlyTheNextBatch) {
  // Every place within two epochs, saved and loaded with every pair of prefetch settings.
  for (const bool drop_last : {false, true}) {
    for (const int64_t saving : prefetches) {
      LoaderOptions options{.batch_size = 4, .seed = 6, .drop_last = drop_last, .prefetch = saving};
      Loader loader(Counting(11), options);
      for (int step = 0; step < 7; ++step) {
        const NamedTensors state = loader.state();
        for (const int64_t loading : prefetches) {
          options.prefetch = loading;
          options.seed = 99;  // the state knows better
          Loader resumed(Counting(11), options);
          if (step % 2 == 1) resumed.next();  // loading over a running loader
          resumed.load_state(state);
          EXPECT_EQ(resumed.epoch(), loader.epoch());
          EXPECT_EQ(resumed.position(), loader.position());
          Loader same(Counting(11), {.batch_size = 4, .drop_last = drop_last, .prefetch = 0});
          same.load_state(state);
          for (int i = 0; i < 4; ++i) EXPECT_EQ(indices(resumed.next()), indices(same.next()));
        }
        // What came next without any interruption:
        Loader resumed(Counting(11), options);
        resumed.load_state(state);
        EXPECT_EQ(indices(resumed.next()), indices(loader.next()));
      }
    }
  }
}

TEST(Loader, AStateMayGoOnWithAnotherBatchSize) {
  Loader loader(Counting(10), {.batch_size = 4, .shuffle = false});
  loader.next();
  Loader larger(Counting(10), {.batch_size = 5, .shuffle = false});
  larger.load_state(loader.state());
  EXPECT_EQ(indices(larger.next()), (Integers{4, 5, 6, 7, 8}));
  EXPECT_EQ(indices(larger.next()), (Integers{9}));
  // Where no whole batch of the new size is left, the next epoch begins.
  Loader whole(Counting(10), {.batch_size = 7, .shuffle = false, .drop_last = true});
  whole.load_state(loader.state());
  EXPECT_EQ(whole.epoch(), 1);
  EXPECT_EQ(indices(whole.next()), (Integers{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Loader, AnExceptionReachesTheCallerAndTheBatchCanBeTriedAgain) {
  for (const int64_t prefetch : prefetches) {
    auto broken = std::make_shared<std::atomic<bool>>(true);
    Loader loader(Fragile(broken), {.batch_size = 2, .shuffle = false, .prefetch = prefetch});
    EXPECT_EQ(indices(loader.next()), (Integers{0, 1}));
    EXPECT_EQ(indices(loader.next()), (Integers{2, 3}));
    for (int i = 0; i < 2; ++i) {
      try {
        loader.next();
        FAIL() << "no exception";
      } catch (const std::out_of_range& error) {
        EXPECT_STREQ(error.what(), "example 5 is broken");
      }
      EXPECT_EQ(loader.position(), 4);
    }
    *broken = false;
    EXPECT_EQ(indices(loader.next()), (Integers{4, 5}));
    EXPECT_EQ(indices(loader.next()), (Integers{6, 7}));
  }
}

/// Notes how far the thread has run ahead, and whether it records graphs.
class Watched : public Counting {
 public:
  struct Notes {
    std::atomic<int64_t> gets{0};
    std::atomic<bool> recorded{false};
    std::atomic<bool> elsewhere{false};
    std::thread::id home = std::this_thread::get_id();
  };
  explicit Watched(std::shared_ptr<Notes> notes) : Counting(1000), notes_(std::move(notes)) {}
  NamedTensors get(int64_t index) const override {
    ++notes_->gets;
    if (grad_enabled()) notes_->recorded = true;
    if (std::this_thread::get_id() != notes_->home) notes_->elsewhere = true;
    return Counting::get(index);
  }

 private:
  std::shared_ptr<Notes> notes_;
};

TEST(Loader, RunsAheadByPrefetchAndNoFurther) {
  auto notes = std::make_shared<Watched::Notes>();
  Loader loader(Watched(notes), {.batch_size = 1, .prefetch = 3});
  EXPECT_EQ(notes->gets, 0);  // nothing before the first next(), so load_state wastes no work
  loader.next();
  while (notes->gets < 4) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(notes->gets, 4);  // the one handed out, and three that wait
  EXPECT_TRUE(notes->elsewhere);
  EXPECT_FALSE(notes->recorded);
}

TEST(Loader, WithoutPrefetchMakesNoThread) {
  auto notes = std::make_shared<Watched::Notes>();
  Loader loader(Watched(notes), {.batch_size = 2, .prefetch = 0});
  loader.next();
  EXPECT_EQ(notes->gets, 2);
  EXPECT_FALSE(notes->elsewhere);
  EXPECT_FALSE(notes->recorded);
  EXPECT_TRUE(grad_enabled());
}

TEST(Loader, KeepsItsDatasetAlive) {
  auto make = [] {
    const Counting local(6);
    return Loader(local, {.batch_size = 3, .shuffle = false});
  };
  Loader loader = make();
  EXPECT_EQ(indices(loader.next()), (Integers{0, 1, 2}));
  Loader moved = std::move(loader);
  EXPECT_EQ(indices(moved.next()), (Integers{3, 4, 5}));
  const std::shared_ptr<const Dataset> shared = std::make_shared<Counting>(4);
  EXPECT_EQ(&Loader(shared).dataset(), shared.get());
}

TEST(Loader, StopsWhileTheThreadIsBusyOrWaiting) {
  for (int i = 0; i < 50; ++i) {
    Loader loader(Counting(100), {.batch_size = 3, .prefetch = 1 + i % 3});
    for (int step = 0; step < i % 4; ++step) loader.next();
  }
}

TEST(Loader, TwoInTwoThreadsDoNotDisturbOneAnother) {
  Integers seen[2];
  std::vector<std::thread> threads;
  for (Integers& mine : seen) {
    threads.emplace_back([&mine] {
      Loader loader(Counting(40), {.batch_size = 4, .seed = 2});
      for (int i = 0; i < 30; ++i) append(mine, indices(loader.next()));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen[0], seen[1]);
}

TEST(Loader, RefusesWhatCannotWork) {
  EXPECT_ERROR("wanted a dataset with examples; got one of size 0", Loader(Counting(0)));
  EXPECT_ERROR("batch_size of at least 1; got 0", Loader(Counting(4), {.batch_size = 0}));
  EXPECT_ERROR("prefetch of at least 0 batches; got -1", Loader(Counting(4), {.prefetch = -1}));
  EXPECT_ERROR("got 4 examples and a batch_size of 5",
               Loader(Counting(4), {.batch_size = 5, .drop_last = true}));
  EXPECT_ERROR("null pointer", Loader(std::shared_ptr<const Dataset>()));
}

TEST(Loader, RefusesAStateThatIsNotIts) {
  Loader loader(Counting(4));
  const NamedTensors good = loader.state();
  const auto with = [&](std::string_view changed, const Tensor& value) {
    NamedTensors out;
    for (const auto& [name, tensor] : good) out.add(name, name == changed ? value : tensor);
    return out;
  };
  EXPECT_ERROR("a loader over 4 examples; got one over 5",
               loader.load_state(with("size", tensor(5, Dtype::i64))));
  EXPECT_ERROR("shuffle = 1", loader.load_state(with("shuffle", tensor(0, Dtype::i64))));
  EXPECT_ERROR("got epoch 0 and position 4",
               loader.load_state(with("position", tensor(4, Dtype::i64))));
  EXPECT_ERROR("got epoch -1", loader.load_state(with("epoch", tensor(-1, Dtype::i64))));
  EXPECT_ERROR("wanted \"epoch\" as i64[]; got f32[]", loader.load_state(with("epoch", tensor(1))));
  EXPECT_ERROR("wanted seed; got none at all", loader.load_state({}));
  EXPECT_EQ(loader.position(), 0);
}

}  // namespace
}  // namespace rapt::data
