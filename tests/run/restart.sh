#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A killed rank, damaged checkpoints, another problem.
. "$(dirname "$0")/support.sh"
deck "steps: 30" "seconds: 0"
run whole 2 deck.yaml --output whole
expect_code 0 "uninterrupted run"

# Checkpoints after steps 5, 12 and 20, of which two are kept; no time to tidy up at step 25.
faults="usr2:rank=0:step=5;usr2:rank=1:step=12;usr2:rank=0:step=20"
MENSURA_TEST_FAULT="$faults;kill:rank=1:step=25" run killed 2 deck.yaml --output killed
[ "$code" -ne 0 ] && [ "$code" -ne 75 ] || fail "a killed rank gave exit code $code"
[ "$(find killed/checkpoint -name COMPLETE | wc -l)" -eq 2 ] || fail "not two checkpoints kept"
expect_text killed/run.json '"exit": null'
[ -e killed/lock ] || fail "the test expects a lock left by the killed run"
cp -r killed other
cp -r killed damaged

run after 3 deck.yaml --output killed --restart auto
expect_code 0 "restart after a kill"
expect_text after.out "20 steps were done before"
expect_same_results whole killed
expect_text killed/run.json '"restarts": 1'

run differs 2 deck.yaml --output other --restart auto --set toy.numbers=1001
expect_code 2 "restart of another problem"
expect_text differs.out "toy.numbers"
expect_no_text differs.out "toy.steps"

# One flipped bit in the newest checkpoint, half of the other one missing.
newest=$(ls -d damaged/checkpoint/*/ | tail -n 1)
middle=$(($(stat -c %s "$newest/state.h5") / 2))
byte=$(od -An -tu1 -j "$middle" -N 1 "$newest/state.h5")
printf "$(printf '\\%03o' $((byte ^ 16)))" |
  dd of="$newest/state.h5" bs=1 seek="$middle" conv=notrunc status=none
cp -r damaged lost
run flipped 2 deck.yaml --output damaged --restart auto
expect_code 0 "restart with a damaged newest checkpoint"
expect_text damaged/run.json "$(basename "$newest")"
expect_text flipped.out "warning: "
expect_text flipped.out "continuing from"
expect_text flipped.out "12 steps were done before"
expect_same_results whole damaged

run named 2 deck.yaml --output named --restart "lost/checkpoint/$(basename "$newest")"
expect_code 3 "restart from a damaged checkpoint by name"
[ ! -e named ] || fail "a refused restart made a folder"

for state in lost/checkpoint/*/state.h5; do truncate -s 1000 "$state"; done
run lost 2 deck.yaml --output lost --restart auto
expect_code 0 "restart without any sound checkpoint"
expect_text lost.out "starting anew"
expect_same_results whole lost
echo passed
