// Stopped anywhere and resumed by objects made anew, every optimizer and every family of models
// ends with the same bytes: in the middle of an epoch, at its exact end, before the last step.

#include <functional>
#include <memory>
#include <string>

#include "run_parts.h"

namespace rapt::training {
namespace {

using optim::Optimizer;
using MakeOptimizer = std::function<std::unique_ptr<Optimizer>(const NamedTensors& parameters)>;
/// Adds a model to a run, and gives its parameters and the loss of a batch.
struct Model {
  NamedTensors parameters;
  std::function<Tensor(const NamedTensors& batch)> loss;
  std::shared_ptr<void> kept;  // the model itself
};
using MakeModel = std::function<Model(State& run)>;

constexpr int64_t steps = 8;
const data::TaskDataset task(
    {.task = data::Task::reverse, .max_length = 4, .symbols = 6, .size = 48});  // 3 batches of 16

/// `stop` steps, from the run in the folder if there is one.
std::string train_to(int64_t stop, const std::string& folder, const MakeModel& make_model,
                     const MakeOptimizer& make_optimizer) {
  State run(folder);
  const Model model = make_model(run);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer(model.parameters);
  data::Loader loader(task, {.batch_size = 16});
  run.add("optimizer", *optimizer);
  run.add("loader", loader);
  run.resume();
  while (run.step() < stop) {
    const NamedTensors batch = loader.next();
    optimizer->zero_grad();
    model.loss(batch).backward();
    optimizer->step();
    run.advance();
  }
  run.save();
  return read_bytes(folder + "/step-00000000" + std::to_string(stop) + ".rapt");
}

void expect_resumes(const MakeModel& make_model, const MakeOptimizer& make_optimizer) {
  const TemporaryFolder folder;
  const std::string whole = train_to(steps, folder / "whole", make_model, make_optimizer);
  ASSERT_FALSE(whole.empty());
  for (const int64_t stop : {int64_t{1}, int64_t{3}, int64_t{5}, steps - 1}) {
    const std::string name = folder / std::to_string(stop);
    train_to(stop, name, make_model, make_optimizer);
    EXPECT_TRUE(train_to(steps, name, make_model, make_optimizer) == whole)
        << "stopped at " << stop;
  }
}

template <class M, class Options, class Loss>
MakeModel model_of(Options options, Loss loss) {
  return [=](State& run) {
    Rng rng(1);
    auto model = std::make_shared<M>(options, rng);
    run.add("model", *model);
    return Model{model->parameters(),
                 [model, loss](const NamedTensors& batch) { return loss(*model, batch); }, model};
  };
}

const nn::TransformerOptions transformer = {.vocabulary = 8,
                                            .context = 12,
                                            .width = 8,
                                            .layers = 1,
                                            .block = {.attention = {.heads = 2}},
                                            .dropout = 0.2};

MakeModel decoder_only() {
  return model_of<nn::DecoderOnly>(transformer, [](const auto& model, const NamedTensors& batch) {
    return cross_entropy(model(batch["tokens"]), batch["targets"]).mean();
  });
}

struct OptimizerCase {
  std::string name;
  MakeOptimizer make;
};
void PrintTo(const OptimizerCase& c, std::ostream* out) { *out << c.name; }

template <class O, class Options>
OptimizerCase by(const char* name, Options options) {
  return {name, [options](const NamedTensors& p) { return std::make_unique<O>(p, options); }};
}

std::vector<OptimizerCase> optimizers() {
  using namespace optim;
  return {
      by<SGD>("SGD", SGDOptions{.lr = 0.01}),
      by<SGD>("SGDMomentum", SGDOptions{.lr = 0.01, .momentum = 0.9, .nesterov = true}),
      by<Adam>("Adam", AdamOptions{.lr = 0.01}),
      by<Adam>("AMSGrad", AdamOptions{.lr = 0.01, .amsgrad = true}),
      by<AdamW>("AdamW", AdamWOptions{.lr = 0.01}),
      by<NAdam>("NAdam", NAdamOptions{}),
      by<RAdam>("RAdam", RAdamOptions{}),
      by<Adamax>("Adamax", AdamaxOptions{}),
      by<Adagrad>("Adagrad", AdagradOptions{}),
      by<RMSprop>("RMSprop", RMSpropOptions{}),
      by<Adadelta>("Adadelta", AdadeltaOptions{}),
      by<Lion>("Lion", LionOptions{}),
      by<LAMB>("LAMB", LAMBOptions{}),
      by<Adafactor>("Adafactor", AdafactorOptions{}),
      {"Muon",
       [](const NamedTensors& parameters) {
         NamedTensors matrices, others;
         for (const auto& [name, parameter] : parameters) {
           const bool is_hidden = parameter.rank() == 2 && name.starts_with("blocks.");
           (is_hidden ? matrices : others).add(name, parameter);
         }
         return std::make_unique<Muon>(matrices, others);
       }},
  };
}

class AnyOptimizer : public ::testing::TestWithParam<OptimizerCase> {};
TEST_P(AnyOptimizer, ResumesToTheSameBytes) { expect_resumes(decoder_only(), GetParam().make); }
INSTANTIATE_TEST_SUITE_P(All, AnyOptimizer, ::testing::ValuesIn(optimizers()),
                         [](const auto& all) { return all.param.name; });

struct ModelCase {
  std::string name;
  MakeModel make;
};
void PrintTo(const ModelCase& c, std::ostream* out) { *out << c.name; }

Tensor class_loss(const Tensor& logits, const NamedTensors& batch) {
  return cross_entropy(logits, reshape(slice(batch["tokens"], 1, 0, 1), {-1})).mean();
}
Tensor token_loss(const Tensor& logits, const NamedTensors& batch) {
  return cross_entropy(logits, batch["targets"]).mean();
}

/// A recurrent network between an embedding and a head.
template <class Network, class Options>
class Tagging : public nn::Module {
 public:
  Tagging(const Options& options, Rng& rng)
      : embedding(child("embedding", nn::Embedding(8, options.input, rng))),
        network(child("network", Network(options, rng))),
        head(child("head", nn::Linear(options.hidden, 8, rng))) {}
  Tensor operator()(const Tensor& ids) const { return head(network(embedding(ids))); }

