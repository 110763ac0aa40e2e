# SPDX-License-Identifier: BSD-3-Clause
# Graphs that are no trees: dense tensors, cycles, splines, lines. Known values, the same answers on 1
# to 4 ranks, restarts on other rank counts.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"

# Three electrons; the same density for all.
cat > tensor.yaml << 'DECK'
marginals:
  a: {density: "1", shape: 24}
  b: {density: "1", shape: 24}
  c: {density: "1", shape: 24}
graph: {shape: complete}
cost: coulomb
regularisation: {final: 0.05, unit: absolute}
tolerance: 1e-12
DECK
# Brenier's flow that turns the line around in four steps.
cat > cycle.yaml << 'DECK'
marginals:
  a: {density: "1", shape: 40}
  b: {density: "1", shape: 40}
  c: {density: "1", shape: 40}
  d: {density: "1", shape: 40}
graph: {shape: cycle, weights: [4, 4, 4, 4], closing: ["1 - x"]}
regularisation: {final: 4e-3, unit: absolute}
tolerance: 1e-12
DECK
# Positions in the plane: humps at three places.
cat > spline.yaml << 'DECK'
marginals:
  a: {density: "exp(-((x-0.3)^2+(y-0.4)^2)/0.02)", shape: [5, 7]}
  b: {density: "exp(-((x-0.5)^2+(y-0.4)^2)/0.02)", shape: [5, 7]}
  c: {density: "exp(-((x-0.4)^2+(y-0.4)^2)/0.02)", shape: [5, 7]}
spline: {times: [0, 1, 2], lower: [-1, -0.8], upper: [1, 0.8], count: [9, 7]}
regularisation: {final: 0.1, unit: absolute}
tolerance: 1e-12
tuples: 500
DECK
# A barycenter on a line.
cat > line.yaml << 'DECK'
marginals:
  a: {density: "exp(-(x-0.25)^2/0.005)", shape: 500}
  b: {density: "exp(-(x-0.7)^2/0.01)", shape: 400}
  z: {free: true, like: a}
graph: {edges: [[z, a, 0.4], [b, z, 0.6]]}
method: line
DECK
sweeps_of() {
  result "$1" sinkhorn_iterations | tr ' ' '\n' | awk '{ sum += $1 } END { print sum + 0 }'
}
sets_of() {
  case "$1" in
    tensor) echo /potentials/c /plans/b-c/data ;;
    cycle) echo /potentials/d /plans/d-a/data ;;
    spline) echo /marginals/a/velocity /marginals/c/velocity_variance ;;
    line) echo /marginals/z/points /potentials/a /plans/z-a/data ;;
  esac
}

for ranks in 1 2 3 4; do
  for deck in tensor cycle spline line; do
    what="$deck, $ranks ranks"
    run "$ranks" --output "$deck-$ranks" "$deck.yaml"
    expect_code 0 "$what"
    [ "$ranks" -eq 1 ] && continue
    # Sums inside a rank's share come in another order; the line's are exact.
    bound=1e-10
    [ "$deck" = line ] && bound=0
    # shellcheck disable=SC2046
    expect_apart "$deck-1" "$deck-$ranks" $bound $(sets_of $deck) "$what"
  done
  # Paths are the same but for ties within rounding.
  expect_apart spline-1 "spline-$ranks" 1e-9 /paths/velocities "paths, $ranks ranks"
done

# 7.5 = K (K H_{K-1} - (K-1)), for K = 3 on a grid that 3 divides; entropy costs a little. (Sums over
# the tensor's 14e3 entries are exact to 1e-12.)
expect_true "$(result tensor-1 dual) <= 7.5 + 1e-11" "electrons: lower bound"
expect_true "$(result tensor-1 primal_rounded) >= 7.5 - 1e-11" "electrons: upper bound"
expect_true "$(result tensor-1 gap_relative) < 0.02" "electrons: gap"
run 2 --output electrons --set method=line tensor.yaml
expect_code 0 "electrons on a line"
expect_true "($(result electrons dual) - 7.5)^2 < 1e-24" "electrons on a line"
# Two of them are a pair: 2.
grep -v ' c: \|graph:' tensor.yaml > pair.yaml
run 2 --output pair pair.yaml
expect_code 0 "two electrons"
expect_true "$(result pair dual) <= 2 + 1e-11" "two electrons: lower bound"
expect_true "$(result pair primal_rounded) >= 2 - 1e-11" "two electrons: upper bound"
run 2 --output out --set marginals.c.density=1+x --set method=line tensor.yaml
expect_code 3 "electrons that differ"
expect_text "'a' and 'c' differ" "electrons that differ"
# More than a third of the mass at one point: no plan, whatever the method.
crowded="exp(-(x-0.5)^2/0.0001)"
for method in auto line; do
  run 2 --output "crowded-$method" --set marginals.a.density="$crowded" \
    --set marginals.b.density="$crowded" --set marginals.c.density="$crowded" \
    --set marginals.a.shape=12 --set marginals.b.shape=12 --set marginals.c.shape=12 \
    --set method=$method tensor.yaml
  expect_code 3 "crowded electrons, $method"
  expect_text "'a' has a point with more than 1/3 of the mass" "crowded electrons, $method"
