#include "rapt/training/state.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>

#include "rapt/autograd/error.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/record.h"
#include "rapt/data/numbered.h"
#include "rapt/training/detail/differences.h"
#include "rapt/training/detail/held_folder.h"

namespace rapt::training {
namespace {

std::string path_of_best(const std::string& folder) {
  return (std::filesystem::path(folder) / "best.rapt").string();
}

// Where the parts' names stand in a checkpoint, joined by blanks.
constexpr const char* parts_value = "parts";

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// Of a checkpoint of State; of another, such as 0.1's program wrote, what stands before the first
/// dot of a tensor's name.
std::vector<std::string> parts_in(const data::Checkpoint& checkpoint) {
  if (checkpoint.values.contains(parts_value)) {
    return words_of(checkpoint.values.text(parts_value));
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const std::string part = name.substr(0, name.find('.'));
    if (!contains(names, part)) names.push_back(part);
  }
  return names;
}

data::Checkpoint part_of(const data::Checkpoint& whole, const std::string& name) {
  return {whole.tensors.with_prefix(name + "."), whole.values.with_prefix(name + ".")};
}

bool is_finite(const Tensor& t) {
  return t.numel() == 0 || std::isfinite(max(abs(t.detach())).item());
}

}  // namespace

// ---- parts that are no modules -----------------------------------------------------------------

data::Checkpoint State::Generator::saved() const { return {{{"state", rng.state()}}, {}}; }

void State::Generator::check(const data::Checkpoint& saved) const {
  Rng(0).set_state(saved.tensors["state"]);
}

void State::Generator::load(const data::Checkpoint& saved) {
  rng.set_state(saved.tensors["state"]);
}

data::Checkpoint State::Plateau::saved() const { return {{}, plateau.state()}; }

void State::Plateau::check(const data::Checkpoint& saved) const {
  optim::ReduceOnPlateau(plateau).load_state(saved.values);
}

void State::Plateau::load(const data::Checkpoint& saved) { plateau.load_state(saved.values); }

State::Fixed::Fixed(const Values& of) : values(of) {}

data::Checkpoint State::Fixed::saved() const { return {{}, values}; }

void State::Fixed::check(const data::Checkpoint& saved) const {
  const std::string differences = detail::differences(saved.values, values);
  if (!differences.empty()) fail("other settings than the run had:", differences);
}

void State::fail_range(const char* wanted) {
  fail("a whole number is out of range: wanted ", wanted);
}

// ---- the whole ---------------------------------------------------------------------------------

State::State(std::string folder, const StateOptions& options)
    : folder_(std::move(folder)), options_(options) {
  if (folder_.empty()) fail("State: wanted the path of a folder; got \"\"");
  if (options.keep < 1) {
    fail("State: wanted to keep at least 1 checkpoint; got keep = ", options.keep);
  }
}

State::~State() {
  for (const Named& one : parts_) delete one.part;
  delete held_;
}

void State::add_part(std::string name, Part* given) {
  std::unique_ptr<Part> part(given);
  if (is_open_) {
    fail("State::add: ", name, " comes after resume() or save(), which need to know all parts");
  }
  if (name.empty() || name.find_first_of(". ") != std::string::npos) {
    fail("State::add: wanted a name without dots and blanks; got \"", name, "\"");
  }
  for (const Named& other : parts_) {
    if (other.name == name) fail("State::add: the name ", name, " is already taken");
  }
  parts_.push_back({std::move(name), part.get()});
  static_cast<void>(part.release());
}

std::optional<std::string> State::name_of(const void* address) const {
  for (const Named& one : parts_) {
    if (one.part->address() == address) return one.name;
  }
  return std::nullopt;
}

void State::remove(const void* address) {
  std::erase_if(parts_, [&](const Named& one) {
    if (one.part->address() != address) return false;
    delete one.part;
    return true;
  });
}

void State::open_folder(const char* function) {
  if (!held_) held_ = new HeldFolder(function, folder_);
  if (!held_->is_there()) {
    fail(function, ": the folder ", folder_, " was removed or moved while the run was at work");
  }
}

void State::prepare_to_save(const char* function) {
  if (parts_.empty()) fail(function, ": wanted parts, by add(); got none");
  check_weights(function);
  open_folder(function);  // from here on, nobody else writes there
  const auto holds_run = [&] {
    std::error_code ignored;
    return data::latest_checkpoint(folder_) ||
           std::filesystem::exists(path_of_best(folder_), ignored);
  };
  if (!is_ours_ && holds_run()) {
    fail(function, ": ", folder_,
         " holds a run already: resume() it first, or choose another folder");
  }
  is_open_ = is_ours_ = true;
}

bool State::resume(const ResumeOptions& options) {
  if (!data::latest_checkpoint(folder_)) {
    is_open_ = true;
    return false;
  }
  open_folder("State::resume");
  try {
    load(data::load_latest(folder_), options);
  } catch (const Error& error) {
    fail("State::resume: ", data::latest_checkpoint(folder_)->path, ": ", error.what());
  }
  is_open_ = is_ours_ = true;
  is_changed_ = !options.without.empty();
  return true;
}

void State::load(const data::Checkpoint& checkpoint, const ResumeOptions& options) {
  const std::vector<std::string> saved = parts_in(checkpoint);
  std::vector<std::string> here, forgotten, foreign;
  for (const Named& one : parts_) here.push_back(one.name);
  for (const std::string& name : options.without) {
    if (contains(here, name) || contains(saved, name)) continue;
    fail("without ", name, ": there is no such part, here or in the checkpoint");
  }
  for (const std::string& name : saved) {
    if (!contains(here, name) && !contains(options.without, name)) forgotten.push_back(name);
  }
  for (const std::string& name : here) {
    if (!contains(saved, name) && !contains(options.without, name)) foreign.push_back(name);
  }
  if (!forgotten.empty() || !foreign.empty()) {
    std::string problems;
    if (!forgotten.empty()) problems += "\n  saved, and not added here: " + listed(forgotten);
    if (!foreign.empty()) problems += "\n  added here, and not saved: " + listed(foreign);
    fail("the run has other parts; nothing was loaded", problems,
         "\nadd what is missing, or resume({.without = {...}})");
  }
  const Values& values = checkpoint.values;
  const int64_t step = values.integer("step");
  if (step < 0) fail("wanted a step of at least 0; got ", step);
  const int64_t since_best = values.contains("since_best") ? values.integer("since_best") : 0;
  if (values.contains("larger_is_better") &&
      values.boolean("larger_is_better") != options_.larger_is_better) {
    fail("larger_is_better was ", values.text("larger_is_better"), " and is the opposite here");
  }

  const auto taken = [&](const Named& one) { return !contains(options.without, one.name); };
  for (const Named& one : parts_) {
    if (!taken(one)) continue;
    try {
      one.part->check(part_of(checkpoint, one.name));
    } catch (const Error& error) {
      fail(one.name, ": ", error.what());
    }
  }
  for (const Named& one : parts_) {
    if (taken(one)) one.part->load(part_of(checkpoint, one.name));
  }
  step_ = step;
  since_best_ = since_best;
  best_.reset();
  take_best(values);
  try {  // it may be of a later step
    take_best(data::load_checkpoint(path_of_best(folder_)).values);
  } catch (const Error&) {  // there is none, or it is good for nothing
  }
}

void State::take_best(const Values& values) {
  if (!values.contains("best") || !values.contains("larger_is_better")) return;
  if (values.boolean("larger_is_better") != options_.larger_is_better) return;
  if (is_better(values.number("best"))) best_ = values.number("best");
}

bool State::is_better(double metric) const {
  if (std::isnan(metric)) return false;
  return !best_ || (options_.larger_is_better ? metric > *best_ : metric < *best_);
}

data::Checkpoint State::checkpoint() const {
  data::Checkpoint out;
  std::string names;
  for (const Named& one : parts_) {
    const data::Checkpoint part = one.part->saved();
    out.tensors.add_all(one.name + ".", part.tensors);
    out.values.set_all(one.name + ".", part.values);
    names += (names.empty() ? "" : " ") + one.name;
  }
  out.values.set("step", step_);
  out.values.set(parts_value, names);
  if (best_) {
    out.values.set("best", *best_);
    out.values.set("since_best", since_best_);
    out.values.set("larger_is_better", options_.larger_is_better);
  }
  return out;
}

void State::check_weights(const char* function) const {
  const NoGrad no_grad;
  std::vector<Tensor> of_modules;
  for (const Named& one : parts_) {
    for (const auto& [name, weight] : one.part->weights()) {
      of_modules.push_back(weight);
      if (is_finite(weight)) continue;
      fail(function, ": ", one.name, ".", name, " is not finite any more: the run at step ", step_,
           " is not saved, and ", folder_, " is as it was");
    }
  }
  for (const Named& one : parts_) {
    for (const auto& [name, weight] : one.part->trained()) {
      const auto same = [&one_trained = weight](const Tensor& other) {
        return other.same_as(one_trained);
      };
      if (std::ranges::any_of(of_modules, same)) continue;
      fail(function, ": ", one.name, " trains ", name,
           ", which is in no module that was added: it would be lost");
    }
  }
}

std::string State::save() {
  prepare_to_save("State::save");
  return write();
}

std::string State::write() const {
  return data::save_numbered(folder_, step_, checkpoint(), options_.keep);
}

bool State::best(double metric) {
  prepare_to_save("State::best");
  return take_metric(metric);
}

bool State::take_metric(double metric) {
  if (!is_better(metric)) {
    ++since_best_;
    return false;
  }
  const std::optional<double> before = std::exchange(best_, metric);
  const int64_t since = std::exchange(since_best_, 0);
  try {
    data::save_checkpoint(path_of_best(folder_), checkpoint());
  } catch (...) {
    best_ = before, since_best_ = since;
    throw;
  }
  return true;
}

}  // namespace rapt::training
