#include "rapt/nn/detail/configuration.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "rapt/autograd/error.h"
#include "rapt/nn/detail/fields.h"
#include "rapt/nn/models/detail/kept_heads.h"

namespace rapt::nn::detail {
namespace {

template <class T>
concept Choice = std::is_enum_v<T>;

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

/// Writes each field that it is called with.
class Writer {
 public:
  void operator()(const char* name, bool field) { values_.set(text(prefix_, name), field); }
  void operator()(const char* name, int64_t field) { values_.set(text(prefix_, name), field); }
  void operator()(const char* name, double field) { values_.set(text(prefix_, name), field); }
  template <Choice T>
  void operator()(const char* name, T field) {
    values_.set(text(prefix_, name), names_of(field)[static_cast<size_t>(field)]);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& field) {
    if (field) (*this)(name, *field);
  }
  void operator()(const char* name, std::vector<std::optional<int64_t>>& field) {
    std::string list;
    for (const auto& item : field) {
      list += (list.empty() ? "" : " ") + (item ? text(*item) : std::string(unset));
    }
    if (!list.empty()) values_.set(text(prefix_, name), list);
  }
  template <class Options>
  requires std::is_class_v<Options>
  void operator()(const char* name, Options& field) {
    const std::string outer = prefix_;
    prefix_ += text(name, ".");
    fields(*this, field);
    prefix_ = outer;
  }

  Values values() && { return std::move(values_); }

 private:
  std::string prefix_;
  Values values_;
};

/// Reads each field that it is called with, if its value is there.
class Reader {
 public:
  explicit Reader(const Values& values) : values_(values) {}

  void operator()(const char* name, bool& field) {
    if (takes(name)) field = values_.boolean(full(name));
  }
  void operator()(const char* name, int64_t& field) {
    if (takes(name)) field = values_.integer(full(name));
  }
  void operator()(const char* name, double& field) {
    if (takes(name)) field = values_.number(full(name));
  }
  template <Choice T>
  void operator()(const char* name, T& field) {
    if (takes(name)) field = choice_of<T>(name);
  }
  template <class T>
  void operator()(const char* name, std::optional<T>& field) {
    if (takes(name)) (*this)(name, field.emplace());
  }
  void operator()(const char* name, std::vector<std::optional<int64_t>>& field) {
    if (takes(name)) field = list_of(name);
  }
  template <class Options>
  requires std::is_class_v<Options>
  void operator()(const char* name, Options& field) {
    const std::string outer = prefix_;
    prefix_ += text(name, ".");
    fields(*this, field);
    prefix_ = outer;
  }

  bool has_taken(const std::string& name) const {
    return std::ranges::find(taken_, name) != taken_.end();
  }

 private:
  std::string full(const char* name) const { return prefix_ + name; }
  bool takes(const char* name) {
    taken_.push_back(full(name));
    return values_.contains(full(name));
  }

  template <class T>
  T choice_of(const char* name) const {
    constexpr auto names = names_of(T{});
    const std::string& given = values_.text(full(name));
    const auto at = std::ranges::find(names, given);
    if (at != names.end()) return static_cast<T>(at - names.begin());
    std::string known;
    for (const char* other : names) known += text(known.empty() ? "" : ", ", other);
    fail("values: wanted one of ", known, " as \"", full(name), "\"; got \"", given, "\"");
  }

  std::vector<std::optional<int64_t>> list_of(const char* name) const {
    std::vector<std::optional<int64_t>> list;
    for (const std::string& item : words_of(values_.text(full(name)))) {
      if (item == unset) {
        list.push_back(std::nullopt);
      } else {
        list.push_back(integer_of(full(name), item));
      }
    }
    return list;
  }

  const Values& values_;
  std::string prefix_;
  std::vector<std::string> taken_;
};

template <class Options>
Values written(Options options) {
  Writer writer;
  fields(writer, options);
  return std::move(writer).values();
}

}  // namespace

template <class Options>
Values values_of(const Options& options) {
  const Values defaults = written(Options());
  Values out;
  for (const auto& [name, value] : written(options)) {
    if (!defaults.contains(name) || defaults.text(name) != value) out.set(name, value);
  }
  return out;
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
  if (configuration.contains("model") && configuration.text("model") != model) {
    fail(model, ": wanted a configuration of its own kind; got that of ",
         configuration.text("model"));
  }
  Options options;
  Reader reader(configuration);
  try {
    fields(reader, options);
  } catch (const Error& error) {
    fail(model, ": in its configuration, ", error.what());
  }
  for (const auto& [name, value] : configuration) {
    if (name == "model" || is_of_kept_heads(name) || reader.has_taken(name)) continue;
    fail(model, ": wanted a configuration of names that are its options'; got \"", name, "\"");
  }
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
RAPT_OF_LAYER(PoolingSettings)
RAPT_OF_LAYER(RecurrentDirection::Options)
RAPT_OF_MODEL(TransformerOptions)
RAPT_OF_MODEL(EncoderDecoderOptions)
RAPT_OF_MODEL(ClassifierOptions)
RAPT_OF_MODEL(TaggerOptions)
RAPT_OF_MODEL(RNNOptions)
RAPT_OF_MODEL(RecurrentEncoderDecoderOptions)
#undef RAPT_OF_LAYER
#undef RAPT_OF_MODEL

}  // namespace rapt::nn::detail
