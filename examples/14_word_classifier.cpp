// A classifier of words: an encoder reads the letters of an invented word, and says which of three
// invented languages it is of. They share letters and some syllables, so that a short word may be
// of several. 100 steps or as many as told; then its accuracy on words drawn anew.
//
//   $ 14_word_classifier
//   step   0  loss 1.1...
//   step  50  loss 0...
//   right: 0.9...
//   sakurani: of the islands
//   waldernhof: of the hills
//   monterino: of the coast

#include <array>
#include <cstdio>
#include <cstdlib>

#include "rapt/rapt.h"

using namespace rapt;

namespace {

const data::Vocabulary letters("abcdefghijklmnopqrstuvwxyz");
const std::array<const char*, 3> languages = {"of the islands", "of the hills", "of the coast"};

/// A word of 2 to 4 syllables of that language.
std::string draw_word(int64_t language, Rng& rng) {
  static const std::array<std::vector<std::string>, 3> syllables = {{
      {"ka", "ki", "no", "sa", "ra", "mi", "to", "ni", "ha", "ku", "ru", "sho"},
      {"schal", "ber", "gen", "tz", "no", "ra", "hof", "stein", "wal", "ni", "grun", "der"},
      {"ella", "ino", "ra", "monte", "sa", "veri", "to", "gli", "osa", "ka", "zzo", "peri"},
  }};
  const std::vector<std::string>& mine = syllables[static_cast<size_t>(language)];
  std::string word;
  for (int64_t i = rng.integer(2, 5); i > 0; --i) {
    word += mine[static_cast<size_t>(rng.integer(0, static_cast<int64_t>(mine.size())))];
  }
  return word;
}

/// Words as {ids, language}.
class Words : public data::Dataset {
 public:
  explicit Words(uint64_t seed) : seed_(seed) {}
  int64_t size() const override { return 10000; }
  NamedTensors get(int64_t index) const override {
    Rng rng(seed_ + static_cast<uint64_t>(index));
    const int64_t language = rng.integer(0, 3);
    return {{"ids", from_values(letters.encode(draw_word(language, rng)))},
            {"language", tensor(language, Dtype::i64)}};
  }

 private:
  uint64_t seed_;
};

}  // namespace

int main(int argc, char** argv) {
  const int steps = argc > 1 ? std::atoi(argv[1]) : 100;
  Rng rng(1);
  // [model]
  nn::Classifier model(
      {.encoder =
           {.vocabulary = letters.size(), .context = 24, .width = 32, .layers = 1, .dropout = 0.1},
       .classes = 3},
      rng);
  const auto logits_of = [&](const NamedTensors& batch) {
    return model(batch["ids"], {.lengths = batch["lengths"]});  // [B, 3]
  };
  // [end]

  optim::AdamW adam(model.parameters(), {.lr = 5e-3});
  data::Loader loader(Words(0), {.batch_size = 64, .padding = {{"ids", 0}}});
  for (int step = 0; step < steps; ++step) {
    const NamedTensors batch = loader.next();
    adam.zero_grad();
    const Tensor loss = cross_entropy(logits_of(batch), batch["language"]).mean();
    if (step % 50 == 0) std::printf("step %3d  loss %.4f\n", step, loss.item());
    loss.backward();
    adam.step();
  }

  const NoGrad no_grad;
  model.eval();
  const NamedTensors fresh =
      data::Loader(Words(1 << 20), {.batch_size = 1000, .padding = {{"ids", 0}}}).next();
  const Tensor said = argmax(logits_of(fresh), -1);
  const double right = sum((said == fresh["language"]).to(Dtype::i64)).item();
  std::printf("right: %.3f\n", right / 1000);
  for (const char* word : {"sakurani", "waldernhof", "monterino"}) {
    const Tensor ids = unsqueeze(from_values(letters.encode(word)), 0);
    const auto language = static_cast<size_t>(argmax(model(ids), -1).item());
    std::printf("%s: %s\n", word, languages[language]);
  }
}
