#include "rapt/data/detail/task_kinds.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "rapt/autograd/error.h"

namespace rapt::data::detail {
namespace {

constexpr std::string_view alphabet =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr std::string_view small_letters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view digits = "0123456789";

int64_t count(const Symbols& s) { return std::ssize(s); }

[[noreturn]] void refuse(std::string_view task, const char* wanted) {
  fail("TaskDataset: wanted ", wanted, ", for ", task, "; got another sequence");
}

double power(int64_t base, int64_t exponent) {
  return std::pow(static_cast<double>(base), static_cast<double>(exponent));
}

int64_t one(int64_t) { return 1; }
int64_t same(int64_t length) { return length; }
int64_t twice(int64_t length) { return 2 * length; }

/// Each symbol evenly.
void draw_evenly(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  input.resize(static_cast<size_t>(length));
  for (int64_t& symbol : input) symbol = rng.integer(0, symbols);
}
double all_sequences(int64_t length, int64_t symbols) { return power(symbols, length); }

Symbols copied(const Symbols& input, int64_t) { return input; }
Symbols reversed(const Symbols& input, int64_t) { return {input.rbegin(), input.rend()}; }
Symbols sorted(const Symbols& input, int64_t) {
  Symbols out = input;
  std::sort(out.begin(), out.end());
  return out;
}

// Two numbers of `length` digits, with the sign between them.

void draw_two_numbers(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  draw_evenly(rng, 2 * length + 1, symbols, input);
  input[static_cast<size_t>(length)] = symbols;
}
int64_t two_numbers(int64_t length) { return 2 * length + 1; }
double all_pairs_of_numbers(int64_t length, int64_t symbols) { return power(symbols, 2 * length); }

struct TwoNumbers {
  Symbols a, b;  // the lowest digit first
};
TwoNumbers two_numbers_of(std::string_view task, const Symbols& input, int64_t symbols) {
  const auto sign = std::find(input.begin(), input.end(), symbols);
  if (sign == input.end() || sign - input.begin() != input.end() - sign - 1 ||
      sign == input.begin() || std::count(input.begin(), input.end(), symbols) != 1) {
    refuse(task, "two numbers of as many digits with a sign between them");
  }
  TwoNumbers out{{input.begin(), sign}, {sign + 1, input.end()}};
  std::reverse(out.a.begin(), out.a.end());
  std::reverse(out.b.begin(), out.b.end());
  return out;
}

Symbols added(const Symbols& input, int64_t base) {
  const TwoNumbers n = two_numbers_of("addition", input, base);
  Symbols out;
  int64_t carry = 0;
  for (size_t i = 0; i < n.a.size(); ++i) {
    const int64_t sum = n.a[i] + n.b[i] + carry;
    out.push_back(sum % base);
    carry = sum / base;
  }
  out.push_back(carry);
  return out;
}

Symbols multiplied(const Symbols& input, int64_t base) {
  const TwoNumbers n = two_numbers_of("multiplication", input, base);
  Symbols out(n.a.size() + n.b.size(), 0);
  for (size_t i = 0; i < n.a.size(); ++i) {
    int64_t carry = 0;
    for (size_t j = 0; j < n.b.size() || carry > 0; ++j) {
      const int64_t sum = out[i + j] + carry + (j < n.b.size() ? n.a[i] * n.b[j] : 0);
      out[i + j] = sum % base;
      carry = sum / base;
    }
  }
  return out;
}

// Numbers with +, - or * between them.

void draw_formula(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  input.clear();
  for (int64_t i = 0; i < length; ++i) {
    if (i > 0) input.push_back(symbols + rng.integer(0, 3));
    input.push_back(rng.integer(0, symbols));
  }
}
int64_t formula(int64_t length) { return 2 * length - 1; }
double all_formulas(int64_t length, int64_t symbols) {
  return power(symbols, length) * power(3, length - 1);
}
Symbols evaluated(const Symbols& input, int64_t modulus) {
  for (int64_t i = 0; i < count(input); ++i) {
    const bool is_number = input[static_cast<size_t>(i)] < modulus;
    if (is_number != (i % 2 == 0) || count(input) % 2 == 0) {
      refuse("modular_arithmetic", "numbers of one digit with signs between them");
    }
  }
  int64_t value = input[0];
  for (size_t i = 1; i + 1 < input.size(); i += 2) {
    const int64_t sign = input[i] - modulus, next = input[i + 1];
    value = sign == 0 ? value + next : sign == 1 ? value + modulus - next : value * next;
    value %= modulus;
  }
  return {value};
}

Symbols parity_of(const Symbols& input, int64_t) {
  int64_t ones = 0;
  for (const int64_t bit : input) ones += bit;
  return {ones % 2};
}

// As many blanks as letters.

void draw_with_blanks(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  input.assign(static_cast<size_t>(2 * length), symbols);
  int64_t left = length;  // letters that are to be placed
  for (int64_t i = 0; left > 0; ++i) {
    if (rng.integer(0, 2 * length - i) >= left) continue;
    input[static_cast<size_t>(i)] = rng.integer(0, symbols);
    --left;
  }
}
Symbols without_blanks(const Symbols& input, int64_t symbols) {
  Symbols out = input;
  std::erase(out, symbols);
  return out;
}

// Pairs of a key and a value, each key once, and then the keys in another order.

constexpr int64_t values = 10;

void draw_pairs(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  Symbols keys(static_cast<size_t>(symbols));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<int64_t>(i);
  const auto draw_to_front = [&](int64_t count, int64_t of) {
    for (int64_t i = 0; i < count; ++i) {
      std::swap(keys[static_cast<size_t>(i)], keys[static_cast<size_t>(rng.integer(i, of))]);
    }
  };
  draw_to_front(length, symbols);
  input.clear();
  for (int64_t i = 0; i < length; ++i) {
    input.push_back(keys[static_cast<size_t>(i)]);
    input.push_back(symbols + rng.integer(0, values));
  }
  draw_to_front(length, length);
  input.insert(input.end(), keys.begin(), keys.begin() + length);
}
int64_t pairs_and_keys(int64_t length) { return 3 * length; }
double all_pairs(int64_t length, int64_t) { return power(values, length); }
Symbols values_of_keys(const Symbols& input, int64_t symbols) {
  const auto keys = std::find_if(input.begin(), input.end(), [&, place = 0](int64_t s) mutable {
    return (s < symbols) != (place++ % 2 == 0);  // where a value would be
  });
  // The pairs end a key earlier, as that one stands where a key may.
  const int64_t pairs = (keys - input.begin()) / 2;
  Symbols out;
  for (auto key = input.begin() + 2 * pairs; key != input.end(); ++key) {
    int64_t value = -1;
    for (int64_t i = 0; i < pairs; ++i) {
      if (input[static_cast<size_t>(2 * i)] == *key) value = input[static_cast<size_t>(2 * i + 1)];
    }
    if (value >= 0) out.push_back(value);
  }
  if (pairs == 0 || out.empty() || count(out) != count(input) - 2 * pairs) {
    refuse("associative_recall", "keys with their values, and then some of the keys");
  }
  return out;
}

// A sequence whose last symbol came once before.

void draw_with_a_repeat(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  draw_evenly(rng, length, symbols - 1, input);  // all but `last`
  const int64_t last = rng.integer(0, symbols);
  for (int64_t& symbol : input) symbol += symbol >= last ? 1 : 0;
  input[static_cast<size_t>(rng.integer(0, length - 2))] = last;
  input.back() = last;
}
double all_with_a_repeat(int64_t length, int64_t symbols) {
  return static_cast<double>((length - 2) * symbols) * power(symbols - 1, length - 2);
}
Symbols after_the_repeat(const Symbols& input, int64_t) {
  const auto last = input.end() - 1, before = std::find(input.begin(), last, *last);
  if (before == last || before + 1 == last) {
    refuse("induction", "a last letter that came before, with another behind it");
  }
  return {before + 1, last};
}

// The beginning of a balanced sequence of brackets: symbols 0 to symbols / 2 - 1 open.

void draw_brackets(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  const int64_t kinds = symbols / 2;
  Symbols open;
  input.clear();
  for (int64_t i = 0; i < length; ++i) {
    if (open.empty() || rng.integer(0, 2) == 0) {
      open.push_back(rng.integer(0, kinds));
      input.push_back(open.back());
    } else {
      input.push_back(open.back() + kinds);
      open.pop_back();
    }
  }
}
/// Beginnings of one kind of bracket, of which at least half open: any kind each.
double all_brackets(int64_t length, int64_t symbols) {
  double beginnings = 1;  // length over length / 2
  for (int64_t i = 1; i <= length / 2; ++i) {
    beginnings *= static_cast<double>(length - length / 2 + i) / static_cast<double>(i);
  }
  return beginnings * power(symbols / 2, (length + 1) / 2);
}
Symbols closing(const Symbols& input, int64_t symbols) {
  const int64_t kinds = symbols / 2;
  Symbols open;
  for (const int64_t bracket : input) {
    if (bracket < kinds) {
      open.push_back(bracket);
    } else if (!open.empty() && open.back() == bracket - kinds) {
      open.pop_back();
    } else {
      refuse("dyck", "brackets that close what was opened last");
    }
  }
  Symbols out;
  for (auto bracket = open.rbegin(); bracket != open.rend(); ++bracket) {
    out.push_back(*bracket + kinds);
  }
  return out;
}

Symbols counts_of(const Symbols& input, int64_t symbols) {
  Symbols out(static_cast<size_t>(symbols), 0);
  for (const int64_t symbol : input) ++out[static_cast<size_t>(symbol)];
  return out;
}

/// Drawn again until one symbol alone comes most often.
void draw_with_a_majority(Rng& rng, int64_t length, int64_t symbols, Symbols& input) {
  for (;;) {
    draw_evenly(rng, length, symbols, input);
    const Symbols counts = counts_of(input, symbols);
    const int64_t most = *std::max_element(counts.begin(), counts.end());
    if (std::count(counts.begin(), counts.end(), most) == 1) return;
  }
}
double some_with_a_majority(int64_t length, int64_t symbols) {
  return power(symbols, length) / static_cast<double>(symbols);
}
Symbols most_frequent(const Symbols& input, int64_t symbols) {
  const Symbols counts = counts_of(input, symbols);
  return {std::max_element(counts.begin(), counts.end()) - counts.begin()};
}

constexpr std::string_view numbers = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

Symbols histogram_of(const Symbols& input, int64_t symbols) {
  if (std::ranges::any_of(input, [&](int64_t symbol) { return symbol >= symbols; })) {
    refuse("histogram", "letters alone");
  }
  const Symbols counts = counts_of(input, symbols);
  Symbols out;
  for (const int64_t symbol : input) {
    const int64_t number = counts[static_cast<size_t>(symbol)];
    if (number > std::ssize(numbers)) refuse("histogram", "no letter more than 35 times");
    out.push_back(symbols + number - 1);
  }
  return out;
}

int64_t one_more(int64_t length) { return length + 1; }
int64_t any_length(int64_t) { return 1'000'000; }
int64_t number_count(int64_t) { return std::ssize(numbers); }

// clang-format off
constexpr auto kinds = std::to_array<TaskKind>({
    {Task::copy, "copy", alphabet, "", 2, 26, 1, 16, any_length, same, same, all_sequences, draw_evenly, copied},
    {Task::reverse, "reverse", alphabet, "", 2, 26, 1, 16, any_length, same, same, all_sequences, draw_evenly, reversed},
    {Task::sort, "sort", alphabet, "", 2, 26, 1, 16, any_length, same, same, all_sequences, draw_evenly, sorted},
    {Task::addition, "addition", digits, "+", 2, 10, 1, 6, any_length, two_numbers, one_more, all_pairs_of_numbers, draw_two_numbers, added},
    {Task::multiplication, "multiplication", digits, "*", 2, 10, 1, 2, any_length, two_numbers, twice, all_pairs_of_numbers, draw_two_numbers, multiplied},
    {Task::modular_arithmetic, "modular_arithmetic", digits, "+-*", 2, 5, 1, 6, any_length, formula, one, all_formulas, draw_formula, evaluated},
    {Task::parity, "parity", "01", "", 2, 2, 1, 16, any_length, same, one, all_sequences, draw_evenly, parity_of},
    {Task::selective_copy, "selective_copy", alphabet, "_", 2, 16, 1, 12, any_length, twice, same, all_sequences, draw_with_blanks, without_blanks},
    {Task::associative_recall, "associative_recall", small_letters, digits, 2, 16, 1, 8, same, pairs_and_keys, same, all_pairs, draw_pairs, values_of_keys},
    {Task::induction, "induction", alphabet, "", 3, 16, 3, 16, any_length, same, same, all_with_a_repeat, draw_with_a_repeat, after_the_repeat},
    {Task::dyck, "dyck", "([)]", "", 4, 4, 1, 16, any_length, same, same, all_brackets, draw_brackets, closing},
    {Task::majority, "majority", alphabet, "", 2, 4, 1, 16, any_length, same, one, some_with_a_majority, draw_with_a_majority, most_frequent},
    {Task::histogram, "histogram", small_letters, numbers, 2, 8, 1, 16, number_count, same, same, all_sequences, draw_evenly, histogram_of},
});
// clang-format on

}  // namespace

const TaskKind& kind_of(Task task) {
  for (const TaskKind& kind : kinds) {
    if (kind.task == task) return kind;
  }
  fail("name_of: wanted a Task; got ", static_cast<int>(task));
}

const TaskKind* kind_named(std::string_view name) {
  const auto kind = std::ranges::find(kinds, name, &TaskKind::name);
  return kind == kinds.end() ? nullptr : &*kind;
}

std::string kind_names() {
  std::string out;
  for (const TaskKind& kind : kinds) out += (out.empty() ? "" : ", ") + std::string(kind.name);
  return out;
}

}  // namespace rapt::data::detail
