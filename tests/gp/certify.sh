# SPDX-License-Identifier: BSD-3-Clause
# Certified residuals and refinement: the refined answer of a sparse factor is that of the dense
# one, on any number of ranks, and goes on from a checkpoint; steps that do not suffice are exit 4
# and can be continued with more.
. "$SUPPORT/driver.sh"
cat > deck.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, manufactured: {series: {decay: 6, terms: 600}}}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 21}
prior: {kernel: matern_7_2, length: 0.3}
solve: {tolerance: 1e-12, refine: 40}
predict: {grid: [15, 15]}
certify: true
DECK

# entry FOLDER KEY: of `certificate` in run.json
entry() {
  sed -n '/^  "certificate": {/,/^  }/p' "$1/run.json" | grep "\"$2\":" | sed 's/.*: *//; s/,$//'
}

# expect_apart FOLDER FOLDER MOST WHAT: distance of the means, of their range.
expect_apart() {
  apart=$("$COMPARE" "$1/results.h5" /predict/mean "$2/results.h5" /predict/mean)
  echo "$4: means $apart of their range apart"
  expect_true "$apart <= $3" "$4: distance of the means"
}

# The exact answer. Its residual is rounding times the size of the solution.
run 1 --output dense --set 'factor={method: dense}' --set solve.refine=0 deck.yaml
expect_code 0 "dense"
expect_true "$(result dense certified_residual) <= 1e-11" "certified residual of the dense solution"

# A sparse factor without refinement: the residual tells, the exit code does not.
run 2 --output plain --set solve.refine=0 deck.yaml
expect_code 0 "certified only"
expect_true "$(result plain certified_residual) >= 1e-4" "certified residual of radius 3"
expect_true "$(entry plain refinements) == 0" "no refinement"
expect_true "$(entry plain pairs) == 441 * 441" "pairs of points"
expect_true "$(entry plain pairs_per_second) > 0" "pairs per second"

# Refined. Both Gauss-Newton iterations end at slightly different linearisations, whose difference
# the refinement leaves: measured 1e-8, of 3e-4 before.
for ranks in 1 2 3; do
  run "$ranks" --output "refined-$ranks" deck.yaml
  expect_code 0 "refined on $ranks ranks"
  expect_true "$(result "refined-$ranks" certified_residual) <= 1e-12" "refined residual"
  expect_apart dense "refined-$ranks" 1e-6 "refined on $ranks ranks against dense"
  expect_apart refined-1 "refined-$ranks" 1e-10 "refined on $ranks ranks against one"
done
difference=$("$COMPARE" dense/results.h5 /predict/mean plain/results.h5 /predict/mean)
expect_true "$difference >= 1e-6" "there was something to refine"

# Set-up takes four steps, Gauss-Newton four to six, the residual one: stopped before it, and within
# the refinement.
newton=$(result refined-2 newton_iterations)
for after in 0 3 4; do
  FAULT="usr1:rank=0:step=$((5 + newton + after))" start 2 "stopped-$after" deck.yaml
  ended "stopped-$after"
  expect_code 75 "stopped $after steps after the solve"
  ranks=$((after == 4 ? 3 : 2))
  run "$ranks" --restart auto --output "stopped-$after" deck.yaml
  expect_code 0 "restart $after steps after the solve"
  expect_text "continuing from" "restart $after steps after the solve"
  if [ "$ranks" -eq 2 ]; then
    expect_same_results refined-2 "stopped-$after" "bitwise on the same number of ranks"
  else
    expect_apart refined-1 "stopped-$after" 1e-10 "restart on another number of ranks"
  fi
  [ "$(entry "stopped-$after" pairs)" = "$(entry refined-2 pairs)" ] ||
    fail "restart $after: pairs $(entry "stopped-$after" pairs), not $(entry refined-2 pairs)"
done

# Too few steps: partial results, exit 4, and more of them in another run.
run 2 --output few --set solve.refine=3 deck.yaml
expect_code 4 "three steps"
expect_text "raise solve.refine" "three steps"
grep -q 'refinement ended short of solve.tolerance' few/run.json || fail "no status of the residual"
expect_true "$(entry few refinements) == 3" "three steps"
run 2 --restart auto --output few --set solve.refine=40 deck.yaml
expect_code 0 "three steps and more"
expect_true "$(result few certified_residual) <= 1e-12" "three steps and more"
expect_apart refined-1 few 1e-10 "three steps and more"

# Scattered points, which only solves with the big factor precondition well (measured: 14 steps, over
# 60 with the small factor); time steps: the last linear system of the last one.
cp "$PROJECT/tests/gp/cloud.yaml" .
"$MAKE_CLOUD" cloud.h5 || fail "make_cloud"
run 2 --output cloud --set certify=true --set solve.refine=30 cloud.yaml
expect_code 0 "cloud"
cat > burgers.yaml << 'DECK'
equation: {name: burgers, viscosity: 0.02, exact: cole_hopf}
domain: {box: {lower: -1, upper: 1}}
points: {layout: grid, per_side: 101}
prior: {kernel: matern_7_2, length: 0.3}
factor: {neighbours: 1}
time: {final: 0.06, step: 0.02}
certify: true
DECK
run 2 --output burgers burgers.yaml
expect_code 0 "burgers"
expect_true "$(result burgers certified_residual) > 0" "burgers, certified residual"
expect_true "$(result burgers certified_residual) < 1e-1" "burgers, certified residual"
finish
