# SPDX-License-Identifier: BSD-3-Clause
# The exact solution of two clouds of 2000 points: bounds that meet, the same cost from both ways to
# ask for it and on any number of ranks, a plan that is a forest, a restart in the middle, sizes.
. "$SUPPORT/driver.sh"
"$MAKE_MEASURES" measures.h5 || fail "make_measures"
cat > deck.yaml << 'DECK'
marginals:
  p: {file: measures.h5, dataset: /many, kind: points}
  q: {file: measures.h5, dataset: /others, kind: points}
method: exact
DECK

# closed FOLDER WHAT: the bounds meet to rounding and the marginals are met.
closed() {
  local gap
  gap=$(result "$1" gap_relative)
  expect_true "$gap < 1e-12 && $gap > -1e-12" "$2: relative gap"
  expect_true "$(result "$1" marginal_error_l1) < 1e-15" "$2: marginal error"
}

for ranks in 1 3; do
  run $ranks --output exact-np$ranks deck.yaml
  expect_code 0 "exact, $ranks ranks"
  closed exact-np$ranks "exact, $ranks ranks"
done
first=$(result exact-np1 dual)
expect_true "($(result exact-np3 dual) - $first)^2 < (1e-13 * $first)^2" "the cost on three ranks"
grep -q '"plan_per_row": 1.0*,' <(tr -d '\n' < exact-np1/run.json) ||
  fail "equal masses, equal numbers: one entry in every row"

# Fewer points where more than one problem is to be solved.
sed 's/kind: points/kind: points, rows: {step: 5}/' deck.yaml > small.yaml

# The certificate of a regularised solution, masses that are not equal, other costs.
for cost in squared_euclidean l1 "{name: power, power: 1.5}"; do
  run 2 --output certified --set output.overwrite=true --set certificate.exact=true \
    --set method=auto --set marginals.q.weights=/masses --set "cost=$cost" small.yaml
  expect_code 0 "certificate, $cost"
  closed certified "certificate, $cost"
  expect_true "$(result certified cost_linear) > $(result certified dual)" "regularised plan, $cost"
done

# Stopped between the regularised solution and the exact one, and resumed on another rank count.
run 2 --output whole small.yaml
expect_code 0 "undisturbed"
FAULT="slow:seconds=0.1" start 2 resumed --set certificate.exact=true --set method=auto small.yaml
for _ in $(seq 400); do
  [ "$(grep -c "level 0" resumed.txt 2> /dev/null)" -ge 3 ] && break
  sleep 0.05
done
kill -USR1 "$job"
ended resumed
expect_code 75 "stopped before the exact solution"
run 3 --restart auto --output resumed --set certificate.exact=true --set method=auto small.yaml
expect_code 0 "resumed"
closed resumed "resumed"
first=$(result whole dual)
expect_true "($(result resumed dual) - $first)^2 < (1e-13 * $first)^2" "the cost after a restart"

# More than fit: exit 7 before anything is solved.
cat > large.yaml << 'DECK'
marginals:
  f: {density: "1 + x", shape: [320, 320]}
  g: {density: "2 - x", shape: [8, 8]}
method: exact
DECK
run 2 --output large large.yaml
expect_code 7 "too many points"
expect_text "at most 100000 points" "too many points"
expect_text "found 102400 and 64" "too many points"
finish
