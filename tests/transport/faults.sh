# SPDX-License-Identifier: BSD-3-Clause
# Faults of numerics, memory, ranks and disks: the documented exit code with advice, never a hang
# over 30 s.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"
start_lost_ranks 2 20

# Iterations that stop before their tolerance: results are written and marked.
broken 4 newton --set solve.max_newton=1
expect_text "raise max_newton" "one Newton step"
grep -q '"status": "[^"]*not converged' newton/run.json || fail "one Newton step: run.json is silent"
expect_true "$(result newton marginal_error_l1) > 1e-12" "one Newton step"
expect_true "$(result newton gap_absolute) > 0" "one Newton step: bounds hold all the same"
broken 4 sinkhorn --set method=sinkhorn --set solve.max_sinkhorn=5
expect_text "max_sinkhorn" "five sweeps"

# Newton's method asked for where the plan is full: small plans are stored, and converge.
broken 0 fat --set method=newton --set regularisation.final=1000 \
  --set 'marginals.hill.shape=[16,16]' --set 'marginals.twins.shape=[16,16]'
expect_true "$(result fat marginal_error_l1) <= 1e-12" "full plan by Newton's method"

# Too little memory is refused in advance, with the numbers.
export MENSURA_MEMORY_LIMIT=2M
broken 7 memory_limit
expect_text "MiB are available" "memory limit"
unset MENSURA_MEMORY_LIMIT

# A rank killed during set-up and within the solve.
expect_killed_ranks_end 2 20

# Full output folders need a mount namespace of our own.
if ! unshare -m true 2> /dev/null; then
  echo "SKIPPED: full folder (no mount namespace here)"
else
  mkdir -p mounted
  in_namespace() {
    text=$(timeout 120 unshare -m bash -c \
      "mount -t tmpfs -o size=$1 none mounted && exec '$MPIEXEC' -n 2 '$PROGRAM' \
       --output mounted/out $2 deck.yaml" 2>&1)
    code=$?
  }
  # Room for the log and the record, not for the fields.
  in_namespace 64k ""
  expect_code 6 "full folder"
  export MENSURA_TEST_FAULT="slow:seconds=0.2"
  in_namespace 200k "--set run.checkpoint_every=00:00:01"
  expect_code 6 "no room for a checkpoint"
  unset MENSURA_TEST_FAULT
fi
expect_lost_ranks_ended
finish
