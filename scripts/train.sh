#!/usr/bin/env bash
# Installs what is missing, builds rapt, trains a model and shows samples of what it has learnt.
# Arguments go to `rapt train`: scripts/train.sh --task sort, scripts/train.sh --text FILE.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=$root/build/release/cli/rapt
phase install "$root/scripts/install.sh"
phase configure configure release
phase build build release rapt_program
phase train "$program" train "$@"

cat <<END

To go on, with DIR being the folder named above:
  $program sample DIR hello    ask it for something
  $program eval DIR            test it on sequences that it has not seen
  $program train --help        train another one
END
