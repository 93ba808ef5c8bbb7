# For the other scripts, which source it: where things are, and how a phase is run and timed.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# As many jobs as cores, but no more than memory bears: the compiler takes up to 1.5 GB for a file.
jobs_for_this_machine() {
  local cores kilobytes by_memory limit
  cores=$(nproc)
  kilobytes=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [[ "$limit" != max ]] && ((limit / 1024 < kilobytes)); then kilobytes=$((limit / 1024)); fi
  by_memory=$((kilobytes / 1500000))
  if ((by_memory < 1)); then by_memory=1; fi
  echo $((by_memory < cores ? by_memory : cores))
}

# phase NAME COMMAND...: runs the command and says how long it took.
phase() {
  local name=$1 before=$SECONDS
  shift
  echo "== $name"
  "$@"
  echo "== $name: $((SECONDS - before)) s"
}

# Says what a command said only if it failed.
quietly() {
  local said
  said=$("$@" 2>&1) || {
    echo "$said" >&2
    return 1
  }
}

configure() {
  quietly cmake -S "$root" --preset "$1"
}

# build PRESET [TARGET]: with ninja's progress on a terminal, else only what goes wrong.
build() {
  local command=(cmake --build "$root/build/$1" --parallel "$jobs" ${2:+--target "$2"})
  if [[ -t 1 ]]; then "${command[@]}"; else quietly "${command[@]}"; fi
}

jobs=$(jobs_for_this_machine)
