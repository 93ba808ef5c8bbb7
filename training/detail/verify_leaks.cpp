#include <algorithm>
#include <map>
#include <vector>

#include "rapt/autograd/create.h"
#include "rapt/autograd/ops.h"
#include "rapt/training/detail/verify_batch.h"
#include "rapt/training/detail/verify_checks.h"

namespace rapt::training::detail {
namespace {

constexpr int64_t most_cuts = 32;  // of a row, where it is longer
constexpr double alone_as_close_as = 1e-4;

/// `count` numbers from first to last, both among them; all, if they are no more.
std::vector<int64_t> evenly(int64_t first, int64_t last, int64_t count) {
  const int64_t all = last - first + 1;
  count = std::clamp<int64_t>(all, 0, count);
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    out.push_back(count == 1 ? first : first + i * (all - 1) / (count - 1));
  }
  return out;
}

/// b8 of that shape: which numbers have that bit set.
Tensor have_bit(const std::vector<int64_t>& numbers, int64_t bit, const Shape& shape) {
  std::vector<bool> out;
  for (const int64_t number : numbers) out.push_back((number & bit) != 0);
  return from_values(out, shape);
}

/// One way to look at the model: in evaluation mode, or as it is given.
class Leaks {
 public:
  Leaks(Inquiry& inquiry, const char* mode) : q_(inquiry), mode_(mode) {}

  void check_all() {
    for (const InputPromise& input : q_.promises.inputs) {
      if (q_.promises.rows) rows(input);
      if (input.causal) causal(input);
      if (!input.lengths.empty()) padding(input);
      if (!input.documents.empty()) documents(input);
    }
    others();
  }

 private:
  /// What is watched has to be the same when the input is other where `changes` says.
  /// b8 [B] or [B, T] each.
  void expect_same(const std::string& promise, const std::string& name, const Tensor& changes,
                   const Tensor& watched, const std::string& when) {
    const std::optional<Tensor> other = changed(q_.batch[name], changes, rng_);
    if (!other) {
      return q_.not_checked(promise, text("\"", name, "\" has not two values to exchange"));
    }
    const Seen before = q_.subject.see(q_.batch, watched);
    const Seen now = q_.subject.see(with(q_.batch, name, *other), watched);
    const std::string differs = q_.subject.difference(before, now, watched);
    q_.note(promise, differs.empty() ? "" : text(differs, " when ", when, mode_));
  }

  /// Of any two rows, one is in a set that the other is not in: those whose number has a bit set.
  void rows(const InputPromise& input) {
    const std::vector<int64_t> numbers = arange(q_.rows).values<int64_t>();
    for (int64_t bit = 1; bit < q_.rows; bit *= 2) {
      const Tensor in = have_bit(numbers, bit, {q_.rows});
      for (const Tensor& changes : {in, logical_not(in)}) {
        expect_same("rows", input.name, changes, logical_not(changes),
                    text("other rows of \"", input.name, "\" change"));
      }
    }
  }

  void causal(const InputPromise& input) {
    const int64_t places = q_.batch[input.name].size(1);
    if (places < 2) return q_.not_checked("causal", "there is one place only");
    for (const int64_t cut : evenly(1, places - 1, most_cuts)) {
      const Tensor before = expand(less(unsqueeze(arange(places), 0), cut), {q_.rows, places});
      expect_same("causal", input.name, logical_not(before), before,
                  text("\"", input.name, "\" changes from place ", cut, " on"));
    }
  }

  void padding(const InputPromise& input) {
    const Tensor counts = counting(input, q_.batch);
    if (all(counts).item() != 0) {
      return q_.not_checked("padding", text("no row of \"", input.name, "\" is padded"));
    }
    const Tensor watched = q_.is_along(input) ? counts : ones({q_.rows}, Dtype::b8);
    expect_same("padding", input.name, logical_not(counts), watched,
                text("\"", input.name, "\" changes behind \"", input.lengths, "\""));
  }

