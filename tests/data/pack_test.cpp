#include "rapt/data/pack.h"

#include <vector>

#include <gtest/gtest.h>

#include "files.h"
#include "rapt/autograd/create.h"
#include "rapt/autograd/ops.h"
#include "rapt/data/loader.h"
#include "rapt/nn/models/decoder_only.h"

namespace rapt::data {
namespace {

using Integers = std::vector<int64_t>;

/// Tokens i + 1, one more of them than of the targets is not there; lengths as given.
class Listed : public Dataset {
 public:
  explicit Listed(Integers lengths) : lengths_(std::move(lengths)) {}
  int64_t size() const override { return std::ssize(lengths_); }
  NamedTensors get(int64_t index) const override {
    const int64_t length = lengths_[static_cast<size_t>(index)];
    const Tensor tokens = full({length}, static_cast<double>(index + 1), Dtype::i64);
    return {{"tokens", tokens}, {"targets", tokens}};
  }

 private:
  Integers lengths_;
};

TEST(Pack, PutsSequencesSideBySide) {
  const PackedDataset packed(Listed({2, 5, 3, 1}), {.context = 6});
  ASSERT_EQ(packed.size(), 2);  // 5 + 1, 3 + 2
  const NamedTensors first = packed.get(0), second = packed.get(1);
  EXPECT_EQ(first["tokens"].values<int64_t>(), (Integers{2, 2, 2, 2, 2, 4}));
  EXPECT_EQ(first["documents"].values<int64_t>(), (Integers{0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(first["positions"].values<int64_t>(), (Integers{0, 1, 2, 3, 4, 0}));
  EXPECT_EQ(second["tokens"].values<int64_t>(), (Integers{3, 3, 3, 1, 1, 0}));
  EXPECT_EQ(second["targets"].values<int64_t>(), (Integers{3, 3, 3, 1, 1, -100}));
  EXPECT_EQ(second["documents"].values<int64_t>(), (Integers{0, 0, 0, 1, 1, 2}));
  EXPECT_EQ(second["positions"].values<int64_t>(), (Integers{0, 1, 2, 0, 1, 0}));
}

TEST(Pack, HasEverySequenceOnceAndLeavesLittleRoom) {
  Integers lengths;
  int64_t all = 0;
  for (int64_t i = 0; i < 500; ++i) {
    lengths.push_back(1 + i * 7919 % 37);
    all += lengths.back();
  }
  const PackedDataset packed(Listed(lengths), {.context = 64});
  Integers found(500);
  for (int64_t row = 0; row < packed.size(); ++row) {
    for (const int64_t token : packed.get(row)["tokens"].values<int64_t>()) {
      if (token > 0) ++found[static_cast<size_t>(token - 1)];
    }
  }
  EXPECT_EQ(found, lengths);
  EXPECT_GT(static_cast<double>(all) / static_cast<double>(packed.size() * 64), 0.98);
}

// Each sequence of a row has the logits that it has alone.
TEST(Pack, AModelSeesEachSequenceAlone) {
  Rng rng(1);
  const nn::DecoderOnly model(
      nn::TransformerOptions{
          .vocabulary = 8,
          .context = 12,
          .width = 16,
          .layers = 2,
          .block = {.attention = {.heads = 2, .positions = nn::AttentionPositions::rotary()}},
          .positions = nn::Positions::none},
      rng);
  const NoGrad no_grad;
  const Listed dataset({4, 3, 5, 2, 6});
  Loader loader(PackedDataset(dataset, {.context = 12}), {.batch_size = 2, .shuffle = false});
  const NamedTensors batch = loader.next();
  const Tensor logits =
      model(batch["tokens"], {.mask = Mask::causal() & Mask::documents(batch["documents"])});
  const Integers tokens = batch["tokens"].values<int64_t>();
  ASSERT_EQ(batch["tokens"].shape(), (Shape{2, 12}));  // all of them
  int checked = 0;
  for (size_t i = 0; i < tokens.size();) {
    const int64_t example = tokens[i] - 1;
    if (example < 0) {  // filled up
      ++i;
      continue;
    }
    const Tensor alone = dataset.get(example)["tokens"];
    const Tensor wanted = model(unsqueeze(alone, 0))[0];
    const auto row = static_cast<int64_t>(i / 12), place = static_cast<int64_t>(i % 12);
    const Tensor found = slice(logits[row], 0, place, place + alone.size(0));
    EXPECT_TRUE(tests::close(found, wanted, 1e-5)) << example;
    i += static_cast<size_t>(alone.size(0));
    ++checked;
  }
  EXPECT_EQ(checked, 5);
}

/// One example.
class One : public Dataset {
 public:
  explicit One(NamedTensors example) : example_(std::move(example)) {}
  int64_t size() const override { return 1; }
  NamedTensors get(int64_t) const override { return example_; }

 private:
  NamedTensors example_;
};

TEST(Pack, RefusesWhatDoesNotFit) {
  const Tensor three = full({3}, 1, Dtype::i64), two = full({2}, 1, Dtype::i64);
  EXPECT_ERROR("at most context = 4 places; got example 1, of length 5",
               PackedDataset(Listed({2, 5}), {.context = 4}));
  EXPECT_ERROR("wanted a context of at least 1; got 0", PackedDataset(Listed({2}), {.context = 0}));
  EXPECT_ERROR("wanted tensors of one length, 3; got \"targets\" [2] in example 0",
               PackedDataset(One({{"tokens", three}, {"targets", two}})));
  EXPECT_ERROR("got \"label\" [] in example 0", PackedDataset(One({{"label", full({}, 1)}})));
  EXPECT_ERROR("without \"documents\"", PackedDataset(One({{"documents", three}})));
  EXPECT_ERROR("wanted a padding for \"tags\", which is i64",
               PackedDataset(One({{"tags", three}})).get(0));
  EXPECT_ERROR("an index from 0 to 0; got 1", PackedDataset(One({{"tokens", three}})).get(1));
}

}  // namespace
}  // namespace rapt::data
