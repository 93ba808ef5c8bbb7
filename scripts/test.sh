#!/usr/bin/env bash
# Installs what is missing, builds rapt with its tests, and runs all of them.
# Arguments go to ctest: scripts/test.sh -R Einsum.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

phase install "$root/scripts/install.sh"
phase configure configure dev
phase build build dev

echo "== test"
cd "$root"
exec ctest --preset dev --parallel "$jobs" "$@"
