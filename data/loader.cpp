#include "rapt/data/loader.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "rapt/autograd/error.h"
#include "rapt/data/detail/buckets.h"
#include "rapt/data/shuffle.h"

namespace rapt::data {

/// The batches from a place on, one after another. Used by one thread at a time.
class Loader::Source {
 public:
  struct Made {
    NamedTensors batch;
    Place next;  // where the batch after it begins
  };

  virtual ~Source() = default;
  virtual Made next() = 0;
  /// False in the child of a fork, if it rests on a thread: that stayed behind.
  virtual bool is_here() const { return true; }
};

class Loader::Batches final : public Source {
 public:
  Batches(std::shared_ptr<const Dataset> dataset, LoaderOptions options, Place place)
      : dataset_(std::move(dataset)),
        options_(std::move(options)),
        size_(dataset_->size()),
        place_(place) {}

  /// Stays where it is when it throws.
  Made next() override {
    const NoGrad no_grad;
    examples_.clear();
    if (options_.bucket_size > 0) {
      take_from_bucket();
    } else {
      take_in_order();
    }
    const int64_t end = place_.position + static_cast<int64_t>(examples_.size());
    Made made{collate(examples_, options_.padding), settled({place_.seed, place_.epoch, end})};
    examples_.clear();
    place_ = made.next;
    return made;
  }

  /// `place`, or the beginning of the next epoch when that one holds no further batch.
  Place settled(Place place) const {
    const int64_t left = size_ - place.position;
    if (left == 0 || (options_.drop_last && left < options_.batch_size)) {
      return {place.seed, place.epoch + 1, 0};
    }
    return place;
  }

 private:
  /// Examples of the epoch, those from `begin` on, as batches.
  struct Bucket {
    int64_t epoch = -1, begin = 0;
    std::vector<NamedTensors> examples;
    std::vector<std::vector<int64_t>> batches;  // in the order in which they come
  };

  detail::BatchLimits limits() const { return {options_.batch_size, options_.max_tokens}; }

  NamedTensors example(int64_t position) {
    const int64_t at = index(position);
    NamedTensors out = dataset_->get(at);
    if (options_.max_tokens > 0 && detail::length_of(out) > options_.max_tokens) {
      fail("Loader: wanted examples of at most max_tokens = ", options_.max_tokens,
           "; got example ", at, ", of length ", detail::length_of(out));
    }
    return out;
  }

  void take_in_order() {
    const int64_t end = place_.position + std::min(options_.batch_size, size_ - place_.position);
    int64_t longest = 1;
    for (int64_t i = place_.position; i < end; ++i) {
      NamedTensors next = example(i);
      if (options_.max_tokens > 0) longest = std::max(longest, detail::length_of(next));
      if (!detail::fits(limits(), i + 1 - place_.position, longest)) return;
      examples_.push_back(std::move(next));
    }
  }

  void take_from_bucket() {
    const int64_t begin = place_.position / options_.bucket_size * options_.bucket_size;
    if (bucket_.epoch != place_.epoch || bucket_.begin != begin) fill_bucket(begin);
    int64_t position = begin;
    for (const auto& batch : bucket_.batches) {
      if (position == place_.position) {
        for (const int64_t i : batch) {
          examples_.push_back(bucket_.examples[static_cast<size_t>(i)]);
        }
        return;
      }
      position += static_cast<int64_t>(batch.size());
    }
    fail("Loader: wanted a place between two batches; got position ", place_.position);
  }

  void fill_bucket(int64_t begin) {
    bucket_ = {};
    Bucket next{place_.epoch, begin, {}, {}};
    std::vector<int64_t> lengths;
    for (int64_t i = begin; i < std::min(begin + options_.bucket_size, size_); ++i) {
      next.examples.push_back(example(i));
      lengths.push_back(detail::length_of(next.examples.back()));
    }
    next.batches = detail::batches_by_length(lengths, limits());
    if (options_.shuffle) {
      // An order of its own for each bucket of each epoch.
      const uint64_t seed = place_.seed ^ (static_cast<uint64_t>(begin) + 0x9E3779B97F4A7C15);
      const auto count = static_cast<int64_t>(next.batches.size());
      const Shuffle order(count, seed, place_.epoch);
      std::vector<std::vector<int64_t>> shuffled;
      for (int64_t i = 0; i < count; ++i) {
        shuffled.push_back(std::move(next.batches[static_cast<size_t>(order[i])]));
      }
      next.batches = std::move(shuffled);
    }
    bucket_ = std::move(next);
  }

