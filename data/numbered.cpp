#include "rapt/data/numbered.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "rapt/autograd/error.h"
#include "rapt/data/atomic_file.h"

namespace rapt::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "step-";
constexpr std::string_view suffix = ".rapt";

std::string file_name(int64_t step) {
  std::string digits = text(step);
  if (digits.size() < 9) digits.insert(0, 9 - digits.size(), '0');  // so that names sort by step
  return text(prefix, digits, suffix);
}

/// The step in a name that save_numbered gave; none for every other file.
std::optional<int64_t> step_of(const std::string& name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  int64_t step = 0;
  const char* begin = name.data() + prefix.size();
  const char* end = name.data() + name.size() - suffix.size();
  if (begin >= end || std::from_chars(begin, end, step).ptr != end) return std::nullopt;
  if (step < 0 || name != file_name(step)) return std::nullopt;
  return step;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::create_directory(folder, error)) {
    const fs::path whole = fs::absolute(folder);
    sync_folder((whole.has_filename() ? whole : whole.parent_path()).parent_path().string());
  } else if (error) {
    fail("save_numbered: could not make the folder ", folder.string(), ": ", error.message());
  }
}

}  // namespace

std::string save_numbered(const std::string& folder, int64_t step, const Checkpoint& checkpoint,
                          int64_t keep) {
  if (step < 0) fail("save_numbered: wanted a step of at least 0; got ", step);
  if (keep < 1) fail("save_numbered: wanted to keep at least 1 checkpoint; got ", keep);
  make_folder(folder);
  const std::string path = (fs::path(folder) / file_name(step)).string();
  save_checkpoint(path, checkpoint);

  std::vector<NumberedCheckpoint> old = numbered_checkpoints(folder);
  std::erase_if(old, [&](const NumberedCheckpoint& other) { return other.step == step; });
  const auto later = std::find_if(
      old.begin(), old.end(), [&](const NumberedCheckpoint& other) { return other.step > step; });
  const auto kept = std::min<int64_t>(keep - 1, later - old.begin());
  old.erase(later - kept, later);
  for (const NumberedCheckpoint& other : old) {
    std::error_code error;
    fs::remove(other.path, error);
    if (error) {
      fail("save_numbered: saved ", path, ", but could not remove the older ", other.path, ": ",
           error.message());
    }
  }
  return path;
}

std::vector<NumberedCheckpoint> numbered_checkpoints(const std::string& folder) {
  std::vector<NumberedCheckpoint> out;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (const auto step = step_of(entry->path().filename().string())) {
      out.push_back({*step, entry->path().string()});
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    fail("numbered_checkpoints: could not list ", folder, ": ", error.message());
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
  return out;
}

std::optional<NumberedCheckpoint> latest_checkpoint(const std::string& folder) {
  std::vector<NumberedCheckpoint> all = numbered_checkpoints(folder);
  if (all.empty()) return std::nullopt;
  return std::move(all.back());
}

namespace {

std::optional<std::string> newest_whole(std::vector<NumberedCheckpoint> all) {
  for (; !all.empty(); all.pop_back()) {
    try {
      load_checkpoint(all.back().path);
      return all.back().path;
    } catch (const Error&) {  // damaged, too
    }
  }
  return std::nullopt;
}

}  // namespace

Checkpoint load_latest(const std::string& folder) {
  std::vector<NumberedCheckpoint> all = numbered_checkpoints(folder);
  if (all.empty()) fail("load_latest: ", folder, " holds no checkpoint");
  const std::string path = all.back().path;
  try {
    return load_checkpoint(path);
  } catch (const Error& error) {
    all.pop_back();
    const auto whole = newest_whole(std::move(all));
    if (!whole) fail(error.what(), "; no other checkpoint there is whole");
    fail(error.what(), "; the newest whole one is ", *whole, ": to go on from it, move ", path,
         " away");
  }
}

}  // namespace rapt::data
