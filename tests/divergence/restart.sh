# Runs that were stopped (USR1, wall limit) or killed between checkpoints finish after --restart auto on
# other numbers of ranks with bitwise the same results; a folder in use is refused.
. "$SUPPORT/driver.sh"
"$MAKE_SETS" sets.h5 || fail "make_sets"
cat > deck.yaml << 'DECK'
sets:
  p: {file: sets.h5, dataset: /p3}
  q: {file: sets.h5, dataset: /q3}
  g: {generate: {law: gaussian, dimension: 3, count: 3000}}
quantities:
  - {name: kl, of: [p, q]}
  - {name: js, of: [q, p]}
  - {name: renyi, order: 0.5, of: [p, q], method: nnr}
  - {name: kl, of: [p, g], method: wkv}
  - {name: kl, of: [p, g], method: gaussian}
  - {name: kl, of: [g, p]}
search: {batches: 12}
DECK
run 2 --output whole deck.yaml
expect_code 0 "uninterrupted run"

SLOW="slow:seconds=0.25"
FAULT=$SLOW

# USR1: checkpoint, stop, 75; then on three ranks, stopped again; then to the end on one rank.
start 2 usr1 deck.yaml
wait_for usr1 'batches'
sleep 1
kill -USR1 "$job"
ended usr1
expect_code 75 "stopped by USR1"
start 3 usr1 deck.yaml
wait_for usr1 'batches'
kill -USR1 "$job"
ended usr1
expect_code 75 "stopped a second time"
run 1 --restart auto --output usr1 deck.yaml
expect_code 0 "restart after USR1"
expect_same_results whole usr1 "restart after USR1"

# The wall limit.
start 3 wall --wall 00:00:05 deck.yaml
ended wall
expect_code 75 "stopped by the wall limit"
run 2 --restart auto --output wall deck.yaml
expect_code 0 "restart after the wall limit"
expect_same_results whole wall "restart after the wall limit"

# A rank killed between checkpoints (before step 12), with checkpoints every second.
FAULT="$SLOW;kill:rank=1:step=12" start 2 killed --set run.checkpoint_every=00:00:01 deck.yaml
ended killed
expect_killed "killed rank"
grep -q '"exit": 0' killed/run.json && fail "a killed run looks complete"
ls -d killed/checkpoint/*/COMPLETE > /dev/null 2>&1 || fail "no checkpoint before the kill: $text"
run 4 --restart auto --output killed deck.yaml
expect_code 0 "restart after a kill"
expect_text "checkpoint" "restart after a kill"
expect_same_results whole killed "restart after a kill"

# A second job on a folder in use is refused, and the first goes on unharmed.
start 2 busy deck.yaml
wait_for busy 'read'
run 1 --restart auto --output busy deck.yaml
expect_code 2 "second job on a folder in use"
expect_text "in use" "second job on a folder in use"
ended busy
expect_code 0 "first job on the folder"
expect_same_results whole busy "first job on the folder"

# Finished runs say so; changed problems and changed data are refused by name.
run 2 --restart auto --output busy deck.yaml
expect_code 0 "restart of a finished run"
expect_text "finished" "restart of a finished run"
start 2 changed deck.yaml
wait_for changed 'batches'
sleep 1
kill -USR1 "$job"
ended changed
expect_code 75 "stopped before the change"
run 2 --restart auto --output changed --set confidence=0.9 deck.yaml
expect_code 2 "changed deck"
expect_text "confidence" "changed deck"
run 2 --restart auto --output changed deck.yaml
expect_code 0 "unchanged deck"
expect_same_results whole changed "unchanged deck"

# A finished run is finished for the data it read only.
touch sets.h5
run 2 --restart auto --output busy deck.yaml
expect_code 2 "restart of a finished run whose data changed"
expect_text "changed since" "restart of a finished run whose data changed"
finish
