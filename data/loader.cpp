#include "rapt/data/loader.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/data/detail/tensor_bytes.h"
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
    const int64_t end = place_.position + std::min(options_.batch_size, size_ - place_.position);
    examples_.clear();
    for (int64_t i = place_.position; i < end; ++i) examples_.push_back(dataset_->get(index(i)));
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
  const int64_t size = dataset_->size();
  const int64_t whole = size / options_.batch_size;
  return options_.drop_last || size % options_.batch_size == 0 ? whole : whole + 1;
}

Loader::Pass::Iterator& Loader::Pass::Iterator::operator++() {
  done_ = loader_->epoch() != epoch_;
  batch_ = done_ ? NamedTensors() : loader_->next();
  return *this;
}

namespace {

Tensor integer(int64_t value) { return from_values(std::vector<int64_t>{value}, Shape{}); }

int64_t integer(const NamedTensors& state, std::string_view name) {
  const Tensor& value = state[name];
  if (value.dtype() != Dtype::i64 || value.rank() != 0) {
    fail("Loader::load_state: wanted \"", name, "\" as i64[]; got ", value.dtype(), value.shape());
  }
  return value.values<int64_t>()[0];
}

/// Of an example's names, dtypes, shapes and elements.
uint32_t checksum_of(const NamedTensors& example, uint32_t before) {
  for (const auto& [name, tensor] : example) {
    const std::string head = text(name, " ", tensor.dtype(), tensor.shape());
    before = detail::crc32_of(head.data(), static_cast<int64_t>(head.size()), before);
    const Tensor dense = tensor.contiguous();
    before = detail::crc32_of(detail::bytes_of(dense), detail::byte_count(dense), before);
  }
  return before;
}

int64_t checksum_of(const Dataset& dataset) {
  const NoGrad no_grad;
  const uint32_t first = checksum_of(dataset.get(0), 0);
  return checksum_of(dataset.get(dataset.size() - 1), first);
}

}  // namespace

NamedTensors Loader::state() const {
  return {{"seed", integer(static_cast<int64_t>(place_.seed))},
          {"epoch", integer(place_.epoch)},
          {"position", integer(place_.position)},
          {"size", integer(dataset_->size())},
          {"shuffle", integer(options_.shuffle)},
          {"examples", integer(checksum_of(*dataset_))}};
}

Loader::Place Loader::place_in(const NamedTensors& state) const {
  const Place place{static_cast<uint64_t>(integer(state, "seed")), integer(state, "epoch"),
                    integer(state, "position")};
  const int64_t size = integer(state, "size");
  if (size != dataset_->size()) {
    fail("Loader::load_state: wanted the state of a loader over ", dataset_->size(),
         " examples; got one over ", size);
  }
  if (integer(state, "shuffle") != int64_t{options_.shuffle}) {
    fail("Loader::load_state: wanted a state with shuffle = ", options_.shuffle,
         "; got one with the opposite");
  }
  if (place.epoch < 0 || place.position < 0 || place.position >= size) {
    fail("Loader::load_state: wanted an epoch of at least 0 and a position in [0, ", size,
         "); got epoch ", place.epoch, " and position ", place.position);
  }
  // 0.1's has none.
  if (state.contains("examples") && integer(state, "examples") != checksum_of(*dataset_)) {
    fail(
        "Loader::load_state: wanted the state of a loader over this dataset; got one over another "
        "of the same size: its first or last example differs");
  }
  return place;
}

void Loader::check_state(const NamedTensors& state) const { place_in(state); }

void Loader::load_state(const NamedTensors& state) {
  const Place place = place_in(state);
  source_.reset();
  // With another batch_size, what is left of the epoch may be less than drop_last asks for.
  place_ = Batches(dataset_, options_, place).settled(place);
}

}  // namespace rapt::data
