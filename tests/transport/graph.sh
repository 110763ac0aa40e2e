# SPDX-License-Identifier: BSD-3-Clause
# A tree of marginals, two of them free, that falls into two parts: the same on 1 to 4 ranks, where
# the parts share the ranks or work side by side; restarts on other rank counts; samples.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"
# A triangle of humps around z; beyond the given c a chain over the free u.
cat > deck.yaml << 'DECK'
marginals:
  a: {density: "exp(-((x-0.3)^2+(y-0.3)^2)/0.02)", shape: [24, 24], floor: 1e-4}
  b: {density: "exp(-((x-0.7)^2+(y-0.3)^2)/0.01)", shape: [24, 24], floor: 1e-4}
  c: {density: "exp(-((x-0.5)^2+(y-0.7)^2)/0.03)", shape: [24, 24], floor: 1e-4}
  z: {free: true, like: a}
  u: {free: true, like: a}
  d: {density: "1 + x*y", shape: [24, 24]}
graph: {shape: tree, edges: [[z, a, 0.5], [z, b, 0.25], [c, z, 0.25], [c, u, 0.5], [u, d, 0.5]]}
regularisation: {final: 0.125}
tolerance: 1e-12
tuples: 4000
DECK
for ranks in 1 2 3 4; do
  run "$ranks" --output "np$ranks" deck.yaml
  expect_code 0 "$ranks ranks"
  expect_true "$(result "np$ranks" shared_marginal_error) <= 1e-11" "$ranks ranks: parts meet at c"
  expect_true "$(result "np$ranks" gap_absolute) > 0" "$ranks ranks: gap"
  [ "$ranks" -eq 1 ] && continue
  what="$ranks ranks"
  # Conjugate gradients sum in another order.
  expect_apart np1 "np$ranks" 1e-10 /potentials/a /potentials/b /potentials/c /potentials/d \
    /marginals/z/mass /marginals/u/mass "$what"
  expect_apart np1 "np$ranks" 0 /plans/z-a/indptr /plans/c-u/indices "$what"
  for name in primal_rounded dual cost_linear cost_regularised; do
    expect_true "($(result np1 $name) - $(result "np$ranks" $name))^2 <= 1e-22" "$what: $name"
  done
done
# Samples come from the plan's rows by the sample's number alone.
expect_apart np1 np3 0 /tuples "samples"
# Plans that are not written are there to be drawn from.
run 2 --output noplan --set plan=false deck.yaml
expect_code 0 "samples without plans"
expect_apart np1 noplan 0 /tuples "samples without plans"

# Stopped within a part on one rank, where the parts come one after another, and on two, where each
# has a rank of its own (there the parts work until they meet, here until both are done).
for case in "1 9 1" "1 9 2" "1 40 3" "2 3 2" "2 3 1"; do
  read -r before step after <<< "$case"
  what="stopped after step $step on $before, restarted on $after"
  folder="r$before-$step-$after"
  FAULT="usr1:rank=0:step=$step" start "$before" "$folder" deck.yaml
  ended "$folder"
  expect_code 75 "$what"
  run "$after" --restart auto --output "$folder" deck.yaml
  expect_code 0 "$what"
  expect_text "continuing from" "$what"
  expect_apart np1 "$folder" 1e-10 /potentials/a /potentials/d /marginals/z/mass "$what"
done
finish
