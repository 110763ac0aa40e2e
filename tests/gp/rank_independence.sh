# SPDX-License-Identifier: BSD-3-Clause
# The same answer on 1, 2, 3, 4 and 7 ranks, on a grid (full of ties in the order) and on a random
# cloud: counts exactly, the mean to 1e-10 of its range, and so variance and samples. Order, pattern and factor are bitwise equal
# (unit tests); only the sums of conjugate gradients differ, hence their tolerance of 1e-12.
. "$SUPPORT/driver.sh"
cat > grid.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, manufactured: {series: {decay: 6, terms: 600}}}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 31}
prior: {kernel: matern_7_2, length: 0.3}
solve: {tolerance: 1e-12}
predict: {grid: [15, 15]}
DECK
cat > cloud.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, source: "x + exp(y)", boundary: "x*y"}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: random, interior: 500, boundary: 100}
prior: {kernel: matern_7_2, length: 0.3}
factor: {neighbours: 5}
solve: {tolerance: 1e-12}
predict: {grid: [15, 15]}
DECK
# A coarse grid: what a variance is rounded by is the prior's, and here it keeps 1e-3 of that.
cat > posterior.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, source: "x + exp(y)", boundary: "x*y"}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 11}
prior: {kernel: matern_7_2, length: 0.3}
solve: {tolerance: 1e-12}
predict: {grid: [15, 15]}
posterior: {variance: modes, modes: 16, samples: 8}
DECK
sed 's/variance: modes, modes: 16/variance: exact/' posterior.yaml > exact.yaml
for deck in grid cloud posterior exact; do
  for ranks in 1 2 3 4 7; do
    run "$ranks" --output "$deck-np$ranks" "$deck.yaml"
    expect_code 0 "$deck on $ranks ranks"
    [ "$ranks" -eq 1 ] && continue
    what="$deck on $ranks ranks"
    for name in newton_iterations nonzeros_per_row; do
      one=$(result "$deck-np1" $name)
      [ -n "$one" ] && [ "$one" = "$(result "$deck-np$ranks" $name)" ] ||
        fail "$what: $name is $(result "$deck-np$ranks" $name), on one rank $one"
    done
    fields="mean"
    [ "$deck" = posterior ] || [ "$deck" = exact ] && fields="mean variance samples"
    for field in $fields; do
      apart=$("$COMPARE" "$deck-np1/results.h5" "/predict/$field" \
                         "$deck-np$ranks/results.h5" "/predict/$field")
      echo "$what: /predict/$field $apart of its range apart"
      expect_true "$apart <= 1e-10" "$what: distance of /predict/$field"
    done
    apart=$("$COMPARE" "$deck-np1/results.h5" /predict/points "$deck-np$ranks/results.h5" /predict/points)
    expect_true "$apart == 0" "$what: distance of the prediction points"
  done
done
finish
