#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The clock: --wall, the deck's own limit, the end of the Slurm job; and periodic checkpoints.
. "$(dirname "$0")/support.sh"
deck "steps: 60" "seconds: 0.05"
run whole 2 deck.yaml --output whole --set toy.seconds=0
expect_code 0 "uninterrupted run"

run wall 2 deck.yaml --output wall --wall 00:00:03
expect_code 75 "--wall"
expect_text wall/run.json "wall-clock limit 00:00:03 (--wall)"
# The limit is no part of the problem.
run rest 3 deck.yaml --output wall --restart auto --set run.wall_time=01:00:00
expect_code 0 "restart after the limit"
expect_same_results whole wall

cat >>deck.yaml <<DECK
run: {wall_time: "00:00:02", checkpoint_every: "00:00:01"}
DECK
# Every segment makes at least one step, however slow the machine is, so twelve are enough.
run short 2 deck.yaml --output short --set toy.steps=12 --set run.wall_time=01:00:00
expect_code 0 "uninterrupted short run"
segments=0
code=75
while [ "$code" -eq 75 ] && [ "$segments" -lt 12 ]; do
  run deck 2 deck.yaml --output deck --restart auto --set toy.steps=12 --set toy.seconds=0.2
  segments=$((segments + 1))
done
expect_code 0 "a chain of requeued jobs"
[ "$segments" -ge 2 ] || fail "the deck's limit stopped nothing"
expect_text deck/log.txt "wall-clock limit 00:00:02 (run.wall_time)"
expect_same_results short deck

# A set-up that outlasts the limit keeps nothing and need not be finished.
run endless 2 deck.yaml --output endless --set toy.setup_steps=1 --set toy.seconds=60
expect_code 75 "limit within a step of the set-up"
expect_text endless/run.json "wall-clock limit 00:00:02 (run.wall_time); nothing to save yet"

export SLURM_JOB_ID=1
SLURM_JOB_END_TIME=$(($(date +%s) + 3)) run slurm 2 deck.yaml --output slurm --wall 01:00:00
expect_code 75 "end of the Slurm job"
expect_text slurm/run.json "end of the Slurm job"
unset SLURM_JOB_ID

run periodic 2 deck.yaml --output periodic --wall 01:00:00
expect_code 0 "periodic checkpoints"
[ "$(grep -c 'checkpoint after step' periodic/log.txt)" -ge 2 ] || fail "too few checkpoints"
[ "$(find periodic/checkpoint -name COMPLETE | wc -l)" -eq 2 ] || fail "not two checkpoints kept"
expect_same_results whole periodic
echo passed
