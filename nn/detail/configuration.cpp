#include "rapt/nn/detail/configuration.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "rapt/autograd/error.h"
#include "rapt/autograd/function_ref.h"
#include "rapt/nn/detail/fields.h"
#include "rapt/nn/models/detail/kept_heads.h"

namespace rapt::nn::detail {

size_t Fields::enter(const char* name) {
  const size_t outer = prefix_.size();
  prefix_ += text(name, ".");
  return outer;
}
void Fields::leave(size_t outer) { prefix_.resize(outer); }

namespace {

constexpr const char* unset = "none";  // in a list

std::vector<std::string> words_of(const std::string& list) {
  std::istringstream stream(list);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

/// A word of the list that a value is.
int64_t integer_of(const std::string& name, const std::string& word) {
  return Values{{name, word}}.integer(name);
}

class Writer final : public Fields {
 public:
  Values values() && { return std::move(values_); }

 private:
  void visit(const char* name, bool& field) override { values_.set(full(name), field); }
  void visit(const char* name, int64_t& field) override { values_.set(full(name), field); }
  void visit(const char* name, double& field) override { values_.set(full(name), field); }
  void visit(const char* name, std::vector<std::optional<int64_t>>& field) override {
    std::string list;
    for (const auto& item : field) {
      list += (list.empty() ? "" : " ") + (item ? text(*item) : std::string(unset));
    }
    if (!list.empty()) values_.set(full(name), list);
  }
  void visit_choice(const char* name, size_t& field, std::span<const char* const> names) override {
    values_.set(full(name), names[field]);
  }
  bool is_set(const char*, bool is_there) override { return is_there; }

  Values values_;
};

/// Sets the fields whose values are there.
class Reader final : public Fields {
 public:
  explicit Reader(const Values& values) : values_(values) {}

  bool knows(const std::string& name) const {
    return std::ranges::find(known_, name) != known_.end();
  }

 private:
  bool is_set(const char* name, bool) override {
    known_.push_back(full(name));
    return values_.contains(known_.back());
  }
  void visit(const char* name, bool& field) override {
    if (is_set(name, true)) field = values_.boolean(full(name));
  }
  void visit(const char* name, int64_t& field) override {
    if (is_set(name, true)) field = values_.integer(full(name));
  }
  void visit(const char* name, double& field) override {
    if (is_set(name, true)) field = values_.number(full(name));
  }
  void visit(const char* name, std::vector<std::optional<int64_t>>& field) override {
    if (!is_set(name, true)) return;
    field.clear();
    for (const std::string& word : words_of(values_.text(full(name)))) {
      if (word == unset) {
        field.emplace_back(std::nullopt);
      } else {
        field.emplace_back(integer_of(full(name), word));
      }
    }
  }
  void visit_choice(const char* name, size_t& field, std::span<const char* const> names) override {
    if (!is_set(name, true)) return;
    const std::string& given = values_.text(full(name));
    const auto at = std::ranges::find(names, given);
    if (at == names.end()) {
      std::string known;
      for (const char* other : names) known += text(known.empty() ? "" : ", ", other);
      fail("values: wanted one of ", known, " as \"", full(name), "\"; got \"", given, "\"");
    }
    field = static_cast<size_t>(at - names.begin());
  }

  const Values& values_;
  std::vector<std::string> known_;
};

using Visit = FunctionRef<void(Fields&)>;

Values written(Visit visit) {
  Writer writer;
  visit(writer);
  return std::move(writer).values();
}

/// Of `all`, what is not as by default.
Values without(const Values& defaults, const Values& all) {
  Values out;
  for (const auto& [name, value] : all) {
    if (!defaults.contains(name) || defaults.text(name) != value) out.set(name, value);
  }
  return out;
}

void read(const char* model, const Values& configuration, Visit visit) {
  if (configuration.contains("model") && configuration.text("model") != model) {
    fail(model, ": wanted a configuration of its own kind; got that of ",
         configuration.text("model"));
  }
  Reader reader(configuration);
  try {
    visit(reader);
  } catch (const Error& error) {
    fail(model, ": in its configuration, ", error.what());
  }
  for (const auto& [name, value] : configuration) {
    if (name == "model" || is_of_kept_heads(name) || reader.knows(name)) continue;
    fail(model, ": wanted a configuration of names that are its options'; got \"", name, "\"");
  }
}

}  // namespace

template <class Options>
Values values_of(const Options& options) {
  Options copy = options, defaults;
  return without(written([&](Fields& f) { fields(f, defaults); }),
                 written([&](Fields& f) { fields(f, copy); }));
}

template <class Options>
Values values_of(const char* model, const Options& options) {
  Values out;
  out.set("model", model);
  out.set_all("", values_of(options));
  return out;
}

template <class Options>
Options options_of(const char* model, const Values& configuration) {
  Options options;
  read(model, configuration, [&](Fields& f) { fields(f, options); });
  return options;
}

std::string text_of(const std::vector<int64_t>& list) {
  std::string out;
  for (const int64_t item : list) out += (out.empty() ? "" : " ") + text(item);
  return out;
}

std::vector<int64_t> integers_of(const Values& values, const std::string& name) {
  std::vector<int64_t> list;
  for (const std::string& word : words_of(values.text(name))) {
    list.push_back(integer_of(name, word));
  }
  return list;
}

#define RAPT_OF_LAYER(Options) template Values values_of(const Options&);
#define RAPT_OF_MODEL(Options)                            \
  template Values values_of(const char*, const Options&); \
  template Options options_of(const char*, const Values&);
RAPT_OF_LAYER(MultiHeadAttentionOptions)
RAPT_OF_LAYER(RelativeBiasOptions)
RAPT_OF_LAYER(SelfAttentionOptions)
RAPT_OF_LAYER(FeedForwardOptions)
RAPT_OF_LAYER(TransformerBlockOptions)
RAPT_OF_LAYER(TransformerStackOptions)
RAPT_OF_LAYER(TokenEmbeddingOptions)
RAPT_OF_LAYER(RNNOptions)
RAPT_OF_LAYER(RecurrentDirection::Options)
RAPT_OF_MODEL(TransformerOptions)
RAPT_OF_MODEL(EncoderDecoderOptions)
RAPT_OF_MODEL(ClassifierOptions)
RAPT_OF_MODEL(TaggerOptions)
RAPT_OF_MODEL(RecurrentEncoderDecoderOptions)
#undef RAPT_OF_LAYER
#undef RAPT_OF_MODEL

}  // namespace rapt::nn::detail
