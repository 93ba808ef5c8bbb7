#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "cli/evaluate.h"
#include "cli/inspect.h"
#include "cli/sample.h"
#include "cli/train.h"
#include "cli/verify.h"
#include "rapt/autograd/error.h"

namespace {

using namespace rapt::cli;

constexpr int failed = 2;
constexpr size_t flag_width = 24;  // of the column with the flags in --help
constexpr size_t help_width = 80 - flag_width;

/// The whole text as a number, without the shorthands of CLI11's own reading (010 would be 8, and
/// numbers that are too large the largest there is).
template <class T>
T number_from(const std::string& flag, const std::string& value) {
  T number{};
  const char* end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, number);
  if (error == std::errc() && stopped == end) return number;
  if (error == std::errc::result_out_of_range && stopped == end) {
    rapt::fail(flag, ": this number is out of range: ", value);
  }
  rapt::fail(flag, ": wanted a ", std::is_integral_v<T> ? "whole " : "", "number",
             std::is_unsigned_v<T> ? " of at least 0" : "", "; got ", value);
}

template <class T>
struct Bare {
  using Type = T;
};
template <class T>
struct Bare<std::optional<T>> {
  using Type = T;
};

/// A flag with a value; of several the last one counts, so that a script's can be overridden.
template <class T>
CLI::Option* add(CLI::App* command, const std::string& flag, T& target, const std::string& what) {
  using Value = typename Bare<T>::Type;
  const auto read = [flag, &target](const std::string& value) {
    if constexpr (std::is_arithmetic_v<Value>) {
      target = number_from<Value>(flag, value);
    } else {
      target = value;
    }
  };
  return command->add_option_function<std::string>(flag, read, what)
      ->take_last()
      ->type_name(std::is_floating_point_v<Value> ? "X" : "N");
}

/// "64", or "1000; sort 1500; text 2000" when the tasks differ: the first one's, and those of the
/// others that are not the same.
template <class T>
std::string defaults_of(T RunOptions::*setting) {
  std::string out;
  T first{};
  for (const char* task : {"reverse", "copy", "sort", "text"}) {
    const T value = defaults_for(task).*setting;
    if (out.empty()) {
      first = value;
      out = rapt::text(value);
    } else if (value != first) {
      out += rapt::text("; ", task, " ", value);
    }
  }
  return out;
}

/// What makes a run, and tells nothing of how it goes on.
void add_settings(CLI::App* command, TrainFlags& f) {
  const auto setting = [command](const char* flag, auto& target, const char* what, auto option) {
    const std::string defaults = rapt::text("[", defaults_of(option), "]");
    const bool fits = std::string_view(what).size() + 1 + defaults.size() <= help_width;
    return add(command, flag, target, rapt::text(what, fits ? " " : "\n", defaults));
  };
  using O = RunOptions;
  add(command, "--task", f.task, "A toy task, such as reverse, sort or addition [reverse]")
      ->type_name("NAME");
  add(command, "--text", f.text, "Learn a UTF-8 text instead")->type_name("FILE");
  setting("--tokenizer", f.tokenizer, "Of a text: characters, bytes, words, subwords, or a path",
          &O::tokenizer)
      ->type_name("NAME");
  setting("--vocabulary-size", f.vocabulary_size, "Tokens of words (at most) or subwords",
          &O::vocabulary_size);
  setting("--max-length", f.max_length, "Symbols in a task's longest sequence", &O::max_length);
  setting("--layers", f.layers, "Transformer blocks", &O::layers);
  setting("--width", f.width, "Width of the model", &O::width);
  setting("--heads", f.heads, "Attention heads; they divide the width", &O::heads);
  add(command, "--context", f.context,
      rapt::text("Tokens seen at once [what a task needs; text ", defaults_for("text").context,
                 "]"));
  setting("--positions", f.positions, "rotary, learned or sinusoidal", &O::positions)
      ->type_name("NAME");
  setting("--dropout", f.dropout, "Probability of dropping a unit", &O::dropout);
  setting("--batch", f.batch, "Sequences in a step", &O::batch);
  setting("--steps", f.steps, "Steps in all", &O::steps);
  setting("--lr", f.lr, "Learning rate after the warm-up", &O::lr);
  setting("--warmup", f.warmup, "Steps of warm-up; then a cosine", &O::warmup);
  setting("--weight-decay", f.weight_decay, "Of matrices only", &O::weight_decay);
  setting("--init-stddev", f.init_stddev, "Of the initial weights", &O::init_stddev);
  setting("--seed", f.seed, "Of weights, data and dropout", &O::seed);
  add(command, "--threads", f.threads, "The result does not depend on them [all cores]");
}

void add_train(CLI::App& app, TrainFlags& f) {
  CLI::App* train = app.add_subcommand("train", "Train a decoder-only Transformer");
  add_settings(train, f);
  add(train, "--out", f.out, "For checkpoints and metrics.jsonl [runs/TASK]")->type_name("DIR");
  train->add_flag("--resume", f.resume, "Go on with the run in --out");
  add(train, "--save-every", f.save_every,
      rapt::text("Steps between checkpoints [", f.save_every, "]"));
  add(train, "--keep", f.keep, rapt::text("Checkpoints kept [", f.keep, "]"));
  train->footer(
      "Ctrl-C saves and stops; --resume goes on as if nothing had happened.\n\n"
      "  rapt train\n"
      "  rapt train --task sort --seed 2 --out runs/mine\n"
      "  rapt train --text /usr/share/common-licenses/GPL-3 --dropout 0.1\n"
      "  rapt train --resume --out runs/mine");
}

