#!/usr/bin/env bash
# Builds the fuzzers with clang and runs one of them: ops, graphs, einsum, or that of a reader,
# checkpoint, safetensors, byte_pairs or metrics. The corpus grows in build/fuzz/corpus, from
# tests/fuzz/seeds. What follows the name goes to libFuzzer.
#   scripts/fuzz.sh ops -max_total_time=600    then says how many calls of each function it accepted
#   scripts/fuzz.sh --coverage ops             how much of its folder the corpus runs through
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

coverage=false
if [[ "${1:-}" == --coverage ]]; then
  coverage=true
  shift
fi
target=${1:-}
case "$target" in
  ops | graphs | einsum)
    folder=autograd
    longest=96
    shift
    ;;
  checkpoint | safetensors | byte_pairs)
    folder=data
    longest=1024
    shift
    ;;
  metrics)
    folder=training
    longest=1024
    shift
    ;;
  *)
    echo "scripts/fuzz.sh: wanted ops, graphs, einsum, checkpoint, safetensors, byte_pairs or" \
      "metrics; got '$target'" >&2
    exit 2
    ;;
esac

"$root/scripts/install.sh" --clang
corpus=$root/build/fuzz/corpus/$target
if [[ ! -d "$corpus" ]]; then
  mkdir -p "$corpus"
  # A seed is a line of hexadecimal digits.
  number=0
  while read -r line; do
    number=$((number + 1))
    # shellcheck disable=SC2001
    printf '%b' "$(sed 's/../\\x&/g' <<<"$line")" >"$corpus/seed$number"
  done <"$root/tests/fuzz/seeds/$target.txt"
fi

if $coverage; then
  configure fuzz-coverage
  build fuzz-coverage "fuzz_$target"
  program=$root/build/fuzz-coverage/tests/fuzz/fuzz_$target
  profile=$root/build/fuzz-coverage/$target
  LLVM_PROFILE_FILE=$profile.profraw quietly "$program" -runs=0 "$corpus"
  llvm-profdata-14 merge -o "$profile.profdata" "$profile.profraw"
  exec llvm-cov-14 report "$program" -instr-profile="$profile.profdata" "$root/$folder"
fi

configure fuzz
build fuzz "fuzz_$target"
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
# A fuzzer allocates all the time: with the sanitizer's usual records it spends half of it on them.
export ASAN_OPTIONS=${ASAN_OPTIONS:-malloc_context_size=2:quarantine_size_mb=16}
# Without the schedule that weighs every input anew, which takes most of the time here.
RAPT_FUZZ_COUNTS=$counts "$root/build/fuzz/tests/fuzz/fuzz_$target" -entropic=0 -max_len="$longest" \
  -artifact_prefix="$root/build/fuzz/" "$@" "$corpus"
if [[ "$target" == ops ]]; then
  echo "accepted and refused calls of each function, the fewest first:"
  sort -t $'\t' -n -k 2 "$counts"
fi
