#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# USR1, USR2 and TERM, and restarts on other numbers of ranks with bitwise the same results.
. "$(dirname "$0")/support.sh"
deck "steps: 40" "seconds: 0.05"

run whole 2 deck.yaml --output whole --set toy.seconds=0
expect_code 0 "uninterrupted run"

# `seconds` changes the problem's hash, not its numbers, so the runs below compare with this one.
start usr1 2 deck.yaml --output usr1
wait_for usr1.out "5/40\|6/40\|7/40\|8/40"
kill -USR1 "$launcher"
finish
expect_code 75 USR1
expect_exit_recorded usr1 75
expect_text usr1/run.json "stopped: USR1"
expect_text usr1/run.json '"results": \[\]'
[ ! -e usr1/lock ] || fail "a stopped run left its lock"
cp -r usr1 first

# A restart of a restart, 2 -> 3 -> 1 ranks; the second stop by TERM to one rank only, as `srun`
# would deliver it to each.
start term 3 deck.yaml --output usr1 --restart auto
wait_for term.out "24/40\|25/40\|26/40\|27/40"
kill -TERM "$(root_pid usr1)"
finish
expect_code 75 TERM
expect_text usr1/run.json "stopped: TERM"
run last 1 deck.yaml --output usr1 --restart auto
expect_code 0 "restart of a restart"
expect_same_results whole usr1
expect_text usr1/run.json '"restarts": 2'
expect_text usr1/run.json '"steps": 40'
[ "$(grep -c '"done": ' usr1/run.json)" -eq 40 ] || fail "the history is not whole"
[ "$(grep -c 'continuing from' usr1/log.txt)" -eq 2 ] || fail "log.txt was not appended"

# The same first segment on four ranks, from a named checkpoint into another folder.
point=$(ls -d first/checkpoint/*/ | tail -n 1)
run named 4 deck.yaml --output named --restart "$point"
expect_code 0 "restart from a named checkpoint"
expect_same_results whole named

# USR2: checkpoint and continue.
start usr2 2 deck.yaml --output usr2
wait_for usr2.out "4/40\|5/40\|6/40"
kill -USR2 "$launcher"
finish
expect_code 0 USR2
expect_text usr2/log.txt "USR2: checkpoint and continue"
[ -n "$(find usr2/checkpoint -name COMPLETE)" ] || fail "USR2 left no checkpoint"
expect_same_results whole usr2

# A signal before anything can be saved: stopped, and a restart begins anew.
# Its step of the set-up would go on for a minute and is left in the middle.
begin=$(date +%s)
start early 2 deck.yaml --output early --set toy.setup_steps=1 --set toy.seconds=60 --set toy.steps=3
wait_for early.out "output early"
kill -USR1 "$launcher"
finish
expect_code 75 "USR1 during set-up"
[ $(($(date +%s) - begin)) -lt 30 ] || fail "USR1 waited for the end of a step of the set-up"
expect_text early/run.json "nothing to save yet"
run anew 2 deck.yaml --output early --restart auto --set toy.steps=3
expect_code 0 "restart without a checkpoint"
expect_text anew.out "starting anew"
echo passed
