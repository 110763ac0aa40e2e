# SPDX-License-Identifier: BSD-3-Clause
# Barycenters with one entropy per edge and with points that move: the same on 1 to 4 ranks, after
# restarts on other rank counts, and useful words where they do not converge.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"
cat > edges.yaml << 'DECK'
marginals:
  a: {density: "exp(-((x-0.3)^2+(y-0.3)^2)/0.02)", shape: [24, 24], floor: 1e-4}
  b: {density: "exp(-((x-0.7)^2+(y-0.3)^2)/0.01)", shape: [24, 24], floor: 1e-4}
  c: {density: "exp(-((x-0.5)^2+(y-0.7)^2)/0.03)", shape: [24, 24], floor: 1e-4}
  z: {free: true, like: a}
graph: {edges: [[z, a, 0.5], [z, b, 0.25], [z, c, 0.25]]}
entropy: per_edge
regularisation: {final: 1}
tolerance: 1e-12
DECK
cat > places.yaml << 'DECK'
marginals:
  a: {density: "exp(-((x-0.3)^2+(y-0.3)^2)/0.02)", shape: [16, 16], floor: 1e-4}
  b: {density: "exp(-((x-0.7)^2+(y-0.3)^2)/0.01)", shape: [16, 16], floor: 1e-4}
  z: {free: true, like: a, support: 60}
graph: {edges: [[z, a, 0.25], [b, z, 0.75]]}
regularisation: {final: 1}
tolerance: 1e-6
DECK
debiased=(--set debiased=true --set tolerance=1e-9)
for ranks in 1 2 3 4; do
  run "$ranks" --output "plain$ranks" edges.yaml
  expect_code 0 "plain, $ranks ranks"
  run "$ranks" --output "debiased$ranks" "${debiased[@]}" edges.yaml
  expect_code 0 "debiased, $ranks ranks"
  run "$ranks" --output "places$ranks" places.yaml
  expect_code 0 "places, $ranks ranks"
  expect_true "$(result "plain$ranks" gap_absolute) > 0" "$ranks ranks: gap"
  [ "$ranks" -eq 1 ] && continue
  for which in plain debiased; do
    expect_apart "${which}1" "$which$ranks" 1e-10 /marginals/z/mass /potentials/a /potentials/b \
      /marginals/c/transported "$which, $ranks ranks"
    for name in primal_rounded dual cost_linear cost_regularised; do
      expect_true "($(result "${which}1" $name) - $(result "$which$ranks" $name))^2 <= 1e-22" \
        "$which, $ranks ranks: $name"
    done
  done
  # Plans are solved to 1e-6, by conjugate gradients that sum in another order.
  expect_apart places1 "places$ranks" 1e-6 /marginals/z/points /potentials/a "places, $ranks ranks"
done
# The debiased barycenter is the sharper one.
expect_true "$(result debiased1 cost_linear) < $(result plain1 cost_linear)" "blur"

# On a grid of its own in the same box.
for ranks in 1 3; do
  run "$ranks" --output "coarse$ranks" --set marginals.z.resize=9 "${debiased[@]}" edges.yaml
  expect_code 0 "coarse, $ranks ranks"
  run "$ranks" --output "fine$ranks" --set marginals.z.resize=30 --set entropy=whole edges.yaml
  expect_code 0 "fine, $ranks ranks"
  expect_text "'z': free, on a grid of 30 x 30 pixels in the box of 'a'" "fine, $ranks ranks"
done
expect_apart coarse1 coarse3 1e-10 /marginals/z/mass "coarse"
expect_apart fine1 fine3 1e-9 /marginals/z/mass "fine"

# Stopped within the sweeps, within an edge of a step, and where the results are made.
for case in "edges 5 1 3" "edges 6 2 1" "places 9 1 2" "places 60 2 3"; do
  read -r deck step before after <<< "$case"
  what="$deck stopped after step $step on $before, restarted on $after"
  more=()
  whole=places1 numbers=/marginals/z/points bound=1e-6
  [ "$deck" = edges ] && more=("${debiased[@]}") whole=debiased1 numbers=/marginals/z/mass bound=1e-10
  FAULT="usr1:rank=0:step=$step" start "$before" "$deck-$step" "${more[@]}" "$deck.yaml"
  ended "$deck-$step"
  expect_code 75 "$what"
  run "$after" --restart auto --output "$deck-$step" "${more[@]}" "$deck.yaml"
  expect_code 0 "$what"
  expect_text "continuing from" "$what"
  expect_apart "$whole" "$deck-$step" "$bound" "$numbers" /potentials/a "$what"
done

# Too few sweeps or moves: exit code 4 with what is left and what to do.
run 2 --output few "${debiased[@]}" --set regularisation.final=8 --set solve.max_sinkhorn=50 edges.yaml
expect_code 4 "few sweeps"
expect_text "raise solve.max_sinkhorn" "few sweeps"
grep -q "that of the centre's plan with itself" few/run.json || fail "few sweeps: no reason"
run 2 --output moves --set solve.max_moves=2 places.yaml
expect_code 4 "few moves"
expect_text "raise solve.max_moves" "few moves"
finish
