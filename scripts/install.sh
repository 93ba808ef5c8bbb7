#!/usr/bin/env bash
# Installs what rapt needs to be built and tested, from the distribution, with apt.
# Does nothing, and needs no root, when all of it is there. CXX, if set, names the compiler.
#   scripts/install.sh --bench    what the benchmarks compare with, too
#   scripts/install.sh --format   what scripts/check_format.sh needs, too
#   scripts/install.sh --clang    what scripts/check-all.sh needs, too
set -euo pipefail

with_bench=false
with_format=false
with_clang=false
case "$*" in
  '') ;;
  --bench) with_bench=true ;;
  --format) with_format=true ;;
  --clang) with_format=true with_clang=true ;;
  *)
    echo "scripts/install.sh: wanted --bench, --format, --clang or nothing; got $*" >&2
    exit 2
    ;;
esac

# What is missing of the libraries. Debian and Ubuntu give them the same names. rapt can do without
# SentencePiece, but its tests should see it.
missing_libraries() {
  local package
  for package in libeigen3-dev libcereal-dev libgtest-dev libgmock-dev nlohmann-json3-dev \
    libcli11-dev zlib1g-dev libutf8proc-dev libsentencepiece-dev; do
    is_installed "$package" || echo "$package"
  done
  # Any build of OpenBLAS will do; the one that libopenblas-dev chooses if there is none.
  is_installed libopenblas-pthread-dev || is_installed libopenblas-openmp-dev ||
    is_installed libopenblas-serial-dev || echo libopenblas-dev
}

# What is missing of what bench/ compares with. libtorch needs OpenBLAS's OpenMP build to be fast.
missing_for_bench() {
  local package
  for package in libtorch-dev libbenchmark-dev libopenblas-openmp-dev; do
    is_installed "$package" || echo "$package"
  done
}

is_installed() {
  [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# What is missing of the programs, which may also have come from elsewhere.
missing_programs() {
  local compiler=${CXX:-g++}
  command -v cmake >/dev/null || echo cmake
  command -v ninja >/dev/null || echo ninja-build
  if ! command -v "$compiler" >/dev/null; then
    basename "${compiler/clang++/clang}" # the package of g++-12 is g++-12, that of clang++ is clang
    echo libc6-dev
  fi
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  cat >&2 <<'END'
scripts/install.sh: wanted a distribution with apt (Debian, Ubuntu); got another.
rapt needs: a C++20 compiler, CMake 3.22 or newer, ninja, Eigen 3.4, OpenBLAS with cblas.h, cereal,
GoogleTest, nlohmann-json 3.9, CLI11, zlib and utf8proc, with their headers; SentencePiece, too, for
subwords that are trained, if they are wanted. When they are there:
  cmake --preset dev && cmake --build --preset dev && ctest --preset dev
END
  exit 1
fi

# What scripts/check_format.sh runs.
missing_for_format() {
  command -v clang-format >/dev/null || echo clang-format
}

# What scripts/check-all.sh and scripts/fuzz.sh run. libclang-rt has the sanitizers and libFuzzer.
missing_for_clang() {
  command -v clang++ >/dev/null || echo clang
  command -v clang-tidy >/dev/null || echo clang-tidy
  command -v llvm-cov-14 >/dev/null || echo llvm-14
  is_installed libclang-rt-14-dev || echo libclang-rt-14-dev
}

mapfile -t missing < <(
  missing_programs
  missing_libraries
  if $with_bench; then missing_for_bench; fi
  if $with_format; then missing_for_format; fi
  if $with_clang; then missing_for_clang; fi
)
if ((${#missing[@]} == 0)); then exit 0; fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "scripts/install.sh: wanted root or sudo, to install: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o=Dpkg::Use-Pty=0)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
  >"$log" 2>&1 </dev/null; then
  tail -n 30 "$log" >&2
  echo "scripts/install.sh: apt-get failed; its last words are above" >&2
  exit 1
fi
