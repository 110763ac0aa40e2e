# SPDX-License-Identifier: BSD-3-Clause
# Communication of one block of eight samples, counted on up to 64 ranks (run.json, communication): the
# difference of two runs with one block more. Collectives do not grow with the ranks (three inner
# products per iteration and a few more), nor does the number of iterations; triangular solves and
# products send what lies near the borders of the ranks' shares.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/communication.sh"
cat > deck.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 1, source: "x + exp(y)", boundary: "x*y"}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 41}
prior: {kernel: matern_7_2, length: 0.3, variance: 1}
predict: {grid: [9, 9]}
solve: {tolerance: 1e-4}
output: {fields: false}
DECK

# block RANKS: sets messages, bytes and reductions of one block of eight, and its iterations.
block() {
  local few
  for samples in 8 16; do
    run "$1" --output "np$1-$samples" --set "posterior={modes: 0, samples: $samples}" deck.yaml
    expect_code 0 "$samples samples on $1 ranks"
    messages=$(communicated "np$1-$samples" messages)
    bytes=$(communicated "np$1-$samples" bytes)
    reductions=$(communicated "np$1-$samples" reductions)
    [ "$samples" -eq 8 ] && few=("$messages" "$bytes" "$reductions")
  done
  iterations=$(results_of "np$1-16" | tr -d ' \n' | grep -o '"name":"variance".*' |
    grep -o '"cg_iterations":\[[0-9,]*' | sed 's/.*,//')
  messages=$(((messages - few[0]) / $1))
  reductions=$((reductions - few[2]))
  # In numbers of eight vectors per point and iteration, all ranks together.
  bytes=$(awk "BEGIN { print ($bytes - ${few[1]}) / 64 / 41 / 41 / $iterations }")
  echo "$1 ranks, a block of eight samples: $iterations iterations, $messages messages per rank," \
    "$reductions collectives, $bytes times the points in every iteration"
}

block 4
one=$reductions most=$iterations
expect_true "$reductions <= 3 * $iterations + 20" "collectives on 4 ranks"
expect_true "$bytes < 4" "bytes on 4 ranks"
block 64
expect_true "$iterations <= $most + 1 && $iterations >= $most - 1" "iterations on 4 and 64 ranks"
expect_true "$reductions <= $one + 3 && $reductions >= $one - 3" "collectives on 4 and 64 ranks"
# Shares of 26 points are all border: two triangular solves and two products send the numbers of some
# points around, about as far as the pattern reaches.
expect_true "$bytes < 40" "bytes on 64 ranks"
finish
