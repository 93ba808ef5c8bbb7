#!/usr/bin/env bash
# Trains each toy task with its own defaults under ten seeds and prints the table of docs/tasks.md.
# Needs scripts/train.sh to have built the program, and an idle machine. The median of the seeds'
# seconds; exact match of the worst seed and of all.
#   scripts/measure_tasks.sh                    all tasks
#   TASKS='copy sort' SEEDS='1 2 3' scripts/measure_tasks.sh
# Arguments go to `rapt train`: scripts/measure_tasks.sh --threads 2.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=$root/build/release/cli/rapt
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
all='copy reverse sort addition selective_copy associative_recall induction dyck majority histogram
  parity multiplication modular_arithmetic'

# The value of a key in one line of JSON.
number_of() { sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p" <<<"$2"; }

echo "| task | model | steps | seconds | exact match, worst of the seeds | mean |"
echo "|---|---|---|---|---|---|"
for task in ${TASKS:-$all}; do
  : >"$folder/exact"
  : >"$folder/seconds"
  for seed in ${SEEDS:-1 2 3 4 5 6 7 8 9 10}; do
    run=$folder/$task-$seed
    "$program" train --task "$task" --seed "$seed" --out "$run" "$@" >"$folder/log"
    number_of exact_match "$("$program" eval "$run" --json)" >>"$folder/exact"
    # "1100 steps in 1 min 15 s"
    awk '/^[0-9]+ steps? in .* s$/ { print $(NF - 1) + ($5 == "min" ? 60 * $4 : 0) }' \
      "$folder/log" >>"$folder/seconds"
  done
  model=$(sed -n "s/^$task: \(.*\)/\1/p" "$folder/log" | head -n 1)
  steps=$(sed -n 's/^\([0-9]*\) steps\{0,1\} in .*/\1/p' "$folder/log")
  seconds=$(sort -n "$folder/seconds" | awk '{ s[NR] = $1 } END { print s[int((NR + 1) / 2)] }')
  awk -v task="$task" -v model="$model" -v steps="$steps" -v seconds="$seconds" '
    NR == 1 || $1 < worst { worst = $1 }
    { sum += $1 }
    END { printf "| %s | %s | %s | %s | %.1f %% | %.1f %% |\n",
                 task, model, steps, seconds, 100 * worst, 100 * sum / NR }' "$folder/exact"
done
