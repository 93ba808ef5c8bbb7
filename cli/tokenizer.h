#pragma once

#include <memory>

#include "cli/options.h"
#include "rapt/data/tokenizers/tokenizer.h"

namespace rapt::cli {

/// The tokenizer that --tokenizer names, made for the run's text. Throws when it names none.
std::shared_ptr<const data::Tokenizer> tokenizer_for(const RunOptions& options);

/// What a text begins with when nothing else is asked for: a line break, as each line of it does,
/// or where there is none, some token.
std::string beginning_of(const data::Tokenizer& tokenizer);

}  // namespace rapt::cli
