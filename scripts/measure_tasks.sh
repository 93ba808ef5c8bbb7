#!/usr/bin/env bash
# Trains each toy task with its own defaults under three seeds and prints the table of
# docs/tasks.md. Needs scripts/train.sh to have built the program, and an idle machine.
# Arguments go to `rapt train`: scripts/measure_tasks.sh --threads 2.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

program=$root/build/release/cli/rapt
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo "| task | seed | training | exact match on 1,000 unseen sequences | loss |"
echo "|---|---|---|---|---|"
for task in reverse copy sort; do
  for seed in 1 2 3; do
    run=$folder/$task-$seed
    "$program" train --task "$task" --seed "$seed" --out "$run" "$@" >"$folder/log"
    training=$(sed -n 's/^\([0-9]* steps in .* s\)$/\1/p' "$folder/log")
    result=$("$program" eval "$run" --json)
    exact=$(sed -n 's/.*"exact_match":\([0-9.e-]*\).*/\1/p' <<<"$result")
    loss=$(sed -n 's/.*"loss":\([0-9.e-]*\).*/\1/p' <<<"$result")
    printf '| %s | %s | %s | %.1f %% | %.4f |\n' "$task" "$seed" "$training" \
      "$(awk "BEGIN { print 100 * $exact }")" "$loss"
  done
done
