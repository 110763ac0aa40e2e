# SPDX-License-Identifier: BSD-3-Clause
# Faults of numerics, ranks and disks: the documented exit code with advice, never a hang over 30 s.
. "$SUPPORT/driver.sh"
cat > deck.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, manufactured: {series: {decay: 6, terms: 600}}}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 31}
prior: {kernel: matern_7_2, length: 0.3}
predict: {grid: [15, 15]}
DECK
start_lost_ranks 2 6
run 2 --output whole deck.yaml
expect_code 0 "undisturbed run"

# Covariance matrices that double precision cannot factor.
for method in sparse dense; do
  broken 5 "smooth-$method" --set prior.kernel=gaussian --set prior.length=1 \
    --set factor.nugget=1e-16 --set "factor.method=$method"
  expect_text "not positive definite" "too smooth a kernel, $method"
  expect_text "raise factor.nugget" "too smooth a kernel, $method"
  grep -q '"exit": 5' "smooth-$method/run.json" || fail "too smooth, $method: run.json lacks exit 5"
done

# Iterations that stop before their tolerance.
broken 4 krylov --set petsc.cg.ksp_max_it=2
expect_text "conjugate gradients stopped after 2 iterations" "few conjugate gradients"
expect_text "raise factor.radius" "few conjugate gradients"
broken 4 newton --set solve.max_newton=1
expect_text "not converged" "one Gauss-Newton step"
expect_text "solve.max_newton" "one Gauss-Newton step"
grep -q '"status": "[^"]*not converged' newton/run.json || fail "one step: run.json does not say so"
expect_true "$(result newton newton_iterations) == 1" "one Gauss-Newton step"
# Its mean is written all the same: that of the linear problem, -Lap u = f, a few percent off.
apart=$("$COMPARE" whole/results.h5 /predict/mean newton/results.h5 /predict/mean)
expect_true "$apart > 1e-4 && $apart < 0.1" "one Gauss-Newton step: distance of the means"

# What the steps before a failed solve have reached is written and marked, and a restart goes on from
# there with other options: those of the linear solve, or more steps. The tolerance of the linear
# solves, 1e-8, is what two ways to the same mean share.
broken 4 third --set petsc.cg.ksp_max_it=7
expect_true "$(result third newton_iterations) == 2" "third solve fails"
grep -q '"status": "of the last step before the failure"' third/run.json || fail "partial mean unmarked"
expect_true "$("$COMPARE" whole/results.h5 /predict/mean third/results.h5 /predict/mean) < 1e-2" \
  "mean of the steps before the failure"
for name in third newton; do
  run 1 --restart auto --output "$name" deck.yaml
  expect_code 0 "restart of $name with other options"
  expect_text "made with other values of" "restart of $name"
  expect_text "continuing from" "restart of $name"
  expect_true "$("$COMPARE" whole/results.h5 /predict/mean "$name/results.h5" /predict/mean) < 1e-7" \
    "restart of $name"
done
# Which linear solves were incomplete is on record: all but the last.
complete=$(grep -o '"complete": [01]' whole/run.json | tr -dc '01')
[[ "$complete" =~ ^0+1$ ]] || fail "complete solves of the undisturbed run: '$complete'"

# Boundary values that do not fit the equation in the corners: the steps shrink ever so slowly.
run 1 --output corners --set 'equation={name: eikonal, source: "0", viscosity: 0.1, boundary: "x"}' \
  --set points.per_side=15 deck.yaml
expect_code 4 "eikonal without source"
expect_text "do not fit together" "eikonal without source"
run 1 --output fitting --set points.per_side=15 --set \
  'equation={name: eikonal, source: "0", viscosity: 0.1, boundary: "-0.1*log(1+x)"}' deck.yaml
expect_code 0 "eikonal without source, boundary values of a solution"

# Another convergence test of the conjugate gradients ends adaptive solves, and the log says so.
run 1 --output skip --set petsc.cg.ksp_convergence_test=skip --set petsc.cg.ksp_max_it=30 \
  --set points.per_side=9 deck.yaml
expect_text "options replace the convergence test" "convergence test replaced"

# A rank killed during set-up and during the solve: no rank waits for ever.
expect_killed_ranks_end 3 6

# Read-only and full output folders need a mount namespace of our own; mode bits do not stop root.
if ! unshare -m true 2> /dev/null; then
  echo "SKIPPED: read-only and full folder (no mount namespace here)"
else
  mkdir -p mounted
  in_namespace() {
    text=$(timeout 120 unshare -m bash -c \
      "$1 && exec '$MPIEXEC' -n 2 '$PROGRAM' --output mounted/out $2 deck.yaml" 2>&1)
    code=$?
  }
  in_namespace "mount -t tmpfs -o size=1m none mounted && mount -o remount,ro mounted" ""
  expect_code 6 "read-only folder"
  # Room for the log and the record, not for the mean on a million points and its fields.
  in_namespace "mount -t tmpfs -o size=64k none mounted" "--set predict.grid=[61,61]"
  expect_code 6 "full folder"
  # Full when the first checkpoint is due: the space check refuses before anything is written.
  export MENSURA_TEST_FAULT="slow:seconds=0.5"
  in_namespace "mount -t tmpfs -o size=120k none mounted" "--set run.checkpoint_every=00:00:01"
  expect_code 6 "no room for a checkpoint"
  unset MENSURA_TEST_FAULT
fi
expect_lost_ranks_ended
finish
