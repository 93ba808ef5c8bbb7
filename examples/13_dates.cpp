// A Transformer learns to read dates as people write them, and to say them as ISO 8601 does:
// "3 may 1979", "december 25, 2031", "7/14/1989". An encoder reads the characters, a decoder writes
// the ten of the answer. 400 steps or as many as told; then its accuracy on days that it has never
// seen, written out greedily.
//
//   $ 13_dates
//   step    0  loss 3...
//   step  100  loss ...
//   step  200  loss 0.0...
//   step  300  loss 0.0...
//   right from end to end: 1.000
//   3 may 1979 -> 1979-05-03
//   december 25, 2031 -> 2031-12-25
//   7/14/1989 -> 1989-07-14

#include <array>
#include <cstdio>
#include <cstdlib>

#include "rapt/rapt.h"

using namespace rapt;

namespace {

const data::Vocabulary letters(" ,-./0123456789abcdefghijklmnopqrstuvwxyz^");
const int64_t begin = letters.token('^');
const std::vector<data::Padding> padding = {{"source", letters.token(' ')}};

struct Date {
  std::string written, iso;
};

/// A drawn day of 1950 to 2049, in a drawn form. One day in ten is held out, to test with.
Date draw_date(data::Split split, Rng& rng) {
  static constexpr std::array months = {"january",   "february", "march",    "april",
                                        "may",       "june",     "july",     "august",
                                        "september", "october",  "november", "december"};
  int64_t year = 0, month = 0, day = 0;
  do {
    year = rng.integer(1950, 2050), month = rng.integer(1, 13), day = rng.integer(1, 29);
  } while ((((year * 12 + month) * 28 + day * 3) % 10 == 0) != (split == data::Split::test));
  const std::string name = months[static_cast<size_t>(month - 1)];
  const std::string short_name = name.substr(0, 3);
  Date date;
  switch (rng.integer(0, 5)) {
    case 0:
      date.written = text(day, " ", name, " ", year);
      break;
    case 1:
      date.written = text(name, " ", day, ", ", year);
      break;
    case 2:
      date.written = text(short_name, " ", day, " ", year);
      break;
    case 3:
      date.written = text(day, ".", month, ".", year);
      break;
    default:
      date.written = text(month, "/", day, "/", year);
      break;
  }
  const auto two = [](int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); };
  date.iso = text(year, "-", two(month), "-", two(day));
  return date;
}

Tensor tokens(const std::string& characters) { return from_values(letters.encode(characters)); }

/// The target begins with ^, and each of its places has the next character to predict.
NamedTensors example(const Date& date) {
  return {{"source", tokens(date.written)},
          {"target", tokens("^" + date.iso.substr(0, 9))},
          {"next", tokens(date.iso)}};
}

class Dates : public data::Dataset {
 public:
  explicit Dates(data::Split split) : split_(split) {}
  int64_t size() const override { return 20000; }
  NamedTensors get(int64_t index) const override {
    Rng rng(static_cast<uint64_t>(index));
    return example(draw_date(split_, rng));
  }

 private:
  data::Split split_;
};

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 400;
  Rng rng(1);
  // [model]
  nn::EncoderDecoder model({.source = {.vocabulary = letters.size(), .context = 24},
                            .target = {.vocabulary = letters.size(), .context = 10},
                            .width = 64,
                            .layers = 1},
                           rng);
  const auto loss_of = [&](const NamedTensors& batch) {
    const Tensor logits =
        model(batch["source"], batch["target"], {.lengths = batch["source.lengths"]});
    return cross_entropy(logits, batch["next"]).mean();
  };
  const auto answers_to = [&](const NamedTensors& batch) {
    const nn::TokenModel writer(
        model, model.encode(batch["source"], {.lengths = batch["source.lengths"]}));
    const std::vector<nn::TokenSequence> begins(batch["source"].size(0), {begin});
    return nn::generate_each(writer, begins, {.max_tokens = 10, .temperature = 0}, rng);
  };
  // [end]

  const NamedTensors parameters = model.parameters();
  optim::AdamW adam(optim::decay_groups(parameters, 0.01));
  const auto schedule = optim::Schedule::cosine({.lr = 3e-3, .warmup = steps / 10, .total = steps});
  data::Loader loader(Dates(data::Split::train), {.batch_size = 64, .padding = padding});
  for (int step = 0; step < steps; ++step) {
    adam.zero_grad();
    const Tensor loss = loss_of(loader.next());
    if (step % 100 == 0) std::printf("step %4d  loss %.4f\n", step, loss.item());
    loss.backward();
    optim::clip_grad_norm(parameters, 1);
    adam.set_lr(schedule.at(step));
    adam.step();
  }

  const NoGrad no_grad;
  const NamedTensors unseen =
      data::Loader(Dates(data::Split::test), {.batch_size = 500, .padding = padding}).next();
  const std::vector<nn::Generated> answers = answers_to(unseen);
  double right = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    right += answers[i].tokens == unseen["next"][i].values<int64_t>();
  }
  std::printf("right from end to end: %.3f\n", right / static_cast<double>(answers.size()));

  const std::vector<std::string> mine = {"3 may 1979", "december 25, 2031", "7/14/1989"};
  std::vector<NamedTensors> sources;
  for (const std::string& written : mine) sources.push_back({{"source", tokens(written)}});
  const std::vector<nn::Generated> said = answers_to(data::collate(sources, padding));
  for (size_t i = 0; i < mine.size(); ++i) {
    std::printf("%s -> %s\n", mine[i].c_str(), letters.decode(said[i].tokens).c_str());
  }
}
