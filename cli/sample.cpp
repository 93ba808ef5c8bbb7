#include "cli/sample.h"

#include <cmath>
#include <cstdio>

#include "cli/tokenizer.h"
#include "rapt/autograd/error.h"
#include "rapt/nn/decoding/generate.h"

namespace rapt::cli {
namespace {

constexpr int64_t examples_shown = 5;

std::vector<std::string> unseen_inputs(const Run& run) {
  const data::TaskDataset test = task_dataset(run.options, data::Split::test, examples_shown);
  std::vector<std::string> out;
  for (int64_t i = 0; i < examples_shown; ++i) out.push_back(test.decode(test.sequence(i)));
  return out;
}

/// What `encode` makes of an input; an error names the input.
template <class F>
std::vector<int64_t> tokens_of(const std::string& input, F encode) {
  if (input.empty()) fail("INPUT: wanted at least one character; got \"\"");
  try {
    return encode();
  } catch (const Error& error) {
    fail("INPUT ", input, ": ", error.what());
  }
}

std::string task_samples(Run& run, const SampleFlags& flags) {
  const data::TaskDataset& task = *run.task;
  Rng rng(flags.seed);
  std::string out;
  for (const std::string& input : flags.inputs.empty() ? unseen_inputs(run) : flags.inputs) {
    std::vector<int64_t> answer =
        nn::generate(*run.model, tokens_of(input, [&] { return task.prompt(input); }),
                     {.max_tokens = task.answer_length(),
                      .temperature = flags.temperature.value_or(0),
                      .top_k = flags.top_k,
                      .stop = {task.end()}},
                     rng);
    if (!answer.empty() && answer.back() == task.end()) answer.pop_back();
    const std::string given = task.decode(answer), wanted = task.answer(input);
    out += text(input, " -> ", given, given == wanted ? "" : "   (wrong: " + wanted + ")", "\n");
  }
  return out;
}

std::string text_samples(Run& run, const SampleFlags& flags) {
  const data::Tokenizer& tokenizer = *run.tokenizer;
  Rng rng(flags.seed);
  std::vector<std::string> inputs = flags.inputs;
  if (inputs.empty()) inputs = {beginning_of(tokenizer)};
  std::string out;
  for (const std::string& input : inputs) {
    std::vector<int64_t> tokens = tokens_of(input, [&] { return tokenizer.encode(input); });
    const std::vector<int64_t> added = nn::generate(*run.model, tokens,
                                                    {.max_tokens = flags.length,
                                                     .temperature = flags.temperature.value_or(0.8),
                                                     .top_k = flags.top_k},
                                                    rng);
    // Together: a token may be written otherwise where it is the first.
    tokens.insert(tokens.end(), added.begin(), added.end());
    out += text(tokenizer.decode(tokens), "\n");
  }
  return out;
}

}  // namespace

std::string samples(Run& run, const SampleFlags& flags) {
  return run.task ? task_samples(run, flags) : text_samples(run, flags);
}

void sample_command(const SampleFlags& flags) {
  if (flags.length < 1) fail("--length: wanted at least 1; got ", flags.length);
  if (flags.top_k < 0) fail("--top-k: wanted at least 0; got ", flags.top_k);
  if (flags.temperature && !(*flags.temperature >= 0 && std::isfinite(*flags.temperature))) {
    fail("--temperature: wanted a number of at least 0; got ", *flags.temperature);
  }
  Run run = open(flags.folder, false);
  std::fputs(samples(run, flags).c_str(), stdout);
}

}  // namespace rapt::cli