  /// As rows(): of any two documents one is in a set that the other is not in.
  void documents(const InputPromise& input) {
    std::vector<int64_t> ids = q_.batch[input.documents].values<int64_t>();
    std::map<int64_t, int64_t> numbers;
    for (const int64_t id : ids) numbers.emplace(id, static_cast<int64_t>(numbers.size()));
    if (numbers.size() < 2) {
      return q_.not_checked("documents", text("\"", input.documents, "\" has one only"));
    }
    for (int64_t& id : ids) id = numbers[id];
    for (int64_t bit = 1; bit < static_cast<int64_t>(numbers.size()); bit *= 2) {
      const Tensor in = have_bit(ids, bit, q_.batch[input.documents].shape());
      for (const Tensor& changes : {in, logical_not(in)}) {
        expect_same("documents", input.name, changes, logical_not(changes),
                    text("other documents of \"", input.name, "\" change"));
      }
    }
  }

  /// What is no input has no say.
  void others() {
    const Tensor all_rows = ones({q_.rows}, Dtype::b8);
    for (const auto& entry : q_.batch) {
      const std::string& name = entry.first;
      const bool is_known = std::ranges::any_of(q_.promises.inputs, [&](const InputPromise& input) {
        return name == input.name || name == input.lengths || name == input.documents;
      });
      if (is_known) continue;
      expect_same("inputs", name, all_rows, all_rows,
                  text("\"", name, "\" changes, which is no input"));
    }
  }

  Inquiry& q_;
  const char* mode_;
  Rng rng_{1};
};

/// A row as a batch by itself, with everything of these lengths cut to its own.
NamedTensors row_alone(const Inquiry& q, const InputPromise& input, int64_t row, int64_t length) {
  NamedTensors alone = select_rows(q.batch, from_values<int64_t>({row}));
  for (const InputPromise& other : q.promises.inputs) {
    if (other.name != input.name && (other.lengths.empty() || other.lengths != input.lengths))
      continue;
    for (const std::string& name : {other.name, other.documents}) {
      if (!name.empty()) alone = with(alone, name, slice(alone[name], 1, 0, length));
    }
  }
  return alone;
}

/// A row alone, without padding, gives what it gives in the batch.
void check_alone(Inquiry& q, const InputPromise& input) {
  const Tensor lengths = lengths_of(input, q.batch);
  for (int64_t row = 0; row < q.rows; ++row) {
    NamedTensors alone = select_rows(q.batch, from_values<int64_t>({row}));
    Tensor wanted = slice(q.output, 0, row, row + 1);
    if (lengths.defined()) {
      const auto length = static_cast<int64_t>(lengths[row].item());
      if (length == 0) continue;
      alone = row_alone(q, input, row, length);
      if (q.is_along(input)) wanted = slice(wanted, 1, 0, length);
    }
    try {
      const std::string differs = difference(text("row ", row, " of the output"), wanted,
                                             q.subject.output(alone), alone_as_close_as);
      q.note("alone", differs.empty() ? ""
                                      : text(differs, " when it is alone in its batch",
                                             lengths.defined() ? ", without padding" : ""));
    } catch (const Error& error) {
      q.not_checked("alone", error.what());
    }
  }
}

/// Evaluation is a function; training is one of the state's streams.
void check_random(Inquiry& q) {
  const auto differs_from = [&](const Tensor& first) {
    return difference("the output", first, q.subject.output(q.batch), 0);
  };
  std::string differs = differs_from(q.output);
  q.note("evaluation",
         differs.empty() ? "" : text(differs, " in a second call, in evaluation mode"));
  q.subject.as_given = true;
  differs = differs_from(q.subject.output(q.batch));
  q.note("evaluation", differs.empty()
                           ? ""
                           : text(differs,
                                  " in a second call with the same state: it draws from "
                                  "a generator that the state has not"));
  q.subject.as_given = false;
}

}  // namespace

void check_leaks(Inquiry& q) {
  check_random(q);
  if (q.found.promises.back().outcome == VerifiedPromise::Outcome::broken) {
    return q.not_checked("rows", "the same batch does not give the same output");
  }
  Leaks(q, ", in evaluation mode").check_all();
  if (q.promises.rows) {
    for (const InputPromise& input : q.promises.inputs) check_alone(q, input);
  }
  if (!q.subject.model.training()) {
    return q.not_checked("evaluation", "the model is in evaluation mode already");
  }
  q.subject.as_given = true;
  const bool trains_alike = same_values(q.output, q.subject.output(q.batch));
  if (!trains_alike) Leaks(q, ", in training mode").check_all();
  q.subject.as_given = false;
  q.subject.restore();  // what a training changes besides its streams
}

}  // namespace rapt::training::detail
