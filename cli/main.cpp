#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/evaluate.h"
#include "cli/inspect.h"
#include "cli/sample.h"
#include "cli/train.h"

namespace {

using namespace rapt::cli;

constexpr int bad_use = 2;

void add_train(CLI::App& app, TrainFlags& f) {
  CLI::App* train = app.add_subcommand("train", "Train a decoder-only Transformer");
  train->add_option("--task", f.task, "reverse (the default), copy or sort");
  train->add_option("--text", f.text, "Learn a UTF-8 text file instead, character by character");
  train->add_option("--max-length", f.max_length, "Symbols in a task's longest sequence");
  train->add_option("--layers", f.layers, "Transformer blocks");
  train->add_option("--width", f.width, "Width of the model");
  train->add_option("--heads", f.heads, "Attention heads; they divide the width");
  train->add_option("--context", f.context, "Tokens that the model sees at once");
  train->add_option("--positions", f.positions, "rotary (the default), learned or sinusoidal");
  train->add_option("--dropout", f.dropout, "Probability of dropping a unit");
  train->add_option("--batch", f.batch, "Sequences in a step");
  train->add_option("--steps", f.steps, "Steps in all");
  train->add_option("--lr", f.lr, "Learning rate after the warm-up");
  train->add_option("--warmup", f.warmup, "Steps until then; afterwards it falls as a cosine");
  train->add_option("--weight-decay", f.weight_decay, "Of matrices; biases and norms are spared");
  train->add_option("--seed", f.seed, "Of weights, data and dropout");
  train->add_option("--threads", f.threads, "Threads; the result does not depend on them");
  train->add_option("--out", f.out, "Folder for checkpoints and metrics.jsonl");
  train->add_flag("--resume", f.resume, "Go on with the run in --out");
  train->add_option("--save-every", f.save_every, "Steps between checkpoints")
      ->capture_default_str();
  train->add_option("--keep", f.keep, "Checkpoints kept")->capture_default_str();
}

void add_eval(CLI::App& app, EvalFlags& f) {
  CLI::App* eval = app.add_subcommand("eval", "Test a run on data that it has not seen");
  eval->add_option("DIR", f.folder, "The run's folder")->required();
  eval->add_option("--count", f.count, "Sequences")->capture_default_str();
  eval->add_flag("--json", f.json, "Print one JSON object");
}

void add_sample(CLI::App& app, SampleFlags& f) {
  CLI::App* sample = app.add_subcommand("sample", "Let a trained model answer or write");
  sample->add_option("DIR", f.folder, "The run's folder")->required();
  sample->add_option("INPUT", f.inputs, "Sequences such as hello, or the beginning of a text");
  sample->add_option("--length", f.length, "Characters to write")->capture_default_str();
  sample->add_option("--temperature", f.temperature,
                     "0 is greedy, the default of the toy tasks; a text's is 0.8");
  sample->add_option("--top-k", f.top_k, "Draw among the k best only; 0: all");
  sample->add_option("--seed", f.seed, "Of the draws")->capture_default_str();
}

void add_inspect(CLI::App& app, InspectFlags& f) {
  CLI::App* inspect = app.add_subcommand("inspect", "List what a file of tensors holds");
  inspect->add_option("FILE", f.file, "A checkpoint, a safetensors file, or a run's folder")
      ->required();
  inspect->add_flag("--json", f.json, "Print one JSON object");
}

/// One line, whatever the text holds.
void complain(std::string message) {
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  std::fprintf(stderr, "rapt: %s\n", message.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Train small transformers on the CPU, and look at what became of them.", "rapt");
  app.require_subcommand(1);
  TrainFlags train;
  EvalFlags eval;
  SampleFlags sample;
  InspectFlags inspect;
  add_train(app, train);
  add_eval(app, eval);
  add_sample(app, sample);
  add_inspect(app, inspect);
  try {
    app.parse(argc, argv);
    if (app.got_subcommand("train")) return train_command(train);
    if (app.got_subcommand("eval")) eval_command(eval);
    if (app.got_subcommand("sample")) sample_command(sample);
    if (app.got_subcommand("inspect")) inspect_command(inspect);
    return 0;
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    complain(std::string(e.what()) + " (rapt --help lists the commands and flags)");
  } catch (const std::exception& e) {
    complain(e.what());
  }
  return bad_use;
}
