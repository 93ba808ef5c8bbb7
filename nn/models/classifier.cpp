#include "rapt/nn/models/classifier.h"

#include "rapt/autograd/error.h"
#include "rapt/nn/detail/configuration.h"
#include "rapt/nn/models/detail/kept_heads.h"

namespace rapt::nn {
namespace {

int64_t at_least_1(const char* what, int64_t value) {
  if (value < 1) fail(what, " >= 1; got ", value);
  return value;
}

}  // namespace

Classifier::Classifier(const ClassifierOptions& o, Rng& rng)
    : encoder(child("encoder", Encoder(o.encoder, rng))),
      pooling(child("pooling", Pooling(o.pooling, o.encoder.width, rng))),
      dropout(child("dropout", Dropout(o.encoder.dropout, rng))),
      head(child("head", Linear(o.encoder.width,
                                at_least_1("Classifier: wanted classes", o.classes), rng))),
      options_(o) {
  options_.encoder = encoder.options();
  configure_with_layers(detail::values_of("Classifier", options_));
}

Classifier::Classifier(const Values& configuration, Rng& rng)
    : Classifier(detail::options_of<ClassifierOptions>("Classifier", configuration), rng) {
  detail::keep_heads("Classifier", configuration, {{"encoder.", encoder.stack}});
}

Tensor Classifier::operator()(const Tensor& ids, const EncoderInputs& how) const {
  return call(ids, [&] { return head(dropout(pooling(encoder(ids, how), how.lengths))); });
}

Tagger::Tagger(const TaggerOptions& o, Rng& rng)
    : encoder(child("encoder", Encoder(o.encoder, rng))),
      dropout(child("dropout", Dropout(o.encoder.dropout, rng))),
      head(child("head", Linear(o.encoder.width, at_least_1("Tagger: wanted tags", o.tags), rng))),
      options_(o) {
  options_.encoder = encoder.options();
  configure_with_layers(detail::values_of("Tagger", options_));
}

Tagger::Tagger(const Values& configuration, Rng& rng)
    : Tagger(detail::options_of<TaggerOptions>("Tagger", configuration), rng) {
  detail::keep_heads("Tagger", configuration, {{"encoder.", encoder.stack}});
}

Tensor Tagger::operator()(const Tensor& ids, const EncoderInputs& how) const {
  return call(ids, [&] { return head(dropout(encoder(ids, how))); });
}

}  // namespace rapt::nn
