#pragma once

#include <cstdint>
#include <vector>

#include "rapt/data/dataset.h"
#include "rapt/data/tasks.h"

namespace rapt::data {

struct TonesOptions {
  int64_t symbols = 8;     ///< different tones: 2 to 16
  int64_t min_length = 1;  ///< tones of the shortest example
  int64_t max_length = 8;  ///< of the longest
  int64_t frame = 32;      ///< samples of a frame, at least 2 * (symbols + 1)
  int64_t min_frames = 2;  ///< that a tone lasts
  int64_t max_frames = 4;
  double noise = 0.5;          ///< standard deviation of a sample; a tone's amplitude is 1
  uint64_t seed = 0;           ///< another seed, other examples
  Split split = Split::train;  ///< train and test share no sequence of tones
  int64_t size = 1'000'000;    ///< examples; they are made when asked for, and take no memory
};

/// Speech in small: tones in noise, of which a model writes down the symbols. Nobody says where one
/// ends, so the loss is ctc_loss, with blank 0. Each example is a function of (seed, index):
///
///   "frames"   f32 [T, frame]: the samples in their order
///   "targets"  i64 [n]: the symbols, 1 ... symbols
///
/// Symbol k is a sine of k periods a frame, of any phase and of min_frames to max_frames frames;
/// around each stands a frame or two of noise alone. T is at most frames().
class TonesDataset : public Dataset {
 public:
  /// Throws when an option is out of range, or when the split leaves nothing to test with.
  explicit TonesDataset(const TonesOptions& options = {});

  int64_t size() const override { return options_.size; }
  NamedTensors get(int64_t index) const override;
  const TonesOptions& options() const { return options_; }
  /// Of the longest example.
  int64_t frames() const;

 private:
  TonesOptions options_;
  TaskDataset sequences_;
};

}  // namespace rapt::data
