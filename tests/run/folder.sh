#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a run leaves behind, on any number of ranks, and which folders it may use.
. "$(dirname "$0")/support.sh"
deck "steps: 10" "seconds: 0.01"

for ranks in 1 2 3 4; do
  run "ranks$ranks" $ranks deck.yaml --output "np$ranks"
  expect_code 0 "plain run on $ranks ranks"
  expect_same_results np1 "np$ranks"
done
expect_exit_recorded np2 0
for key in mensura version git driver status deck_hash problem_hash seed ranks hosts libraries mpi \
  petsc hdf5 eigen blas wall_seconds restarts phases numbers other seconds bytes min mean max \
  peak_memory_bytes sum memory baseline_pss_bytes peak_pss_bytes communication messages \
  reductions results history warnings; do
  expect_text np2/run.json "\"$key\": "
done
expect_text np2/run.json '"ranks": 2'
expect_text np2/run.json '"warnings": \[\]'
expect_no_text np2/run.json 'u0000'
[ "$(grep -c '"done": ' np2/run.json)" -eq 10 ] || fail "the history has not one entry per step"
cmp -s deck.yaml np2/input.yaml || fail "input.yaml is not the deck"
for name in resolved.yaml log.txt results.h5 checkpoint; do
  [ -e "np2/$name" ] || fail "np2/$name is missing"
done
[ ! -e np2/lock ] || fail "a lock is left"
expect_text np2/log.txt "max growth"
expect_text np2/log.txt " 50 %  5/10"
run resolved 2 np2/resolved.yaml --output again
expect_code 0 "the resolved deck is a deck"
expect_same_results np1 again

# A finished run is not computed again and not touched.
find np2 -type f -exec sha256sum {} + | sort >before.txt
run finished 3 deck.yaml --output np2 --restart auto
expect_code 0 "restart of a finished run"
expect_text finished.out "finished already"
find np2 -type f -exec sha256sum {} + | sort >after.txt
cmp -s before.txt after.txt || fail "the restart of a finished run changed its folder"

run exists 2 deck.yaml --output np2
expect_code 2 "folder exists"
expect_text exists.out "output.overwrite=true"
find np2 -type f -exec sha256sum {} + | sort >after.txt
cmp -s before.txt after.txt || fail "a refused run changed the folder"

run other 2 deck.yaml --output np2 --restart auto --set toy.steps=11
expect_code 2 "restart of another problem"
expect_text other.out "toy.steps"

echo mine >np2/notes.txt
run overwrite 2 deck.yaml --output np2 --set output.overwrite=true --set toy.steps=11
expect_code 0 overwrite
[ "$(cat np2/notes.txt)" = mine ] || fail "overwriting touched a file of the user"
expect_text np2/run.json '"steps": 11'

# A folder with the user's own input.yaml is never overwritten, one without a clash is used.
mkdir foreign
echo mine >foreign/input.yaml
run foreign 2 deck.yaml --output foreign --set output.overwrite=true
expect_code 2 "foreign folder"
[ "$(cat foreign/input.yaml)" = mine ] || fail "a foreign file was overwritten"
[ "$(ls foreign)" = input.yaml ] || fail "a refused folder got new files"
echo mine >plainfile
run plainfile 2 deck.yaml --output plainfile
expect_code 2 "the output folder is a file"

# Exit codes of the job itself.
run unconverged 2 deck.yaml --output unconverged --set toy.converges=false
expect_code 4 "tolerances not met"
expect_exit_recorded unconverged 4
expect_same_results np1 unconverged
run broken 3 deck.yaml --output broken --set toy.fail_at=6
expect_code 5 "numerical failure"
expect_exit_recorded broken 5
expect_text broken/run.json '"error": "the toy broke on purpose"'
expect_text broken/run.json '"steps": 5'
[ "$(grep -c 'broke on purpose' broken.out)" -eq 1 ] || fail "more than one rank complains"
[ -e broken/results.h5 ] || fail "no partial results"
echo passed
