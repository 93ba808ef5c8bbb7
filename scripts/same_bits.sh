#!/usr/bin/env bash
# Builds rapt with each compiler and for each instruction set that this machine has, and compares the
# bits: docs/same-bits.md. Prints the table of hashes of each build; fails when they differ.
#   scripts/same_bits.sh              g++ and clang++, and g++-14 where it is, for AVX2 and AVX-512
#   CXXS='g++-13' scripts/same_bits.sh
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

folder=$root/build/same_bits

compilers() {
  local compiler
  for compiler in ${CXXS:-g++ clang++ g++-14}; do
    command -v "$compiler" || true
  done
}

# Instruction sets with fused multiply-adds: rapt's own products need them.
levels() {
  echo haswell
  if grep -q avx512vl /proc/cpuinfo; then echo skylake-avx512; fi
}

build_hashes() {
  local compiler=$1 level=$2 build=$3
  quietly cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_COMPILER="$compiler" -DRAPT_ARCH="$level" -DRAPT_BUILD_CLI=OFF \
    -DRAPT_BUILD_EXAMPLES=OFF -DRAPT_WERROR=OFF
  quietly cmake --build "$build" --parallel "$jobs" --target rapt_hashes
}

phase install "$root/scripts/install.sh"
mkdir -p "$folder"
tables=()
for compiler in $(compilers); do
  for level in $(levels); do
    name=$(basename "$compiler")-$level
    phase "build $name" build_hashes "$compiler" "$level" "$folder/$name"
    for threads in 1 2 4; do
      table=$folder/$name-$threads
      "$folder/$name/tests/rapt_hashes" "$threads" >"$table"
      tables+=("$table")
    done
  done
done

cat "${tables[0]}"
status=0
for table in "${tables[@]}"; do
  if cmp -s "${tables[0]}" "$table"; then
    echo "same: $(basename "$table") threads"
  else
    status=1
    echo "OTHER: $(basename "$table") threads"
    diff "${tables[0]}" "$table" || true
  fi
done
exit $status
