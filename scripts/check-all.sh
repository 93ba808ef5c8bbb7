#!/usr/bin/env bash
# What takes too long for every change: both compilers without a warning, clang-tidy, the tests under
# the sanitizers, and each fuzzer for a minute.
#   scripts/check-all.sh [PHASE ...]    all of them, or: format clang tidy asan tsan fuzz
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

check_format() { scripts/check_format.sh; }

# The whole tree with g++ is scripts/test.sh's; here with clang, and its tests.
check_clang() {
  configure clang
  build clang
  ctest --preset clang --parallel "$jobs" --quiet
}

check_tidy() {
  local sources
  configure clang
  mapfile -d '' sources < <(find autograd nn optim data training cli -name '*.cpp' -print0)
  printf '%s\0' "${sources[@]}" |
    xargs -0 -n 4 -P "$jobs" clang-tidy --quiet --warnings-as-errors='*' -p build/clang
}

# Bits are no matter of memory, and the hashes of 200 steps take too long here.
under() {
  configure "$1"
  build "$1"
  ctest --preset "$1" --parallel "$jobs" --exclude-regex '^Hashes\.' --quiet
}
check_asan() { under asan; }
check_tsan() { under tsan; }

check_fuzz() {
  local target
  for target in ops graphs einsum checkpoint safetensors byte_pairs metrics; do
    quietly scripts/fuzz.sh "$target" -max_total_time=60
  done
}

phases=("$@")
if ((${#phases[@]} == 0)); then phases=(format clang tidy asan tsan fuzz); fi
for name in "${phases[@]}"; do
  if [[ "$(type -t "check_$name")" != function ]]; then
    echo "scripts/check-all.sh: wanted format, clang, tidy, asan, tsan or fuzz; got $name" >&2
    exit 2
  fi
done
phase install scripts/install.sh --clang
for name in "${phases[@]}"; do phase "$name" "check_$name"; done
