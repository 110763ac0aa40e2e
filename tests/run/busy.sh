#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A folder in use by a living run is refused, whatever the second one asks for.
. "$(dirname "$0")/support.sh"
deck "steps: 100" "seconds: 0.06"
run whole 1 deck.yaml --output whole --set toy.seconds=0
expect_code 0 "uninterrupted run"

start living 2 deck.yaml --output shared
wait_for living.out "5/100"
living=$launcher
# Both at once, so that the first run surely outlives them.
start overwrite 1 deck.yaml --output shared --set output.overwrite=true
overwrite=$launcher
run auto 1 deck.yaml --output shared --restart auto
expect_code 2 "restart in a folder in use"
expect_text auto.out "in use by a living run (process [0-9]* on $(hostname)"
launcher=$overwrite && finish
expect_code 2 "overwriting a folder in use"
launcher=$living
finish
expect_code 0 "the first run is unharmed"
expect_same_results whole shared
[ ! -e shared/lock ] || fail "a lock is left"

# A lock of a dead owner on this node, and one of another node that stopped beating long ago.
mkdir dead far
echo "mensura-lock $(hostname) 999999 2026-01-01T00:00:00Z - 0 3 $(date +%s)" >dead/lock
run dead 1 deck.yaml --output dead --set toy.seconds=0
expect_code 0 "lock of a dead owner"
echo "mensura-lock elsewhere 17 2026-01-01T00:00:00Z - 0 3 $(($(date +%s) - 600))" >far/lock
run far 1 deck.yaml --output far --set toy.seconds=0
expect_code 0 "stale lock of another node"

# Another node whose heart beats.
mkdir near
(
  for beat in $(seq 40); do
    echo "mensura-lock elsewhere 17 2026-01-01T00:00:00Z - 0 $beat $(date +%s)" >near/lock.new
    mv near/lock.new near/lock
    sleep 0.5
  done
) &
heart=$!
wait_for near/lock elsewhere
run near 1 deck.yaml --output near --set toy.seconds=0
expect_code 2 "lock of a living owner on another node"
expect_text near.out "process 17 on elsewhere"
kill "$heart"
wait "$heart" 2>/dev/null

# The same Slurm job, requeued onto this node: its earlier life is over.
echo "mensura-lock elsewhere 17 2026-01-01T00:00:00Z 42 0 3 $(date +%s)" >near/lock
SLURM_JOB_END_TIME=$(($(date +%s) + 3600)) SLURM_JOB_ID=42 SLURM_RESTART_COUNT=1 \
  run requeued 1 deck.yaml --output near --set toy.seconds=0
expect_code 0 "lock of the same job before it was requeued"
echo passed
