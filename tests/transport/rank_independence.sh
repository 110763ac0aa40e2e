# SPDX-License-Identifier: BSD-3-Clause
# The same answer on 1, 2, 3 and 4 ranks: potentials to 1e-10 of their range (conjugate gradients
# sum in another order; tolerance 1e-12), counts of the history, bounds to 1e-12, masses bitwise.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"
for ranks in 1 2 3 4; do
  run "$ranks" --output "np$ranks" deck.yaml
  expect_code 0 "$ranks ranks"
  [ "$ranks" -eq 1 ] && continue
  what="$ranks ranks"
  expect_apart np1 "np$ranks" 1e-10 /potentials/hill /potentials/twins \
    /history/dual_objective "$what"
  expect_apart np1 "np$ranks" 0 /marginals/hill/mass /marginals/twins/mass /history/points \
    /history/newton_iterations /history/searches /history/plan_per_row "$what"
  # Sums of exact terms that differ in the last digits.
  for name in primal_rounded dual cost_linear cost_regularised; do
    expect_true "($(result np1 $name) - $(result "np$ranks" $name))^2 <= 1e-24" "$what: $name"
  done
  expect_true "$(result "np$ranks" gap_absolute) > 0" "$what: gap"
done
# The plan's structure is that of the search: the same pairs.
expect_apart np1 np3 0 /plans/hill-twins/indptr /plans/hill-twins/indices "pairs of the plan"
finish