void add_verify(CLI::App& app, VerifyFlags& f) {
  CLI::App* verify = app.add_subcommand("verify", "Try a run's model, loss and data beforehand");
  add_settings(verify, f.train);
  verify->add_flag("--json", f.json, "Print one JSON object");
  verify->footer(
      "Takes the flags of rapt train, trains a few rows for some seconds, and writes\n"
      "nothing. The exit status is 1 when something is not as it should be.");
}

void add_eval(CLI::App& app, EvalFlags& f) {
  CLI::App* eval = app.add_subcommand("eval", "Test a run on data that it has not seen");
  eval->add_option("DIR", f.folder, "The run's folder")->required()->type_name("");
  add(eval, "--count", f.count, "Sequences, or windows of a text [1000; text: all]");
  eval->add_flag("--json", f.json, "Print one JSON object");
}

void add_sample(CLI::App& app, SampleFlags& f) {
  CLI::App* sample = app.add_subcommand("sample", "Let a trained model answer or write");
  sample->add_option("DIR", f.folder, "The run's folder")->required()->type_name("");
  sample->add_option("INPUT", f.inputs, "Sequences such as hello, or beginnings of a text")
      ->type_name("");
  add(sample, "--length", f.length, rapt::text("Characters to write [", f.length, "]"));
  add(sample, "--temperature", f.temperature, "0 is greedy [toy tasks 0; text 0.8]");
  add(sample, "--top-k", f.top_k, "Draw among the k best only; 0: all [0]");
  add(sample, "--seed", f.seed, rapt::text("Of the draws [", f.seed, "]"));
}

void add_inspect(CLI::App& app, InspectFlags& f) {
  CLI::App* inspect = app.add_subcommand("inspect", "List what a file of tensors holds");
  inspect->add_option("FILE", f.file, "A checkpoint, a safetensors file, or a run's folder")
      ->required()
      ->type_name("");
  inspect->add_flag("--check", f.check, "Read all elements, to find damaged ones");
  inspect->add_flag("--json", f.json, "Print one JSON object");
}

/// How many letters have to be added, left out or changed (Levenshtein).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t before = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = before + (a[i] == b[j] ? 0 : 1);
      before = std::exchange(row[j + 1], std::min({changed, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row[b.size()];
}

/// `rapt help`, `rapt help train`: what to print --help of; null for anything else.
const CLI::App* asked_to_help(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || std::string_view(argv[1]) != "help") return nullptr;
  if (argc == 2) return &app;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == argv[2]) return command;
  }
  return &app;
}

/// What is wrong with the first word, where it is no command; empty if it is one, or a flag.
std::string unknown_command(const CLI::App& app, std::string_view word) {
  std::string names, nearest;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    const std::string& name = command->get_name();
    if (word == name || word.starts_with("-")) return "";
    names += rapt::text(names.empty() ? "" : ", ", name);
    constexpr size_t most_typos = 2;
    if (distance(word, name) <= most_typos) nearest = rapt::text("; did you mean ", name, "?");
  }
  return rapt::text("wanted a command: ", names, "; got ", word, nearest);
}

/// Without the name of the function of rapt's that complains: it is none that the user called.
std::string of_the_program(std::string message) {
  for (const std::string_view name :
       {"State::resume: ", "State::save: ", "State::best: ", "Loop::run: ", "Loop: ", "verify: "}) {
    if (message.starts_with(name)) message.erase(0, name.size());
  }
  return message;
}

/// One line, whatever the text holds.
int complain(std::string message) {
  message = of_the_program(std::move(message));
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  std::fprintf(stderr, "rapt: %s\n", message.c_str());
  return failed;
}

/// Where to read more: in the help of the command that was given, if any was.
std::string hint(const CLI::App& app) {
  const auto given = app.get_subcommands();
  return rapt::text(" (", given.empty() ? "rapt" : "rapt " + given[0]->get_name(), " --help)");
}

int run(int argc, char** argv) {
  CLI::App app("Train small transformers on the CPU, and look at what became of them.", "rapt");
  app.get_formatter()->column_width(flag_width);
  app.set_version_flag("--version", "rapt " RAPT_VERSION, "Print the version and exit");
  TrainFlags train;
  EvalFlags eval;
  SampleFlags sample;
  InspectFlags inspect;
  VerifyFlags verify;
  add_train(app, train);
  add_verify(app, verify);
  add_eval(app, eval);
  add_sample(app, sample);
  add_inspect(app, inspect);
  if (const CLI::App* of = asked_to_help(app, argc, argv)) {
    std::fputs(of->help(of == &app ? "" : app.get_name()).c_str(), stdout);
    return 0;
  }
  if (argc > 1) {
    const std::string error = unknown_command(app, argv[1]);
    if (!error.empty()) return complain(error + hint(app));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help or --version
  } catch (const CLI::ParseError& e) {
    return complain(e.what() + hint(app));
  }
  if (app.got_subcommand("train")) return train_command(train);
  if (app.got_subcommand("verify")) return verify_command(verify);
  if (app.got_subcommand("eval")) return eval_command(eval), 0;
  if (app.got_subcommand("sample")) return sample_command(sample), 0;
  if (app.got_subcommand("inspect")) return inspect_command(inspect);
  return complain("wanted a command: train, verify, eval, sample or inspect" + hint(app));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int status = run(argc, argv);
    if (status <= 1 && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)) {
      return complain("standard output: could not be written");
    }
    return status;
  } catch (const std::bad_alloc&) {
    return complain("there is not enough memory");
  } catch (const std::exception& e) {
    return complain(e.what());
  }
}
