#!/usr/bin/env bash
# check.sh SOURCE BUILD CXX [CXXFLAGS]: installs rapt from BUILD to a folder of its own and looks at
# it from outside: what lies there, what the headers include, and whether the README's program,
# built as the README says, finds it and runs.
set -euo pipefail

source_dir=$1
build_dir=$2
compiler=$3
flags=${4:-}

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
prefix=$place/prefix
program=$place/program
mistakes=0

wrong() {
  echo "wrong: $*"
  mistakes=$((mistakes + 1))
}

quietly() {
  if ! "$@" >"$place/log" 2>&1; then
    cat "$place/log"
    echo "failed: $*"
    exit 1
  fi
}

# block LANGUAGE: the first block of that language in the README.
block() {
  awk -v start="\`\`\`$1" '$0 == start && !seen { on = seen = 1; next } $0 == "```" { on = 0 } on' \
    "$source_dir/README.md"
}

quietly cmake --install "$build_dir" --prefix "$prefix"
include=$prefix/include
mapfile -t headers < <(cd "$include" && find . -type f | sed 's|^\./||' | sort)

# What lies there: the umbrellas do, what is private does not.
for header in rapt/rapt.h rapt/autograd/autograd.h rapt/nn/nn.h rapt/optim/optim.h rapt/data/data.h rapt/training/training.h; do
  [[ -f $include/$header ]] || wrong "$header is not installed"
done
for header in "${headers[@]}"; do
  case $header in
    */graph/* | */kernels/* | */detail/*) wrong "$header is private, and installed" ;;
    *.h) ;;
    *) wrong "$header is no header, and installed among them" ;;
  esac
done

# What headers include: C++'s own (no dot, no slash) and installed ones. One may know GoogleTest.
for header in "${headers[@]}"; do
  while read -r included; do
    case $included in
      '"'*) [[ -f $include/${included//\"/} ]] || wrong "$header includes $included, which is not installed" ;;
      '<gtest/gtest.h>') [[ $header == *_gtest.h ]] || wrong "$header includes $included" ;;
      *[./]*) wrong "$header includes $included" ;;
    esac
  done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*([<"][^>"]*[>"]).*/\1/p' "$include/$header")
done

# No flag of rapt's own becomes the user's.
targets=$(find "$prefix" -name raptTargets.cmake)
if grep -E 'INTERFACE_COMPILE_(OPTIONS|DEFINITIONS)|INTERFACE_LINK_OPTIONS' "$targets"; then
  wrong "flags leak out of rapt::rapt"
fi

# The README's program is the example that it says it is, and works against what was installed.
mkdir "$program"
block cpp >"$program/main.cpp"
block cmake >"$program/CMakeLists.txt"
diff -u "$source_dir/examples/06_copy_task.cpp" "$program/main.cpp" ||
  wrong "the README's program differs from examples/06_copy_task.cpp"
quietly cmake -S "$program" -B "$program/build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_PREFIX_PATH="$prefix"
quietly cmake --build "$program/build"
cd "$program"
quietly ./build/copy_task 3
grep -q 'loss' "$place/log" || wrong "the program says nothing of its loss"
[[ -s copy_task.safetensors ]] || wrong "the program has saved nothing"

exit $((mistakes > 0))
