# SPDX-License-Identifier: BSD-3-Clause
# Runs that were stopped (USR1, wall limit) or killed finish after --restart auto on other numbers of
# ranks with the results of an undisturbed run: bitwise on the same number, and to 1e-10 of the range
# on others, where conjugate gradients (tolerance 1e-12) sum in another order. Changed decks and
# changed point files are refused, and so is a folder in use.
. "$SUPPORT/driver.sh"
cat > cubic.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, manufactured: {series: {decay: 6, terms: 600}}}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 31}
prior: {kernel: matern_7_2, length: 0.3}
solve: {tolerance: 1e-12}
predict: {grid: [15, 15]}
DECK
cat > burgers.yaml << 'DECK'
equation: {name: burgers, viscosity: 0.02, exact: cole_hopf}
domain: {box: {lower: -1, upper: 1}}
points: {layout: grid, per_side: 101}
prior: {kernel: matern_7_2, length: 0.3}
factor: {neighbours: 1}
time: {final: 0.4, step: 0.02}
solve: {tolerance: 1e-12}
DECK

# expect_same_answer FOLDER FOLDER WHAT: the mean, the error, and one entry of history per step.
expect_same_answer() {
  apart=$("$COMPARE" "$1/results.h5" /predict/mean "$2/results.h5" /predict/mean)
  echo "$3: means $apart of their range apart"
  expect_true "$apart <= 1e-10" "$3: distance of the means"
  apart=$("$COMPARE" "$1/results.h5" /history/step "$2/results.h5" /history/step)
  expect_true "$apart == 0" "$3: steps of the history"
  [ "$(history_entries "$1")" -eq "$(history_entries "$2")" ] || fail "$3: entries of the history"
  expect_true "$(result "$1" newton_iterations) == $(result "$2" newton_iterations)" "$3: steps"
}

history_entries() {
  sed -n '/^  "history": \[/,/^  \]/p' "$1/run.json" | grep -c '"step":'
}

# Set-up takes steps 1 to 4, Gauss-Newton steps 5 to 8; the signal comes before step 6.
run 2 --output cubic cubic.yaml
expect_code 0 "cubic, undisturbed"
[ "$(history_entries cubic)" -eq 4 ] || fail "cubic: expected 4 steps in $(result cubic cg_iterations)"
for ranks in 1 2 3; do
  FAULT="usr1:rank=0:step=6" start 2 "cubic-$ranks" cubic.yaml
  ended "cubic-$ranks"
  expect_code 75 "cubic, stopped by USR1"
  expect_text "checkpoint after step 6" "cubic, stopped by USR1"
  grep -q '"error_l2"' "cubic-$ranks/run.json" && fail "a stopped run reports an error of its mean"
  run "$ranks" --restart auto --output "cubic-$ranks" cubic.yaml
  expect_code 0 "cubic, restart on $ranks ranks"
  expect_text "continuing from" "cubic, restart on $ranks ranks"
  expect_same_answer cubic "cubic-$ranks" "cubic, restart on $ranks ranks"
done
expect_same_results cubic cubic-2 "cubic, bitwise on the same number of ranks"
apart=$("$COMPARE" cubic/results.h5 /predict/mean cubic-2/results.h5 /predict/mean)
expect_true "$apart == 0" "cubic, mean bitwise on the same number of ranks"

# The dense reference, stopped between its steps and before its mean.
dense=(--set 'factor={method: dense}' --set points.per_side=13 cubic.yaml)
run 2 --output dense "${dense[@]}"
expect_code 0 "dense, undisturbed"
for step in 6 $((4 + $(history_entries dense))); do
  FAULT="usr1:rank=0:step=$step" start 2 "dense-$step" "${dense[@]}"
  ended "dense-$step"
  expect_code 75 "dense, stopped before step $step"
  run 2 --restart auto --output "dense-$step" "${dense[@]}"
  expect_code 0 "dense, restart at step $step"
  expect_same_results dense "dense-$step" "dense, bitwise after step $step"
  expect_same_answer dense "dense-$step" "dense, restart at step $step"
done

# Variance and samples: stopped among the modes (step 12 of the set-up's four, five of Gauss-Newton,
# the mean and so on), among the samples, and in the exact variance.
sed 's/per_side: 31/per_side: 13/' cubic.yaml > modes.yaml
echo 'posterior: {variance: modes, modes: 16, samples: 16}' >> modes.yaml
sed 's/variance: modes, modes: 16/variance: exact/' modes.yaml > exact.yaml
for deck in modes exact; do
  run 2 --output "$deck" "$deck.yaml"
  expect_code 0 "$deck, undisturbed"
  first=$((4 + $(history_entries "$deck") + 2))
  for step in $((first + 1)) $((first + 3)); do
    for ranks in 2 3; do
      what="$deck, stopped before step $step and restarted on $ranks ranks"
      FAULT="usr1:rank=0:step=$step" start 2 "$deck-$step-$ranks" "$deck.yaml"
      ended "$deck-$step-$ranks"
      expect_code 75 "$what"
      run "$ranks" --restart auto --output "$deck-$step-$ranks" "$deck.yaml"
      expect_code 0 "$what"
      for field in mean variance samples; do
        apart=$("$COMPARE" "$deck/results.h5" "/predict/$field" \
                           "$deck-$step-$ranks/results.h5" "/predict/$field")
        echo "$what: /predict/$field $apart of its range apart"
        # On as many ranks the same bits; on others the rounding of the prior's scale, of which the
        # variance keeps 1e-4.
        [ "$ranks" -eq 2 ] && most=0 || most=1e-9
        expect_true "$apart <= $most" "$what: distance of /predict/$field"
      done
    done
  done
