#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the command line promises without computing anything.
. "$(dirname "$0")/support.sh"
deck "steps: 5" "seconds: 0"

run version 2 --version
expect_code 0 version
expect_text version.out "mensura-toy 0"
expect_text version.out "deck format  1"
expect_text version.out "^petsc "
expect_text version.out "^hdf5 "
[ "$(grep -c 'deck format' version.out)" -eq 1 ] || fail "more than one rank speaks"

run help 1 --help
expect_code 0 help
for word in --dry-run --print-defaults --set --restart --output --wall --progress checkpoint_every; do
  expect_text help.out "$word"
done

run defaults 1 --print-defaults
expect_code 0 defaults
expect_text defaults.out "numbers: 1000"

run typo 2 --restrat auto deck.yaml
expect_code 2 "misspelt option"
expect_text typo.out "unknown option --restrat; did you mean '--restart'"
[ "$(grep -c restrat typo.out)" -eq 1 ] || fail "more than one rank complains"

run single 1 -ksp_view deck.yaml
expect_code 2 "option of PETSc in the wrong place"
expect_text single.out "go after"

run nodeck 1
expect_code 2 "no deck"
run twodecks 1 deck.yaml other.yaml
expect_code 2 "two decks"
run badwall 1 --wall soon deck.yaml
expect_code 2 "bad --wall"
expect_text badwall.out "hh:mm:ss"
run badprogress 1 --progress plane deck.yaml
expect_code 2 "bad --progress"
expect_text badprogress.out "plain"
run missing 2 none.yaml
expect_code 2 "missing deck"
run badkey 2 --set toy.stpes=3 deck.yaml
expect_code 2 "misspelt key"
expect_text badkey.out "steps"
run crosscheck 2 --set toy.fail_at=9 deck.yaml
expect_code 2 "check of the driver"
expect_text crosscheck.out "found a step after the last one"

run nofile 2 --set toy.file=nowhere.h5 deck.yaml
expect_code 3 "missing input file"
expect_text nofile.out "nowhere.h5"

run dry 2 --dry-run --output "it's/here" --set toy.numbers=1e6 deck.yaml
expect_code 0 "dry run"
expect_text dry.out "numbers: 1000000"
expect_text dry.out "memory per rank"
[ ! -e "it's" ] || fail "a dry run made its output folder"
cp dry.out again.yaml
run dry_again 1 --dry-run again.yaml
expect_code 0 "the output of a dry run is a deck"
expect_text dry_again.out "numbers: 1000000"

MENSURA_MEMORY_LIMIT=1K run large 2 --set toy.numbers=1e6 deck.yaml
expect_code 7 "larger than the memory"
[ ! -e out ] || fail "refused runs left an output folder"

run petsc 2 deck.yaml --output petsc -- -toy_nonsense 3
expect_code 0 "unused option of PETSc"
expect_text petsc/run.json "PETSc option -toy_nonsense 3 was never used"
run petsc_bad 2 deck.yaml --output petsc_bad -- nonsense
expect_code 2 "not an option of PETSc"
[ ! -e petsc_bad ] || fail "a usage error left an output folder"
echo passed
