#pragma once

#include <concepts>
#include <cstdint>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "rapt/data/collate.h"
#include "rapt/data/dataset.h"

namespace rapt::data {

struct LoaderOptions {
  int64_t batch_size = 32;  ///< examples of a batch; at most, where max_tokens is given
  bool shuffle = true;      ///< another order in every epoch; else 0, 1, 2, ...
  uint64_t seed = 0;        ///< of the shuffle
  bool drop_last = false;   ///< leave out the batch at the end of an epoch that would be smaller
  int64_t prefetch = 2;     ///< batches made ahead by a thread; 0: made by the thread that asks
  /// What fills up shorter examples: see collate, which wants to know it of every i64 name. -100 is
  /// cross_entropy's ignore_index.
  std::vector<Padding> padding = {{"tokens", 0}, {"targets", -100}};
  /// Batches of examples of about one length, so that little is filled up. So many examples at
  /// once, in the order of the epoch, are sorted by length and cut into batches, which come in
  /// random order (without shuffle, the shortest first). Some hundred batches' worth is much; each
  /// is held in memory. 0: not sorted. An example is as long as the longest of its tensors.
  int64_t bucket_size = 0;
  /// Tokens of a batch at most, with what is filled up: its examples times the longest of them. An
  /// example that is longer is an error. 0: any number.
  int64_t max_tokens = 0;
};

/// Batches of a dataset, epoch after epoch, without end:
///
///   data::Loader loader(dataset, {.batch_size = 64});
///   for (int step = 0; step < 500; ++step) {
///     NamedTensors batch = loader.next();
///     ...
///
/// The batches are a function of the dataset, the options and the place in the data alone, whatever
/// `prefetch` is. One Loader belongs to one thread at a time. After a fork(), the child's goes on
/// behind the batch that was handed out last, as the parent's does.
class Loader {
 public:
  /// Keeps a copy of the dataset, so nothing has to outlive the loader. Throws when the dataset is
  /// empty, an option is out of range, drop_last leaves no batch at all, or stands beside
  /// bucket_size or max_tokens, of which the longest examples would be left out.
  template <class D>
  requires(std::derived_from<D, Dataset> &&
           !std::is_abstract_v<D>) explicit Loader(D dataset, LoaderOptions options = {})
      : Loader(std::shared_ptr<const Dataset>(std::make_shared<const D>(std::move(dataset))),
               std::move(options)) {}
  /// Shares the dataset: for one that is known only by its base class, or costly to copy.
  explicit Loader(std::shared_ptr<const Dataset> dataset, LoaderOptions options = {});
  ~Loader();
  Loader(Loader&&) noexcept;
  Loader& operator=(Loader&&) noexcept;

  /// The next batch: the dataset's tensors behind a new first axis, and their lengths (see
  /// collate). Rethrows what get() threw, on whichever thread; the same batch is then tried again
  /// next time.
  NamedTensors next();

  /// The epoch that the next batch belongs to: the number of epochs completed.
  int64_t epoch() const { return place_.epoch; }
  /// How many examples of this epoch have been handed out.
  int64_t position() const { return place_.position; }
  /// How many batches a whole epoch has. Throws with max_tokens, where epochs differ.
  int64_t batches_per_epoch() const;
  const Dataset& dataset() const { return *dataset_; }
  const LoaderOptions& options() const { return options_; }

  class Pass;
  /// Exactly the batches that are left of this epoch; all of them when it has not begun:
  ///
  ///   for (const NamedTensors& batch : loader.rest_of_epoch()) ...
  Pass rest_of_epoch() { return Pass(*this); }

  /// All that the coming batches depend on besides the dataset and the options, as i64 scalars:
  /// "seed", "epoch", "position", and to notice a mistake "size", "shuffle" and "examples", a
  /// checksum of the dataset's first example and its last. Batches that were prefetched but not
  /// handed out do not count.
  NamedTensors state() const;
  /// Goes on exactly where state() was taken. Takes over the saved seed. Another batch_size is
  /// fine, but for buckets: the epoch's remaining examples come in batches of the new size. Throws
  /// when the state is of another dataset, as far as its size and those two examples tell, or of
  /// another choice of shuffle or buckets.
  void load_state(const NamedTensors& state);
  /// Throws where load_state would; changes nothing.
  void check_state(const NamedTensors& state) const;

  /// See rest_of_epoch(). Must not outlive the loader.
  class Pass {
   public:
    class Iterator {
     public:
      using value_type = NamedTensors;
      using difference_type = std::ptrdiff_t;

      const NamedTensors& operator*() const { return batch_; }
      Iterator& operator++();
      void operator++(int) { ++*this; }
      bool operator==(std::default_sentinel_t) const { return done_; }

     private:
      friend class Pass;
      explicit Iterator(Loader& loader) : loader_(&loader), epoch_(loader.epoch()) { ++*this; }

      Loader* loader_;
      int64_t epoch_;
      NamedTensors batch_;
      bool done_ = false;
    };

    Iterator begin() { return Iterator(*loader_); }
    std::default_sentinel_t end() const { return {}; }

   private:
    friend class Loader;
    explicit Pass(Loader& loader) : loader_(&loader) {}
    Loader* loader_;
  };

 private:
  /// Where in the data: the next batch begins at that place of that epoch's order.
  struct Place {
    uint64_t seed = 0;
    int64_t epoch = 0;
    int64_t position = 0;
  };
  Place place_in(const NamedTensors& state) const;
  class Source;    // of the batches, one after another
  class Batches;   // makes them when asked
  class Prefetch;  // a thread that runs ahead

  std::shared_ptr<const Dataset> dataset_;
  LoaderOptions options_;
  Place place_;                     // of what was handed out last, not of what was prefetched
  std::shared_ptr<Source> source_;  // made by the first next()
};

}  // namespace rapt::data
