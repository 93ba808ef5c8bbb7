#include "rapt/data/tones.h"

#include <cmath>
#include <numbers>

#include "rapt/autograd/create.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/random.h"
#include "rapt/data/detail/hash.h"

namespace rapt::data {
namespace {

constexpr int64_t most_silent_frames = 2;

TonesOptions checked(const TonesOptions& o) {
  if (o.symbols < 2 || o.symbols > 16) {
    fail("TonesDataset: wanted 2 to 16 symbols; got ", o.symbols);
  }
  if (o.min_length < 1 || o.max_length < o.min_length) {
    fail("TonesDataset: wanted 1 <= min_length <= max_length; got ", o.min_length, " and ",
         o.max_length);
  }
  if (o.size < 1) fail("TonesDataset: wanted a size of at least 1; got ", o.size);
  if (o.frame < 2 * (o.symbols + 1)) {
    fail("TonesDataset: wanted a frame of at least ", 2 * (o.symbols + 1), " samples for ",
         o.symbols, " symbols; got ", o.frame);
  }
  if (o.min_frames < 1 || o.max_frames < o.min_frames) {
    fail("TonesDataset: wanted 1 <= min_frames <= max_frames; got ", o.min_frames, " and ",
         o.max_frames);
  }
  if (!(o.noise >= 0 && std::isfinite(o.noise))) {
    fail("TonesDataset: wanted a finite noise of at least 0; got ", o.noise);
  }
  return o;
}

}  // namespace

TonesDataset::TonesDataset(const TonesOptions& options)
    : options_(checked(options)),
      sequences_({.task = Task::copy,
                  .min_length = options.min_length,
                  .max_length = options.max_length,
                  .symbols = options.symbols,
                  .seed = options.seed,
                  .split = options.split,
                  .size = options.size}) {}

int64_t TonesDataset::frames() const {
  return options_.max_length * (options_.max_frames + most_silent_frames) + most_silent_frames;
}

NamedTensors TonesDataset::get(int64_t index) const {
  std::vector<int64_t> symbols = sequences_.sequence(index);
  for (int64_t& symbol : symbols) ++symbol;
  Rng rng(detail::mix(options_.seed + 1, static_cast<uint64_t>(index)));
  const Tensor places = arange(options_.frame, Dtype::f32) / static_cast<double>(options_.frame);
  std::vector<Tensor> parts;  // [frames, frame] each
  const auto add_silence = [&] {
    parts.push_back(zeros({rng.integer(1, most_silent_frames + 1), options_.frame}));
  };
  add_silence();
  for (const int64_t symbol : symbols) {
    const double phase = 2 * std::numbers::pi * rng.uniform();
    const int64_t frames = rng.integer(options_.min_frames, options_.max_frames + 1);
    const Tensor frame = sin(places * (2 * std::numbers::pi * static_cast<double>(symbol)) + phase);
    parts.push_back(expand(frame, {frames, options_.frame}));
    add_silence();
  }
  const Tensor clean = concat(parts, 0);
  return {{"frames", clean + rng.normal(clean.shape(), 0, options_.noise)},
          {"targets", from_values(symbols, {std::ssize(symbols)})}};
}

}  // namespace rapt::data