  int64_t index(int64_t position) {
    if (!options_.shuffle) return position;
    if (shuffled_epoch_ != place_.epoch) {
      shuffle_.emplace(size_, place_.seed, place_.epoch);
      shuffled_epoch_ = place_.epoch;
    }
    return (*shuffle_)[position];
  }

  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
  int64_t size_;
  Place place_;
  std::vector<NamedTensors> examples_;  // of the batch being made; kept for its room
  std::optional<Shuffle> shuffle_;
  int64_t shuffled_epoch_ = -1;
  Bucket bucket_;
};

/// A thread that makes batches until `limit` wait to be taken, or one could not be made.
class Loader::Prefetch final : public Source {
 public:
  Prefetch(Batches batches, int64_t limit)
      : batches_(std::move(batches)),
        limit_(static_cast<size_t>(limit)),
        thread_([this] { run(); }) {}

  ~Prefetch() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  bool is_here() const override { return process_ == getpid(); }

  /// Rethrows what the thread met. There is nothing to take after that.
  Made next() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !ready_.empty() || error_; });
    if (ready_.empty()) std::rethrow_exception(error_);
    Made made = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return made;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || ready_.size() < limit_; });
      if (stop_) return;
      lock.unlock();
      std::optional<Made> made;
      std::exception_ptr error;
      try {
        made = batches_.next();
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (made) ready_.push_back(std::move(*made));
      error_ = error;
      changed_.notify_all();
      if (error) return;
    }
  }

  Batches batches_;
  size_t limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Made, PoolAllocator<Made>> ready_;
  std::exception_ptr error_;
  bool stop_ = false;
  const pid_t process_ = getpid();
  std::thread thread_;  // the last member: it runs as soon as it is made
};

Loader::Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options)
    : dataset_(std::move(dataset)), options_(std::move(options)) {
  if (!dataset_) fail("Loader: wanted a dataset; got a null pointer");
  const int64_t size = dataset_->size();
  if (size < 1) fail("Loader: wanted a dataset with examples; got one of size ", size);
  if (options_.batch_size < 1) {
    fail("Loader: wanted a batch_size of at least 1; got ", options_.batch_size);
  }
  if (options_.prefetch < 0) {
    fail("Loader: wanted a prefetch of at least 0 batches; got ", options_.prefetch);
  }
  if (options_.bucket_size < 0 || options_.max_tokens < 0) {
    fail("Loader: wanted a bucket_size and max_tokens of at least 0; got ", options_.bucket_size,
         " and ", options_.max_tokens);
  }
  if (options_.bucket_size > 0 && options_.bucket_size < options_.batch_size) {
    fail("Loader: wanted a bucket_size of at least the batch_size ", options_.batch_size, "; got ",
         options_.bucket_size);
  }
  if (options_.drop_last && (options_.bucket_size > 0 || options_.max_tokens > 0)) {
    fail(
        "Loader: wanted no drop_last beside bucket_size or max_tokens: it would leave out the "
        "longest examples");
  }
  if (options_.drop_last && size < options_.batch_size) {
    fail("Loader: wanted at least one whole batch, because of drop_last; got ", size,
         " examples and a batch_size of ", options_.batch_size);
  }
  place_.seed = options_.seed;
}

Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

NamedTensors Loader::next() {
  // Made anew after a failure, after load_state and in the child of a fork: they begin where place_
  // says.
  if (source_ && !source_->is_here()) source_.reset();
  if (!source_) {
    Batches batches(dataset_, options_, place_);
    if (options_.prefetch > 0) {
      // What stayed behind in a fork's parent cannot be stopped, nor its locks be trusted: it is
      // left as it is.
      const auto stop = [](Prefetch* source) {
        if (source->is_here()) delete source;
      };
      source_ = {new Prefetch(std::move(batches), options_.prefetch), stop};
    } else {
      source_ = std::make_shared<Batches>(std::move(batches));
    }
  }
  try {
    Source::Made made = source_->next();
    place_ = made.next;
    return std::move(made.batch);
  } catch (...) {
    source_.reset();
    throw;
  }
}

int64_t Loader::batches_per_epoch() const {
  if (options_.max_tokens > 0) {
    fail("Loader::batches_per_epoch: wanted no max_tokens, with which epochs differ; got ",
         options_.max_tokens);
  }
  const auto batches_of = [&](int64_t examples) {
    return examples / options_.batch_size + (examples % options_.batch_size != 0 ? 1 : 0);
  };
  const int64_t size = dataset_->size(), bucket = options_.bucket_size;
  if (options_.drop_last) return size / options_.batch_size;
  if (bucket == 0) return batches_of(size);
  return size / bucket * batches_of(bucket) + batches_of(size % bucket);
}

Loader::Pass::Iterator& Loader::Pass::Iterator::operator++() {
  done_ = loader_->epoch() != epoch_;
  batch_ = done_ ? NamedTensors() : loader_->next();
  return *this;
}

void Loader::load_state(const NamedTensors& state) {
  const Place place = place_in(state);
  source_.reset();
  // With another batch_size, what is left of the epoch may be less than drop_last asks for.
  place_ = Batches(dataset_, options_, place).settled(place);
}

}  // namespace rapt::data