done

# K^2 / 6 (1 - cos(pi / K)) = 0.7810 in continuous space, on the grid above it by less than K steps of
# K h^2 / 12; entropy costs 1 % here.
optimum=$(awk 'BEGIN { print 16 / 6 * (1 - cos(3.14159265358979 / 4)) }')
expect_true "$(result cycle-1 dual) <= $optimum + 16 / 12 / 1600" "flow: lower bound"
expect_true "$(result cycle-1 cost_linear) > $optimum" "flow: cost"
expect_true "$(result cycle-1 cost_linear) < 1.03 * $optimum" "flow: cost near the optimum"
# The same map from a file: the positions from the other end.
"$MAKE_MEASURES" measures.h5 || fail "make_measures"
cat > mapped.yaml << 'DECK'
marginals:
  a: {density: "1", shape: 40}
  b: {density: "1", shape: 40}
  c: {density: "1", shape: 40}
  d: {density: "1", shape: 40}
graph: {shape: cycle, weights: [4, 4, 4, 4], closing_map: {file: measures.h5, dataset: /turned}}
regularisation: {final: 4e-3, unit: absolute}
tolerance: 1e-12
DECK
run 3 --output mapped mapped.yaml
expect_code 0 "a closing map from a file"
expect_apart cycle-1 mapped 1e-10 /potentials/a "a closing map from a file"
run 2 --output out --set output.overwrite=true --set graph.closing_map.dataset=/many mapped.yaml
expect_code 3 "a closing map of other points"
expect_text "one row for each of the 40 input points of 'a'" "a closing map of other points"

# Bounds of a spline are unknown; the text says so.
grep -q "no bounds" spline-1/run.json || fail "spline: the reason lacks its bounds"
[ "$(result spline-1 primal_rounded)" = null ] || fail "spline: an upper bound"
# Times so uneven that rounding is in the way, or that nothing is left beside it.
run 2 --output uneven --set 'spline.times=[0, 1e-3, 1]' spline.yaml
expect_code 4 "uneven times"
expect_text "rounding of the potentials changes entries of the plan" "uneven times"
run 2 --output hopeless --set 'spline.times=[0, 1e-9, 1]' spline.yaml
expect_code 3 "hopeless times"
expect_text "take times that are more than 1e-09 apart" "hopeless times"

expect_true "$(result line-1 gap_absolute) < 1e-14 * $(result line-1 dual)" "line: gap"
# The barycenter of equal measures costs nothing but rounding, about which nobody is warned.
run 2 --output equal --set 'marginals.b.density=exp(-(x-0.25)^2/0.005)' \
  --set marginals.b.shape=500 line.yaml
expect_code 0 "line: equal measures"
grep -q "the gap is" <<< "$text" && fail "line: equal measures: $text"

# Stopped in the first stage, in the middle and before the answer; restarted on other rank counts.
for case in "tensor 5 2 3" "tensor 8 1 2" "cycle 6 2 1" "cycle 20 3 2" "spline 5 2 3" "spline 7 3 1"; do
  read -r deck step before after <<< "$case"
  what="$deck stopped after step $step on $before ranks, restarted on $after"
  folder="r-$deck-$step"
  FAULT="usr1:rank=0:step=$step" start "$before" "$folder" "$deck.yaml"
  ended "$folder"
  expect_code 75 "$what"
  run "$after" --restart auto --output "$folder" "$deck.yaml"
  expect_code 0 "$what"
  expect_text "continuing from" "$what"
  expect_apart "$deck-1" "$folder" 1e-10 "$(sets_of "$deck" | cut -d " " -f 1)" "$what"
  # Trajectories of a cycle are drawn anew; nothing else is lost.
  expect_true "$(sweeps_of "$folder") <= 1.5 * $(sweeps_of "$deck-1")" "$what: sweeps"
  expect_true "$(sweeps_of "$folder") > 0" "$what: sweeps"
  # What the first run told is not told again.
  twice=$(grep -o "part 0: level.*regularisation [^:]*" "$folder/log.txt" | sort | uniq -d)
  [ -z "$twice" ] || fail "$what: reported twice: $twice"
done

# A run that was given too few sweeps goes on with more.
for deck in tensor cycle spline; do
  run 2 --output "few-$deck" --set solve.max_sinkhorn=4 --set solve.max_newton=1 \
    --set solve.sweeps=4 "$deck.yaml"
  expect_code 4 "$deck with few sweeps"
  run 3 --restart auto --output "few-$deck" "$deck.yaml"
  expect_code 0 "$deck with more sweeps"
  expect_text "continuing from" "$deck with more sweeps"
  expect_apart "$deck-1" "few-$deck" 1e-10 "$(sets_of "$deck" | cut -d " " -f 1)" "$deck with more sweeps"
done
finish
