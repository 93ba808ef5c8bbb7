#include "rapt/nn/module.h"

#include <algorithm>
#include <array>
#include <vector>

#include "rapt/autograd/assign.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/scope.h"
#include "rapt/nn/forward_hook.h"

namespace rapt::nn {
namespace {

thread_local int eval_modes = 0;

}  // namespace

struct Module::Registry {
  enum class Kind { parameter, buffer, stream, child };
  /// Exactly one of the three handles is set.
  struct Entry {
    std::string name;
    Kind kind;
    Tensor tensor;
    std::shared_ptr<Rng> stream;
    std::shared_ptr<Registry> child;
  };

  void add(Entry entry) {
    const bool is_named = !entry.child || !entry.child->is_part;
    if (is_named && entry.name.empty()) fail("Module: wanted a name; got an empty text");
    const Names taken = names();
    for (const std::string& name : is_named ? Names{entry.name} : entry.child->names()) {
      if (std::ranges::find(taken, name) != taken.end()) {
        fail("Module: the name ", name, " is already taken");
      }
    }
    entries.push_back(std::move(entry));
  }

  /// Of what is directly here; parts are.
  using Names = std::vector<std::string>;
  Names names() const {
    Names out;
    for (const Entry& entry : entries) {
      if (entry.child && entry.child->is_part) {
        const Names inner = entry.child->names();
        out.insert(out.end(), inner.begin(), inner.end());
      } else {
        out.push_back(entry.name);
      }
    }
    return out;
  }

  /// Calls f(dotted name, entry) for all entries but children, depth first.
  template <class F>
  void visit(const std::string& prefix, F&& f) const {
    for (const Entry& entry : entries) {
      if (entry.child) {
        entry.child->visit(entry.child->is_part ? prefix : prefix + entry.name + ".", f);
      } else {
        f(prefix + entry.name, entry);
      }
    }
  }

  /// Calls f(dotted name, registry) for this one, whose name is empty, and for all below.
  template <class F>
  void visit_layers(const std::string& name, F&& f) const {
    if (!is_part) f(name, *this);
    for (const Entry& entry : entries) {
      if (!entry.child) continue;
      const std::string_view dot = name.empty() || entry.child->is_part ? "" : ".";
      entry.child->visit_layers(text(name, dot, entry.name), f);
    }
  }

  /// What this one and those below say. Beneath one that covers them, only what has changed.
  void add_configuration(const std::string& prefix, bool is_covered, Values& out) const {
    if (!is_covered) out.set_all(prefix, settings);
    out.set_all(prefix, changes);
    for (const Entry& entry : entries) {
      if (!entry.child) continue;
      entry.child->add_configuration(entry.child->is_part ? prefix : prefix + entry.name + ".",
                                     is_covered || covers_layers, out);
    }
  }

  void set_training(bool on) {
    training = on;
    for (const Entry& entry : entries) {
      if (entry.child) entry.child->set_training(on);
    }
  }

  std::vector<Entry> entries;
  bool training = true;
  Values settings, changes;
  bool covers_layers = false;  // the settings tell of the layers below
  bool is_part = false;        // of the layer that has it, by whose name it goes
};

/// A layer that runs.
class Module::Running final : public Scope {
 public:
  explicit Running(const Registry& layer) : layer_(layer) {}
  std::string path() const override;

 private:
  const Registry& layer_;
};

/// From the outermost layer that runs and has this one.
std::string Module::Running::path() const {
  std::string found;
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer()) {
    const auto* const root = dynamic_cast<const Running*>(scope);
    if (root == nullptr) continue;
    bool here = false;
    root->layer_.visit_layers("", [&](const std::string& name, const Registry& layer) {
      if (!here && &layer == &layer_) found = name;
      here = here || &layer == &layer_;
    });
  }
  return found;
}

Tensor Module::call(const Tensor& x, FunctionRef<Tensor()> forward) const {
  if (registry_->is_part) return forward();
  const Running running(*registry_);
  Tensor y = forward();
  if (!ForwardHook::any()) return y;
  const Tensor other = ForwardHook::shown(registry_.get(), x, y);
  return other.defined() ? other : y;
}

Tensor Module::shown(const Tensor& value) const {
  return ForwardHook::any() ? ForwardHook::shown(registry_.get(), value, value) : Tensor();
}

EvalMode::EvalMode() { ++eval_modes; }
EvalMode::~EvalMode() { --eval_modes; }

