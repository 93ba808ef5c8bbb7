// Batches by length and by number of tokens.

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "files.h"
#include "rapt/autograd/create.h"
#include "rapt/data/loader.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

/// Example i: its number, as often as it is long.
class Ragged : public Dataset {
 public:
  explicit Ragged(int64_t size) : size_(size) {}
  static int64_t length(int64_t index) { return 1 + index * 7919 % 23; }
  int64_t size() const override { return size_; }
  NamedTensors get(int64_t index) const override {
    return {{"tokens", full({length(index)}, static_cast<double>(index), Dtype::i64)},
            {"label", full({}, static_cast<double>(index), Dtype::i64)}};
  }

 private:
  int64_t size_;
};

Integers labels(const NamedTensors& batch) { return batch["label"].values<int64_t>(); }

std::vector<Integers> epoch_of(Loader& loader) {
  std::vector<Integers> out;
  for (const NamedTensors& batch : loader.rest_of_epoch()) out.push_back(labels(batch));
  return out;
}

Integers sorted(const std::vector<Integers>& batches) {
  Integers all;
  for (const Integers& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  std::sort(all.begin(), all.end());
  return all;
}

int64_t filled_up(const LoaderOptions& options) {
  Loader loader(Ragged(500), options);
  int64_t out = 0;
  for (const NamedTensors& batch : loader.rest_of_epoch()) {
    out += batch["tokens"].numel();
    for (const int64_t length : batch["lengths"].values<int64_t>()) out -= length;
  }
  return out;
}

TEST(Buckets, GiveEveryExampleOnceAnEpochInAnotherOrderEach) {
  Loader loader(Ragged(203), {.batch_size = 8, .bucket_size = 40, .max_tokens = 100});
  const auto first = epoch_of(loader), second = epoch_of(loader);
  Integers all(203);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  EXPECT_EQ(sorted(first), all);
  EXPECT_EQ(sorted(second), all);
  EXPECT_NE(first, second);
  EXPECT_EQ(loader.epoch(), 2);
  for (const Integers& batch : first) {
    int64_t longest = 0;
    for (const int64_t i : batch) longest = std::max(longest, Ragged::length(i));
    EXPECT_LE(batch.size(), 8u);
    EXPECT_LE(static_cast<int64_t>(batch.size()) * longest, 100);
  }
}

TEST(Buckets, LeaveLittleToFillUp) {
  EXPECT_LT(filled_up({.batch_size = 8, .bucket_size = 250}), filled_up({.batch_size = 8}) / 8);
}

TEST(Buckets, WithoutShuffleBeginWithTheShortest) {
  Loader loader(Ragged(6), {.batch_size = 2, .shuffle = false, .bucket_size = 4});
  // Of lengths 1 8 15 22, then 6 13.
  ASSERT_EQ((Integers{Ragged::length(0), Ragged::length(1), Ragged::length(2), Ragged::length(3),
                      Ragged::length(4), Ragged::length(5)}),
            (Integers{1, 8, 15, 22, 6, 13}));
  EXPECT_EQ(epoch_of(loader), (std::vector<Integers>{{0, 1}, {2, 3}, {4, 5}}));
}

TEST(Buckets, DoNotDependOnPrefetchAndGoOnFromEveryPlace) {
  LoaderOptions options{.batch_size = 4, .seed = 5, .bucket_size = 20, .max_tokens = 60};
  Loader reference(Ragged(50), options);
  std::vector<Integers> wanted;
  std::vector<NamedTensors> states;
  for (int i = 0; i < 40; ++i) {
    states.push_back(reference.state());
    wanted.push_back(labels(reference.next()));
  }
  for (const int64_t prefetch : {0, 1, 5}) {
    options.prefetch = prefetch;
    options.seed = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      Loader resumed(Ragged(50), options);
      resumed.load_state(states[i]);
      for (size_t j = i; j < std::min(i + 4, wanted.size()); ++j) {
        ASSERT_EQ(labels(resumed.next()), wanted[j]) << "from " << i << " on, batch " << j;
      }
    }
  }
}

TEST(Buckets, HaveBatchesThatAreCounted) {
  for (const int64_t size : {1, 7, 16, 50, 64}) {
    Loader loader(Ragged(size), {.batch_size = 4, .bucket_size = 10});
    const int64_t counted = loader.batches_per_epoch();
    EXPECT_EQ(counted, static_cast<int64_t>(epoch_of(loader).size())) << size;
  }
  EXPECT_ERROR("Loader::batches_per_epoch: wanted no max_tokens",
               Loader(Ragged(5), {.max_tokens = 50}).batches_per_epoch());
}

TEST(Buckets, RefuseTheStateOfOthers) {
  const auto loader = [](LoaderOptions options) { return Loader(Ragged(50), options); };
  const NamedTensors plain = loader({.batch_size = 4}).state();
  const NamedTensors state = loader({.batch_size = 4, .bucket_size = 20}).state();
  EXPECT_ERROR("wanted a state without buckets", loader({.batch_size = 4}).load_state(state));
  EXPECT_ERROR("wanted a state with buckets",
               loader({.batch_size = 4, .bucket_size = 20}).load_state(plain));
  EXPECT_ERROR("with batch_size = 5",
               loader({.batch_size = 5, .bucket_size = 20}).load_state(state));
  EXPECT_ERROR("with bucket_size = 30",
               loader({.batch_size = 4, .bucket_size = 30}).load_state(state));
  EXPECT_ERROR("with max_tokens = 50",
               loader({.batch_size = 4, .bucket_size = 20, .max_tokens = 50}).load_state(state));
}

TEST(MaxTokens, CutTheOrderOfTheEpoch) {
  // Lengths 1 8 15 22 6 13.
  Loader loader(Ragged(6), {.batch_size = 3, .shuffle = false, .max_tokens = 30});
  EXPECT_EQ(epoch_of(loader), (std::vector<Integers>{{0, 1}, {2}, {3}, {4, 5}}));
  EXPECT_EQ(loader.epoch(), 1);
}

TEST(MaxTokens, NameAnExampleThatIsLonger) {
  for (const int64_t bucket : {0, 10}) {
    Loader loader(Ragged(6),
                  {.batch_size = 2, .shuffle = false, .bucket_size = bucket, .max_tokens = 21});
    EXPECT_ERROR("wanted examples of at most max_tokens = 21; got example 3, of length 22",
                 epoch_of(loader));
  }
}

TEST(Buckets, AreCheckedWhenALoaderIsMade) {
  EXPECT_ERROR("got -1 and 0", Loader(Ragged(9), {.bucket_size = -1}));
  EXPECT_ERROR("got 0 and -2", Loader(Ragged(9), {.max_tokens = -2}));
  EXPECT_ERROR("at least the batch_size 8; got 7",
               Loader(Ragged(9), {.batch_size = 8, .bucket_size = 7}));
  EXPECT_ERROR("wanted no drop_last beside bucket_size or max_tokens",
               Loader(Ragged(9), {.batch_size = 2, .drop_last = true, .max_tokens = 70}));
}

}  // namespace
}  // namespace rapt::data