  nn::Embedding embedding;
  Network network;
  nn::Linear head;
};

template <class Network, class Options>
MakeModel recurrent() {
  return model_of<Tagging<Network, Options>>(
      Options{.input = 6, .hidden = 7, .layers = 2, .dropout = 0.2},
      [](const auto& model, const NamedTensors& batch) {
        return token_loss(model(batch["tokens"]), batch);
      });
}

std::vector<ModelCase> models() {
  const auto pair_loss = [](const auto& model, const NamedTensors& batch) {
    return token_loss(model(batch["tokens"], batch["tokens"]), batch);
  };
  return {
      {"DecoderOnly", decoder_only()},
      {"Classifier",
       model_of<nn::Classifier>(nn::ClassifierOptions{.encoder = transformer, .classes = 8},
                                [](const auto& model, const NamedTensors& batch) {
                                  return class_loss(model(batch["tokens"]), batch);
                                })},
      {"Tagger", model_of<nn::Tagger>(nn::TaggerOptions{.encoder = transformer, .tags = 8},
                                      [](const auto& model, const NamedTensors& batch) {
                                        return token_loss(model(batch["tokens"]), batch);
                                      })},
      {"EncoderDecoder", model_of<nn::EncoderDecoder>(
                             nn::EncoderDecoderOptions{.source = {.vocabulary = 8, .context = 12},
                                                       .target = {.vocabulary = 8, .context = 12},
                                                       .width = 8,
                                                       .layers = 1,
                                                       .block = {.attention = {.heads = 2}},
                                                       .dropout = 0.2},
                             pair_loss)},
      {"RNN", recurrent<nn::RNN, nn::RNNOptions>()},
      {"LSTM", recurrent<nn::LSTM, nn::LSTMOptions>()},
      {"GRU", recurrent<nn::GRU, nn::GRUOptions>()},
      {"RecurrentEncoderDecoder", model_of<nn::RecurrentEncoderDecoder>(
                                      nn::RecurrentEncoderDecoderOptions{.source_vocabulary = 8,
                                                                         .target_vocabulary = 8,
                                                                         .width = 6,
                                                                         .hidden = 7,
                                                                         .dropout = 0.2},
                                      pair_loss)},
      // The adapter alone is trained and saved.
      {"LoRA",
       [](State& run) {
         struct Adapted {
           Rng rng{1};
           nn::DecoderOnly model{transformer, rng};
           nn::LoRA lora{model, {.rank = 2}, rng};
           nn::ForwardHook hook{lora.adapt(model)};
         };
         auto adapted = std::make_shared<Adapted>();
         nn::freeze(adapted->model);
         run.add("model", adapted->model);
         run.add("lora", adapted->lora);
         return Model{adapted->lora.parameters(),
                      [adapted](const NamedTensors& batch) {
                        return token_loss(adapted->model(batch["tokens"]), batch);
                      },
                      adapted};
       }},
  };
}

class AnyModel : public ::testing::TestWithParam<ModelCase> {};
TEST_P(AnyModel, ResumesToTheSameBytes) {
  expect_resumes(GetParam().make, by<optim::AdamW>("AdamW", optim::AdamWOptions{.lr = 0.01}).make);
}
INSTANTIATE_TEST_SUITE_P(All, AnyModel, ::testing::ValuesIn(models()),
                         [](const auto& all) { return all.param.name; });

}  // namespace
}  // namespace rapt::training
