// What a schedule is made of, by name: to check it, to write it and to read it.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include "rapt/autograd/error.h"
#include "rapt/optim/schedule.h"

namespace rapt::optim {
namespace {

/// In the order of Schedule::Kind.
constexpr std::array<std::string_view, 11> kinds = {
    "constant", "linear",     "polynomial", "cosine",       "cosine_restarts",    "exponential",
    "step",     "multi_step", "one_cycle",  "inverse_sqrt", "warmup_stable_decay"};

std::string joined(const std::vector<int64_t>& numbers) {
  std::string all;
  for (const int64_t number : numbers) all += (all.empty() ? "" : ",") + std::to_string(number);
  return all;
}

void write(Values& values, const char* name, double number) { values.set(name, number); }
void write(Values& values, const char* name, int64_t number) { values.set(name, number); }
void write(Values& values, const char* name, const std::vector<int64_t>& numbers) {
  values.set(name, joined(numbers));
}

void read(const Values& values, const char* name, double& number) { number = values.number(name); }
void read(const Values& values, const char* name, int64_t& number) {
  number = values.integer(name);
}
void read(const Values& values, const char* name, std::vector<int64_t>& numbers) {
  const std::string& all = values.text(name);
  numbers.clear();
  for (const char *at = all.data(), *end = at + all.size(); at < end;) {
    const auto [behind, error] = std::from_chars(at, end, numbers.emplace_back());
    if (error != std::errc() || (behind < end && *behind != ',')) {
      fail("Schedule::from: wanted ", name, " as integers with commas between them; got \"", all,
           "\"");
    }
    at = behind + 1;
  }
}

}  // namespace

/// f(name, setting) for each that the kind has.
template <class F>
void Schedule::for_each_setting(Part& p, F f) {
  f("lr", p.lr);
  if (p.kind != Kind::one_cycle) f("warmup", p.warmup);
  switch (p.kind) {
    case Kind::constant:
    case Kind::inverse_sqrt:
      return;
    case Kind::linear:
    case Kind::cosine:
      f("total", p.total);
      f("end", p.end);
      return;
    case Kind::polynomial:
      f("total", p.total);
      f("end", p.end);
      f("power", p.power);
      return;
    case Kind::cosine_restarts:
      f("period", p.period);
      f("growth", p.growth);
      f("end", p.end);
      return;
    case Kind::exponential:
      f("factor", p.factor);
      return;
    case Kind::step:
      f("every", p.every);
      f("factor", p.factor);
      return;
    case Kind::multi_step:
      f("at", p.at);
      f("factor", p.factor);
      return;
    case Kind::one_cycle:
      f("total", p.total);
      f("rising", p.rising);
      f("start_factor", p.start_factor);
      f("end_factor", p.end_factor);
      return;
    case Kind::warmup_stable_decay:
      f("total", p.total);
      f("decay", p.decay);
      f("end", p.end);
      return;
  }
}

void Schedule::check(const Part& p) {
  const std::string_view kind = kinds[static_cast<size_t>(p.kind)];
  const auto want = [&](bool holds, const char* wanted, auto... got) {
    if (!holds) fail("Schedule::", kind, ": wanted ", wanted, "; got ", got...);
  };
  const auto is_rate = [](double x) { return x >= 0 && std::isfinite(x); };
  want(is_rate(p.lr), "a finite lr >= 0", p.lr);
  want(is_rate(p.end), "a finite end >= 0", p.end);
  want(p.warmup >= 0, "warmup >= 0", p.warmup);
  switch (p.kind) {
    case Kind::constant:
      return;
    case Kind::inverse_sqrt:
      return want(p.warmup >= 1, "warmup >= 1", p.warmup);
    case Kind::polynomial:
      want(p.power > 0 && std::isfinite(p.power), "power > 0", p.power);
      [[fallthrough]];
    case Kind::linear:
    case Kind::cosine:
      return want(p.total > p.warmup, "0 <= warmup < total", "warmup ", p.warmup, " and total ",
                  p.total);
    case Kind::cosine_restarts:
      want(p.period >= 1, "period >= 1", p.period);
      return want(p.growth >= 1, "growth >= 1", p.growth);
    case Kind::exponential:
      return want(p.factor > 0 && p.factor <= 1, "factor in (0, 1]", p.factor);
    case Kind::step:
      want(p.every >= 1, "every >= 1", p.every);
      return want(p.factor > 0 && std::isfinite(p.factor), "factor > 0", p.factor);
    case Kind::multi_step:
      want(std::ranges::adjacent_find(p.at, std::ranges::greater_equal()) == p.at.end() &&
               (p.at.empty() || p.at.front() >= std::max<int64_t>(p.warmup, 1)),
           "steps that grow, the first behind the warm-up", joined(p.at));
      return want(p.factor > 0 && std::isfinite(p.factor), "factor > 0", p.factor);
    case Kind::one_cycle:
      want(p.total >= 2, "total >= 2", p.total);
      want(p.rising * static_cast<double>(p.total) > 1 && p.rising < 1,
           "rising < 1, and more than one step long", p.rising, " of ", p.total, " steps");
      return want(is_rate(p.start_factor) && is_rate(p.end_factor), "factors >= 0", p.start_factor,
                  " and ", p.end_factor);
    case Kind::warmup_stable_decay:
      return want(p.decay >= 1 && p.decay <= p.total - p.warmup, "1 <= decay <= total - warmup",
                  "decay ", p.decay, ", total ", p.total, " and warmup ", p.warmup);
  }
}

Values Schedule::values() const {
  Values all;
  for (size_t i = 0; i < parts_.size(); ++i) {
    Part part = parts_[i];
    Values values;
    values.set("kind", kinds[static_cast<size_t>(part.kind)]);
    if (parts_.size() > 1) values.set("start", part.start);
    for_each_setting(part, [&](const char* name, const auto& x) { write(values, name, x); });
    all.set_all(parts_.size() > 1 ? text(i, ".") : "", values);
  }
  return all;
}

Schedule::Part Schedule::part_from(const Values& values) {
  const std::string& kind = values.text("kind");
  const auto found = std::ranges::find(kinds, kind);
  if (found == kinds.end()) {
    std::string known;
    for (const std::string_view name : kinds) known += text(known.empty() ? "" : ", ", name);
    fail("Schedule::from: wanted a kind of ", known, "; got ", kind);
  }
  Part part{.kind = static_cast<Kind>(found - kinds.begin())};
  if (part.kind == Kind::exponential) part.factor = 1;
  if (part.kind == Kind::inverse_sqrt) part.warmup = 4000;
  std::vector<std::string> known = {"kind", "start"};
  for_each_setting(part, [&](const char* name, auto& x) {
    known.emplace_back(name);
    if (values.contains(name)) read(values, name, x);
  });
  for (const auto& [name, value] : values) {
    if (std::ranges::find(known, name) == known.end()) {
      fail("Schedule::from: ", kind, " has no ", name);
    }
  }
  check(part);
  return part;
}

Schedule Schedule::from(const Values& values) {
  if (!values.contains("0.kind")) {
    if (values.contains("start")) fail("Schedule::from: one that is no chain has no start");
    return Schedule(part_from(values));
  }
  const Values first = values.with_prefix("0.");
  Schedule all(part_from(first));
  size_t read = first.size();
  for (size_t i = 1; values.contains(text(i, ".kind")); ++i) {
    const Values next = values.with_prefix(text(i, "."));
    all = all.then(next.integer("start"), Schedule(part_from(next)));
    read += next.size();
  }
  if (read != values.size()) fail("Schedule::from: wanted 0., 1., ... in front of each name");
  return all;
}

}  // namespace rapt::optim
