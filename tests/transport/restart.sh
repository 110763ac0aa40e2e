# SPDX-License-Identifier: BSD-3-Clause
# Runs that were stopped or killed finish after --restart auto with the results of an undisturbed
# run: bitwise on the same number of ranks, and to 1e-10 of the range on others, where conjugate
# gradients sum in another order (tolerance 1e-12).
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"
everything="/potentials/hill /potentials/twins /plans/hill-twins/data /history/dual_objective"

run 2 --output whole deck.yaml
expect_code 0 "undisturbed"
# In the first stage, between two stages, within Newton's method, and after the last stage, before
# the certificate: steps 3, 12, 23 and 25.
for step in 3 12 23 25; do
  FAULT="usr1:rank=1:step=$step" start 2 "s$step" deck.yaml
  ended "s$step"
  expect_code 75 "stopped after step $step"
  expect_text "checkpoint after step $step" "stopped after step $step"
  cp -r "s$step" "t$step"
  run 2 --restart auto --output "s$step" deck.yaml
  expect_code 0 "restart from step $step"
  expect_text "continuing from" "restart from step $step"
  expect_same_results whole "s$step" "restart from step $step"
  expect_apart whole "s$step" 0 $everything "restart from step $step"
done
for ranks in 1 3; do
  cp -r t23 "u$ranks"
  run "$ranks" --restart auto --output "u$ranks" deck.yaml
  expect_code 0 "restart on $ranks ranks"
  expect_text "continuing from" "restart on $ranks ranks"
  expect_apart whole "u$ranks" 1e-10 /potentials/hill /potentials/twins "restart on $ranks ranks"
done

# A rank killed between checkpoints.
FAULT="slow:seconds=0.15;kill:rank=1:step=22" \
  start 2 killed --set run.checkpoint_every=00:00:01 deck.yaml
ended killed
expect_killed "killed rank"
ls killed/checkpoint/*/COMPLETE > /dev/null 2>&1 || fail "no checkpoint before the kill: $text"
run 2 --restart auto --output killed deck.yaml
expect_code 0 "restart after a kill"
expect_text "continuing from" "restart after a kill"
expect_apart whole killed 0 $everything "restart after a kill"

# Sinkhorn's iteration, and the three problems of a divergence: within one and between two.
small=(--set tolerance=1e-9 --set regularisation.final=4 --set method=sinkhorn --set divergence=true
       --set 'marginals.hill.shape=[16,16]' --set 'marginals.twins.shape=[16,16]')
run 2 --output divergence "${small[@]}" deck.yaml
expect_code 0 "divergence"
stages=$(grep -c '"level":' divergence/run.json)
for step in 4 5 6 7 9; do
  FAULT="usr1:rank=0:step=$step" start 2 "d$step" "${small[@]}" deck.yaml
  ended "d$step"
  expect_code 75 "divergence stopped after step $step"
  run 2 --restart auto --output "d$step" "${small[@]}" deck.yaml
  expect_code 0 "divergence from step $step"
  expect_same_results divergence "d$step" "divergence from step $step"
  [ "$(grep -c '"level":' "d$step/run.json")" -eq "$stages" ] ||
    fail "divergence from step $step: the history lacks stages"
done

# Other inputs are refused.
run 2 --restart auto --output t23 --set regularisation.final=0.5 deck.yaml
expect_code 2 "changed deck"
expect_text "regularisation.final" "changed deck"
finish