done

# Stopped during set-up: nothing to keep, nothing lost.
FAULT="usr1:rank=1:step=2" start 2 early cubic.yaml
ended early
expect_code 75 "stopped during set-up"
run 2 --restart auto --output early cubic.yaml
expect_code 0 "restart of a run stopped during set-up"
expect_same_results cubic early "restart of a run stopped during set-up"

# A factor that would take hours is left within seconds.
begin=$(date +%s)
start 2 long --set factor.radius=100 --set points.per_side=51 cubic.yaml
wait_for long 'maximin order'
kill -USR1 "$job"
ended long
expect_code 75 "stopped within the factor"
expect_text "nothing to save yet" "stopped within the factor"
[ $(($(date +%s) - begin)) -le 60 ] || fail "stopped within the factor: took over a minute"

# Time steps: stopped twice, by a signal and by the wall limit, on three numbers of ranks.
run 1 --output burgers burgers.yaml
expect_code 0 "burgers, undisturbed"
FAULT="usr1:rank=0:step=9" start 2 stopped burgers.yaml
ended stopped
expect_code 75 "burgers, stopped by USR1"
FAULT="slow:seconds=0.5" start 3 stopped --wall 00:00:06 burgers.yaml
ended stopped
expect_code 75 "burgers, stopped by the wall limit"
run 1 --restart auto --output stopped burgers.yaml
expect_code 0 "burgers, restart after both"
expect_same_answer burgers stopped "burgers, restart after both"
apart=$("$COMPARE" burgers/results.h5 /history/time stopped/results.h5 /history/time)
expect_true "$apart == 0" "burgers, times of the history"

# A rank killed between checkpoints, with checkpoints every second.
FAULT="slow:seconds=0.25;kill:rank=1:step=17" \
  start 2 killed --set run.checkpoint_every=00:00:01 burgers.yaml
ended killed
expect_killed "burgers, killed rank"
ls killed/checkpoint/*/COMPLETE > /dev/null 2>&1 || fail "no checkpoint before the kill: $text"
run 3 --restart auto --output killed burgers.yaml
expect_code 0 "burgers, restart after a kill"
expect_text "continuing from" "burgers, restart after a kill"
expect_same_answer burgers killed "burgers, restart after a kill"

# A rank killed among the modes.
FAULT="slow:seconds=0.5;kill:rank=1:step=$((first + 3))" \
  start 2 modes-killed --set run.checkpoint_every=00:00:01 modes.yaml
ended modes-killed
expect_killed "modes, killed rank"
run 2 --restart auto --output modes-killed modes.yaml
expect_code 0 "modes, restart after a kill"
for field in mean variance samples; do
  apart=$("$COMPARE" modes/results.h5 "/predict/$field" modes-killed/results.h5 "/predict/$field")
  expect_true "$apart == 0" "modes, restart after a kill: /predict/$field"
done

# A folder in use is refused, and the first job goes on unharmed.
FAULT="slow:seconds=0.7" start 2 busy cubic.yaml
wait_for busy 'rows'
run 1 --restart auto --output busy cubic.yaml
expect_code 2 "second job on a folder in use"
expect_text "in use" "second job on a folder in use"
ended busy
expect_code 0 "first job on the folder"
expect_same_results cubic busy "first job on the folder"
run 2 --restart auto --output busy cubic.yaml
expect_code 0 "restart of a finished run"
expect_text "finished" "restart of a finished run"

# A changed deck is refused by the name of its key, a changed point file by its name; both go on
# once the change is undone.
cp "$PROJECT/tests/gp/cloud.yaml" .
"$MAKE_CLOUD" cloud.h5 || fail "make_cloud"
FAULT="usr1:rank=0:step=6" start 2 cloud cloud.yaml
ended cloud
expect_code 75 "cloud, stopped by USR1"
run 2 --restart auto --output cloud --set prior.length=0.7 cloud.yaml
expect_code 2 "changed deck"
expect_text "prior.length" "changed deck"
cp cloud.h5 kept.h5
"$MAKE_CLOUD" cloud.h5 1.001 || fail "make_cloud"
run 3 --restart auto --output cloud cloud.yaml
expect_code 2 "changed point file"
expect_text "cloud.h5" "changed point file"
expect_text "changed since" "changed point file"
cp kept.h5 cloud.h5
run 3 --restart auto --output cloud cloud.yaml
expect_code 0 "cloud, restart with the file restored"
expect_text "continuing from" "cloud, restart with the file restored"
finish