namespace {

/// A list in which each handle stands once.
class Unique {
 public:
  void add(const std::string& name, const Tensor& tensor) {
    const bool is_there = std::any_of(
        list.begin(), list.end(), [&](const auto& other) { return other.second.same_as(tensor); });
    if (!is_there) list.add(name, tensor);
  }
  NamedTensors list;
};

/// The last part of a dotted name.
std::string_view field_of(std::string_view name) { return name.substr(name.rfind('.') + 1); }

/// Whether weights mean the same under any value of it.
bool is_free(std::string_view name) {
  constexpr std::array<std::string_view, 4> free = {"context", "dropout", "stddev", "recompute"};
  return std::ranges::find(free, field_of(name)) != free.end();
}

void check_configuration(const char* function, const Values& wanted, const Values& given) {
  if (given.empty()) return;  // of tensors that come from elsewhere
  std::string differences;
  const auto compare = [&](const std::string& name) {
    const bool is_here = wanted.contains(name), is_there = given.contains(name);
    // The name of a part's class is not known where the part is loaded by itself.
    if (is_free(name) || (field_of(name) == "model" && !(is_here && is_there))) return;
    const std::string here = is_here ? wanted.text(name) : "the default";
    const std::string there = is_there ? given.text(name) : "the default";
    if (here != there) differences += text("\n  ", name, ": wanted ", here, "; got ", there);
  };
  for (const auto& [name, value] : wanted) compare(name);
  for (const auto& [name, value] : given) {
    if (!wanted.contains(name)) compare(name);
  }
  if (differences.empty()) return;
  fail(function, ": these are weights of another configuration; nothing was loaded", differences);
}

}  // namespace

Module::Module() : registry_(std::make_shared<Registry>()) {}

NamedTensors Module::parameters() const {
  Unique found;
  registry_->visit("", [&](const std::string& name, const Registry::Entry& entry) {
    if (entry.kind == Registry::Kind::parameter) found.add(name, entry.tensor);
  });
  found.list.set_configuration(configuration());
  return std::move(found.list);
}

std::vector<std::string> Module::layer_paths() const {
  std::vector<std::string> paths;
  std::vector<const void*> seen = {registry_.get()};
  visit_layers([&](const std::string& path, const void* layer) {
    if (std::ranges::find(seen, layer) != seen.end()) return;
    seen.push_back(layer);
    paths.push_back(path);
  });
  return paths;
}

int64_t Module::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : parameters()) count += tensor.numel();
  return count;
}

NamedTensors Module::state() const {
  Unique found;
  registry_->visit("", [&](const std::string& name, const Registry::Entry& entry) {
    found.add(name, entry.stream ? entry.stream->state() : entry.tensor);
  });
  found.list.set_configuration(configuration());
  return std::move(found.list);
}

void Module::check_state(const NamedTensors& given) const {
  const NamedTensors target = state();
  check_configuration("load_state", target.configuration(), given.configuration());
  check_assign("load_state", target, given);
}

void Module::load_state(const NamedTensors& given) {
  check_state(given);
  const NamedTensors target = state();
  assign("load_state", target, given);
  // The state of a stream in `target` is a copy: hand it on.
  registry_->visit("", [&](const std::string& name, const Registry::Entry& entry) {
    if (entry.stream) entry.stream->set_state(target[name]);
  });
}

void Module::load_parameters(const NamedTensors& given) {
  const NamedTensors target = parameters();
  check_configuration("load_parameters", target.configuration(), given.configuration());
  assign("load_parameters", target, given);
}

Values Module::configuration() const {
  Values out;
  registry_->add_configuration("", false, out);
  return out;
}

void Module::configure(Values settings) { registry_->settings = std::move(settings); }

void Module::configure_with_layers(Values settings) {
  configure(std::move(settings));
  registry_->covers_layers = true;
}

void Module::reconfigure(std::string_view name, std::string_view value) {
  registry_->changes.set(name, value);
}

void Module::train(bool on) { registry_->set_training(on); }

bool Module::training() const { return registry_->training && eval_modes == 0; }

void Module::to(Dtype dtype) {
  if (!is_float(dtype)) fail("Module::to: wanted f32 or f64; got ", dtype);
  NoGrad no_grad;
  registry_->visit("", [&](const std::string&, const Registry::Entry& entry) {
    if (entry.stream || !is_float(entry.tensor.dtype()) || entry.tensor.dtype() == dtype) return;
    Tensor handle = entry.tensor;
    replace_elements(handle, handle.to(dtype));
  });
}

Tensor Module::parameter(std::string name, Tensor t) {
  if (!t.defined()) fail("Module: parameter ", name, " is no tensor");
  if (!is_float(t.dtype())) {
    fail("Module: wanted parameter ", name, " of f32 or f64; got ", t.dtype(), t.shape());
  }
  t.set_requires_grad();
  registry_->add({std::move(name), Registry::Kind::parameter, t, nullptr, nullptr});
  return t;
}

Tensor Module::buffer(std::string name, Tensor t) {
  if (!t.defined()) fail("Module: buffer ", name, " is no tensor");
  registry_->add({std::move(name), Registry::Kind::buffer, t, nullptr, nullptr});
  return t;
}

std::shared_ptr<Rng> Module::stream(std::string name, Rng rng) {
  auto shared = std::make_shared<Rng>(rng);
  registry_->add({std::move(name), Registry::Kind::stream, {}, shared, nullptr});
  return shared;
}

void Module::note_child(std::string name, const Module& layer) {
  registry_->add({std::move(name), Registry::Kind::child, {}, nullptr, layer.registry_});
}

void Module::note_part(const Module& layer) {
  layer.registry_->is_part = true;
  registry_->add({"", Registry::Kind::child, {}, nullptr, layer.registry_});
}

void Module::visit_layers(FunctionRef<void(const std::string&, const void*)> f) const {
  registry_->visit_layers("",
                          [&](const std::string& name, const Registry& layer) { f(name, &layer); });
}

}  // namespace rapt::nn
