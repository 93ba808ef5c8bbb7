// Module::configuration(): a model is built anew from it, and weights of another one are refused.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "../data/files.h"
#include "../support/declarations.h"
#include "../support/tensors.h"
#include "rapt/rapt.h"

namespace rapt::nn {
namespace {

using data::TemporaryFolder;
using tests::error_of;
using tests::same_bits;

// ---- every field
// ---------------------------------------------------------------------------------

std::string without_comments(const std::string& text) {
  return std::regex_replace(text, std::regex("//[^\n]*"), "");
}

/// The names of the fields of `struct name {...}`, in the text of its header.
std::set<std::string> fields_in(const std::string& header, const std::string& name) {
  const size_t begin = header.find("struct " + name + " {");
  if (begin == std::string::npos) return {};
  const std::string text = header.substr(begin, header.find("\n};", begin) - begin);
  // Each is followed by its default: " = ..." here, and ", name = ..." for those that share a type.
  std::set<std::string> names;
  const std::regex field("[ >](\\w+) = ");
  const std::regex declaration("\n  [A-Za-z][^;]*;");
  for (std::sregex_iterator d(text.begin(), text.end(), declaration), end; d != end; ++d) {
    const std::string line = d->str();
    if (line.find('(') != std::string::npos) continue;  // a function
    const std::string outside = std::regex_replace(line, std::regex("\\{.*\\}"), "{}");
    for (std::sregex_iterator f(outside.begin(), outside.end(), field); f != end; ++f) {
      names.insert((*f)[1].str());
    }
  }
  return names;
}

std::string all_headers() {
  std::string text;
  for (const char* folder : {"nn", "autograd"}) {
    const std::filesystem::path root = std::filesystem::path(RAPT_SOURCE_DIR) / folder;
    for (const auto& file : std::filesystem::recursive_directory_iterator(root)) {
      const std::string path = file.path().string();
      if (path.ends_with(".h") && !path.ends_with("fields.h")) text += tests::read_text(path);
    }
  }
  return without_comments(text);
}

// A field that is added to some options and forgotten in fields.h would be lost in silence.
TEST(Configuration, KnowsEveryField) {
  const std::string listed = tests::read_text(RAPT_SOURCE_DIR "/nn/detail/fields.h");
  const std::string headers = all_headers();
  const std::regex function("void fields\\(Fields& f, ([\\w:]+)& o\\) \\{([^}]*)\\}");
  size_t structs = 0;
  for (std::sregex_iterator it(listed.begin(), listed.end(), function), end; it != end; ++it) {
    const std::string name = (*it)[1].str(), body = (*it)[2].str();
    if (name == "RecurrentDirection::Options") continue;  // a name that others have, too
    std::set<std::string> known;
    const std::regex field("f\\(\"(\\w+)\", o\\.(\\w+)\\)");
    for (std::sregex_iterator f(body.begin(), body.end(), field); f != end; ++f) {
      EXPECT_EQ((*f)[1].str(), (*f)[2].str());
      known.insert((*f)[1].str());
    }
    std::set<std::string> declared = fields_in(headers, name);
    if (name == "RotaryOptions") {  // the place of a call
      EXPECT_EQ(declared.erase("offset") + declared.erase("positions"), 2u);
    }
    EXPECT_EQ(known, declared) << name;
    ++structs;
  }
  EXPECT_EQ(structs, 16u);
}

// ---- models
// --------------------------------------------------------------------------------------

TransformerOptions small(TransformerOptions o = {}) {
  o.vocabulary = 11;
  o.context = 12;
  o.width = 16;
  if (o.block.attention.heads == 0) o.block.attention.heads = 4;
  return o;
}

/// Each with one thing that is not as by default.
std::vector<TransformerOptions> variants() {
  std::vector<TransformerOptions> all;
  const auto add = [&](auto change) {
    TransformerOptions o = small();
    change(o);
    all.push_back(o);
  };
  const auto attention = [&](auto change) {
    add([&](TransformerOptions& o) { change(o.block.attention); });
  };
  add([](auto&) {});
  add([](auto& o) { o.layers = 3; });
  attention([](auto& a) { a.heads = 2; });
  attention([](auto& a) { a.key_value_heads = 2; });
  attention([](auto& a) { a.head_width = 6; });
  attention([](auto& a) { a.bias = false; });
  for (const ScoreKind score :
       {ScoreKind::dot, ScoreKind::bilinear, ScoreKind::additive, ScoreKind::cosine}) {
    attention([&](auto& a) { a.score = score; });
  }
  attention([](auto& a) { a.soft_cap = 3.1; });
  attention([](auto& a) { a.query_key_norm = NormKind::rms; });
  attention([](auto& a) { a.query_key_norm = NormKind::layer; });
  for (const AttentionPositions& where :
       {AttentionPositions::rotary(), AttentionPositions::rotary({.base = 1e6}),
        AttentionPositions::rotary({.pairs = RotaryPairs::halves}),
        AttentionPositions::rotary({.width = 2}), AttentionPositions::rotary({.scale = 0.3}),
        AttentionPositions::rotary({.ntk_factor = 1.7}), AttentionPositions::alibi(),
        AttentionPositions::relative_bias(8, 20), AttentionPositions::relative_bias(8, 21),
        AttentionPositions::relative_keys(3)}) {
    attention([&](auto& a) { a.positions = where; });
  }
  attention([](auto& a) { a.window = 2; });
  attention([](auto& a) { a.sink = true; });
  attention([](auto& a) { a.gate = true; });
  attention([](auto& a) { a.value_residual = true; });
  for (const Activation f : {Activation::relu, Activation::gelu, Activation::silu,
                             Activation::relu_squared, Activation::sigmoid, Activation::identity}) {
    add([&](auto& o) { o.block.feed_forward.activation = f; });
  }
  add([](auto& o) { o.block.feed_forward.hidden = 20; });
  add([](auto& o) { o.block.feed_forward.gated = true; });
  add([](auto& o) { o.block.feed_forward.bias = false; });
  add([](auto& o) { o.block.norm = NormKind::rms; });
  add([](auto& o) { o.block.pre_norm = false; });
  add([](auto& o) { o.positions = Positions::sinusoidal; });
  add([](auto& o) { o.positions = Positions::none; });
  add([](auto& o) { o.windows = {1, std::nullopt}; });
  add([](auto& o) { o.final_norm = false; });
  return all;
}

/// What weights do not depend on.
std::vector<TransformerOptions> free_variants() {
  std::vector<TransformerOptions> all(5, small());
  all[0].dropout = 0.25;
  all[1].block.attention.dropout = 0.5;
  all[2].stddev = 0.1;
  all[3].recompute = true;
  all[4].block.dropout = 0.125;
  return all;
}

/// Built anew from the configuration that goes with its weights, through both kinds of files.
template <class Model>
void expect_built_anew(const Model& model, FunctionRef<Tensor(const Model&)> run) {
  Rng rng(3);
  const TemporaryFolder folder;
  const EvalMode eval_mode;
  data::save_checkpoint(folder / "m", {.tensors = model.state(), .values = {{"step", "5"}}});
  const data::Checkpoint saved = data::load_checkpoint(folder / "m");
  EXPECT_EQ(saved.values, (Values{{"step", "5"}}));
  Model one(saved.tensors.configuration(), rng);
  one.load_state(saved.tensors);
  EXPECT_EQ(one.configuration(), model.configuration());
  EXPECT_TRUE(same_bits(run(one), run(model)));

  NamedTensors inside;
  inside.add_all("model.", model.parameters());
  data::save_safetensors(folder / "s", inside, {{"about", "it"}});
  Values metadata;
  const NamedTensors loaded = data::load_safetensors(folder / "s", &metadata);
  EXPECT_EQ(metadata, (Values{{"about", "it"}}));
  const NamedTensors weights = loaded.with_prefix("model.");
  Model other(weights.configuration(), rng);
  other.load_parameters(weights);
  EXPECT_TRUE(same_bits(run(other), run(model)));
}

TEST(Configuration, ModelsAreBuiltAnewFromIt) {
  Rng rng(1);
  const Tensor ids = rng.integers(0, 11, {2, 9});
  std::vector<TransformerOptions> all = variants();
  for (const TransformerOptions& o : free_variants()) all.push_back(o);
  for (const TransformerOptions& o : all) {
    const DecoderOnly model(o, rng);
    SCOPED_TRACE(testing::PrintToString(model.configuration()));
    expect_built_anew<DecoderOnly>(model, [&](const DecoderOnly& m) { return m(ids); });
  }
  TransformerOptions tied = small();
  tied.tie_weights = true;
  expect_built_anew<DecoderOnly>(DecoderOnly(tied, rng),
                                 [&](const DecoderOnly& m) { return m(ids); });
  expect_built_anew<Encoder>(Encoder(small(), rng), [&](const Encoder& m) { return m(ids); });
  for (const PoolingKind pooling :
       {PoolingKind::first, PoolingKind::mean, PoolingKind::max, PoolingKind::attention}) {
    expect_built_anew<Classifier>(
        Classifier({.encoder = small(), .classes = 3, .pooling = pooling}, rng),
        [&](const Classifier& m) { return m(ids); });
  }
  expect_built_anew<Tagger>(Tagger({.encoder = small(), .tags = 3}, rng),
                            [&](const Tagger& m) { return m(ids); });
  EncoderDecoderOptions pair{
      .source = {11, 12}, .target = {11, 12}, .width = 16, .decoder_layers = 1};
  for (const bool shares : {false, true}) {
    pair.share_embeddings = shares;
    pair.tie_weights = shares;
    expect_built_anew<EncoderDecoder>(EncoderDecoder(pair, rng),
                                      [&](const EncoderDecoder& m) { return m(ids, ids); });
  }
  for (const RecurrentKind cell : {RecurrentKind::gru, RecurrentKind::lstm}) {
    expect_built_anew<RecurrentEncoderDecoder>(
        RecurrentEncoderDecoder(
            {.source_vocabulary = 11, .target_vocabulary = 11, .width = 8, .cell = cell}, rng),
        [&](const RecurrentEncoderDecoder& m) { return m(ids, ids); });
  }
}

// What a 0 and what is unset stand for is the same as saying it.
TEST(Configuration, IsTheSameHoweverItWasSaid) {
  Rng rng(2);
  TransformerOptions o = small();
  const DecoderOnly silent(o, rng);
  const DecoderOnly explicit_one(silent.options(), rng);
  EXPECT_EQ(explicit_one.configuration(), silent.configuration());
  o.block.attention.key_value_heads = 4;
  o.block.feed_forward.hidden = 64;
  o.positions = Positions::learned;
  o.final_norm = true;
  EXPECT_EQ(DecoderOnly(o, rng).configuration(), silent.configuration());
}

TEST(Configuration, WeightsOfAnotherAreRefused) {
  Rng rng(4);
  std::vector<DecoderOnly> models;
  for (const TransformerOptions& o : variants()) models.emplace_back(o, rng);
  for (size_t i = 0; i < models.size(); ++i) {
    for (size_t j = 0; j < models.size(); ++j) {
      if (i == j) continue;
      const std::string error =
          error_of([&] { models[i].load_parameters(models[j].parameters()); });
      EXPECT_TRUE(
          error.starts_with("load_parameters: these are weights of another configuration; "
                            "nothing was loaded\n  "))
          << i << " " << j << " " << error;
    }
  }
  for (const TransformerOptions& o : free_variants()) {
    DecoderOnly model(o, rng);
    model.load_state(models[0].state());
    models[0].load_state(model.state());
  }
}

// faults.md: the shapes agree, the outputs do not.
TEST(Configuration, SaysWhatDiffers) {
  Rng rng(5);
  const DecoderOnly rotary(
      small({.block = {.attention = {.heads = 4, .positions = AttentionPositions::rotary()}}}),
      rng);
  DecoderOnly sinusoidal(
      small({.block = {.attention = {.heads = 2}}, .positions = Positions::sinusoidal}), rng);
  const Tensor ids = rng.integers(0, 11, {1, 5}), before = sinusoidal(ids);
  EXPECT_EQ(error_of([&] { sinusoidal.load_parameters(rotary.parameters()); }),
            "load_parameters: these are weights of another configuration; nothing was loaded\n"
            "  block.attention.heads: wanted 2; got the default\n"
            "  block.attention.key_value_heads: wanted 2; got 4\n"
            "  block.attention.head_width: wanted 8; got 4\n"
            "  positions: wanted sinusoidal; got none\n"
            "  block.attention.positions.kind: wanted the default; got rotary");
  EXPECT_TRUE(same_bits(sinusoidal(ids), before));
  // Weights of elsewhere say nothing of it, and whoever knows better can make these such.
  NamedTensors weights = rotary.parameters();
  weights.set_configuration({});
  sinusoidal.load_parameters(weights);
  EXPECT_FALSE(same_bits(sinusoidal(ids), before));
}

// ---- layers
// --------------------------------------------------------------------------------------

/// A model of the user's.
class Mine : public Module {
 public:
  Mine(const MultiHeadAttentionOptions& options, double eps, Rng& rng)
      : attention(child("attention", MultiHeadAttention(options, rng))),
        norm(child("norm", LayerNorm(8, eps))) {}
  MultiHeadAttention attention;
  LayerNorm norm;
};

class Scaled : public Module {
 public:
  Scaled(double scale, Rng& rng) : map(child("map", Linear(3, 3, rng))) {
    Values settings;
    settings.set("scale", scale);
    configure(settings);
  }
  Linear map;
};

TEST(Configuration, OfAUsersModelIsThatOfItsLayers) {
  Rng rng(6);
  Mine mine({.width = 8, .heads = 2}, 1e-5, rng);
  EXPECT_EQ(mine.configuration().text("attention.heads"), "2");
  for (const MultiHeadAttentionOptions& other :
       {MultiHeadAttentionOptions{.width = 8, .heads = 4},
        MultiHeadAttentionOptions{.width = 8, .heads = 2, .window = 3}}) {
    Mine theirs(other, 1e-5, rng);
    EXPECT_NE(error_of([&] { theirs.load_state(mine.state()); }).find("another configuration"),
              std::string::npos);
  }
  Mine fine({.width = 8, .heads = 2}, 1e-3, rng);
  EXPECT_EQ(error_of([&] { fine.load_state(mine.state()); }),
            "load_state: these are weights of another configuration; nothing was loaded\n"
            "  norm.eps: wanted 0.001; got 1e-05");
  // What a layer says of itself does not hide what those below say.
  class Wrapped : public Module {
   public:
    Wrapped(int64_t heads, Rng& rng)
        : inner(child("inner", Mine({.width = 8, .heads = heads}, 1e-5, rng))) {
      configure({{"scale", "2"}});
    }
    Mine inner;
  };
  Wrapped two_heads(2, rng), four_heads(4, rng);
  EXPECT_NE(error_of([&] {
              two_heads.load_state(four_heads.state());
            }).find("inner.attention.heads: wanted 2; got 4"),
            std::string::npos);
  Scaled one(2, rng), half(0.5, rng), also_half(0.5, rng);
  EXPECT_EQ(error_of([&] { one.load_state(half.state()); }),
            "load_state: these are weights of another configuration; nothing was loaded\n"
            "  scale: wanted 2; got 0.5");
  also_half.load_state(half.state());
}

// The weights of a part go into another model that has the same part, and the other way.
TEST(Configuration, GoesWithThePartsOfAModel) {
  Rng rng(7);
  Classifier classifier({.encoder = small(), .classes = 3}, rng);
  Encoder encoder(small(), rng), other(small({.block = {.attention = {.heads = 2}}}), rng);
  encoder.load_parameters(classifier.parameters().with_prefix("encoder."));
  classifier.encoder.load_parameters(encoder.parameters());
  EXPECT_NE(error_of([&] {
              other.load_parameters(classifier.parameters().with_prefix("encoder."));
            }).find("block.attention.heads: wanted 2; got the default"),
            std::string::npos);
}

TEST(Configuration, OfRecurrentLayers) {
  Rng rng(8);
  RNN one({.input = 3, .hidden = 4}, rng);
  RNN other({.input = 3, .hidden = 4, .nonlinearity = RnnNonlinearity::relu}, rng);
  EXPECT_EQ(error_of([&] { one.load_state(other.state()); }),
            "load_state: these are weights of another configuration; nothing was loaded\n"
            "  nonlinearity: wanted the default; got relu");
}

TEST(Configuration, ErrorsSayWhatWasWanted) {
  Rng rng(9);
  const Values good = DecoderOnly(small(), rng).configuration();
  const auto with = [&](const char* name, const char* value) {
    Values values = good;
    values.set(name, value);
    return error_of([&] { DecoderOnly(values, rng); });
  };
  EXPECT_EQ(with("width", "16"), "");
  EXPECT_EQ(with("widht", "16"),
            "DecoderOnly: wanted a configuration of names that are its options'; got \"widht\"");
  EXPECT_EQ(with("layers", "two"),
            "DecoderOnly: in its configuration, values: wanted an integer as \"layers\"; got "
            "\"two\"");
  EXPECT_EQ(with("block.norm", "batch"),
            "DecoderOnly: in its configuration, values: wanted one of layer, rms as "
            "\"block.norm\"; got \"batch\"");
  EXPECT_EQ(with("windows", "4 all"),
            "DecoderOnly: in its configuration, values: wanted an integer as \"windows\"; got "
            "\"all\"");
  EXPECT_EQ(with("blocks.2.attention.kept_heads", "0"),
            "DecoderOnly: wanted heads of a layer that it has; got "
            "\"blocks.2.attention.kept_heads\"");
  EXPECT_EQ(with("blocks.1.attention.kept_heads", "0 4"),
            "DecoderOnly: in its configuration, \"blocks.1.attention.kept_heads\": keep_heads: "
            "wanted some of the heads 0 to 3, each once");
  EXPECT_EQ(error_of([&] { Encoder(good, rng); }),
            "Encoder: wanted a configuration of its own kind; got that of DecoderOnly");
  EXPECT_EQ(error_of([&] { DecoderOnly(Values(), rng); }),
            "TokenEmbedding: wanted vocabulary >= 1; got 0");
  // The names are kept for it in files.
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] {
              data::save_checkpoint(folder / "c", {{}, {{"rapt.configuration.a", "b"}}});
            }),
            "save_checkpoint: wanted values whose names do not begin with rapt.configuration.; "
            "got \"rapt.configuration.a\"");
}

}  // namespace
}  // namespace rapt::nn
