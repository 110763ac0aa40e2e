# Faults: damaged checkpoint, read-only and full output folder, killed and frozen ranks. Never a hang over
# 30 s, always the documented exit code.
. "$SUPPORT/driver.sh"
cat > deck.yaml << 'DECK'
sets:
  p: {generate: {law: gaussian, dimension: 2, count: 4000}}
  q: {generate: {law: gaussian, mean: 0.5, dimension: 2, count: 4000}}
quantities:
  - {name: kl, of: [p, q]}
search: {batches: 12}
DECK
start_lost_ranks 3 4
run 2 --output whole deck.yaml
expect_code 0 "undisturbed run"

# A bit flip in the newest checkpoint: it is passed over, the run says so, the older one is used.
export MENSURA_TEST_FAULT="slow:seconds=0.3;kill:rank=0:step=12"
run 2 --output flipped --set run.checkpoint_every=00:00:01 deck.yaml
unset MENSURA_TEST_FAULT
case "$code" in 137 | 143 | 1) ;; *) fail "killed rank: exit code $code" ;; esac
newest=$(ls -d flipped/checkpoint/*/ | sort | tail -1)
[ "$(ls -d flipped/checkpoint/*/COMPLETE | wc -l)" -eq 2 ] || fail "expected two checkpoints"
size=$(stat -c %s "$newest/state.h5")
byte=$(od -An -tu1 -j $((size / 2)) -N 1 "$newest/state.h5" | tr -d ' ')
printf "$(printf '\\%03o' $((byte ^ 16)))" |
  dd of="$newest/state.h5" bs=1 seek=$((size / 2)) conv=notrunc status=none
run 3 --restart auto --output flipped deck.yaml
expect_code 0 "bit flip"
expect_text "$(basename "$newest")" "the damaged checkpoint is named"
expect_same_results whole flipped "bit flip"

# A half-written checkpoint (no COMPLETE) is never used.
export MENSURA_TEST_FAULT="slow:seconds=0.3;kill:rank=0:step=12"
run 2 --output half --set run.checkpoint_every=00:00:01 deck.yaml
unset MENSURA_TEST_FAULT
rm half/checkpoint/*/COMPLETE
run 2 --restart auto --output half deck.yaml
expect_code 0 "half-written checkpoint"
expect_text "checkpoint" "half-written checkpoint"
expect_same_results whole half "half-written checkpoint"

# A killed rank: the others must not wait for ever.
expect_killed_ranks_end 4

# Read-only and full output folders need a mount namespace of our own; mode bits do not stop root.
if ! unshare -m true 2> /dev/null; then
  echo "SKIPPED: read-only and full folder (no mount namespace here)"
else
  mkdir -p mounted
  in_namespace() {
    text=$(timeout 120 unshare -m bash -c "$1 && exec '$MPIEXEC' -n 2 '$PROGRAM' --output mounted/out $2 deck.yaml" 2>&1)
    code=$?
  }
  in_namespace "mount -t tmpfs -o size=1m none mounted && mount -o remount,ro mounted" ""
  expect_code 6 "read-only folder"
  in_namespace "mount -t tmpfs -o size=48k none mounted" ""
  expect_code 6 "full folder"
  # Full when the first checkpoint is due: the space check refuses before anything is written.
  export MENSURA_TEST_FAULT="slow:seconds=0.3"
  in_namespace "mount -t tmpfs -o size=200k none mounted" "--set run.checkpoint_every=00:00:01"
  expect_code 6 "no room for a checkpoint"
  unset MENSURA_TEST_FAULT
fi
expect_lost_ranks_ended
finish
