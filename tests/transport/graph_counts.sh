# SPDX-License-Identifier: BSD-3-Clause
# Communication of graphs, counted as in counts.sh, and the payload of collectives counted at MPI
# (tests/support/count_mpi.cpp). In doubles, n points to a node on P ranks, E edges, K nodes:
#   sweep of a tree    over every edge one sum each way, 3 n of all ranks together with the separable
#                      kernel (to the slabs, to the columns, back): 6 E n; collectives share an exact
#                      sum of 72 words for every node, the mass and the objective, and 8 E agreements;
#   entropy per edge   the same 6 E n; exact sums of 72 words: two for the mass, three for each leaf;
#   Newton on a tree   each product with an edge's plan brings a rank the border that the plan's blur
#                      reaches over; an iteration of the means' system solves E edges' systems (two
#                      products to an iteration, and three more) and applies three terms of two
#                      products to every edge;
#   sweep of a cycle   nothing from rank to rank. Two passes, each with the logarithms of K marginals
#                      that all ranks have: maxima of n (x_0), of n and sums of 2 n (the others), so
#                      2 n (1 + 3 (K - 1)), on every rank, however many there are.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/communication.sh"
side=32
points=$((side * side))
cat > star.yaml << DECK
marginals:
  a: {density: "exp(-((x-0.3)^2+(y-0.3)^2)/0.02)", shape: [$side, $side], floor: 1e-4}
  b: {density: "exp(-((x-0.7)^2+(y-0.3)^2)/0.01)", shape: [$side, $side], floor: 1e-4}
  c: {density: "exp(-((x-0.5)^2+(y-0.7)^2)/0.03)", shape: [$side, $side], floor: 1e-4}
  z: {free: true, like: a}
graph: {edges: [[z, a, 0.5], [z, b, 0.25], [z, c, 0.25]]}
DECK
edges=3 nodes=4

# So wide a kernel that there is a single stage, on the finest level.
star() {
  measure_sweep "$@" --set regularisation.initial=16 --set regularisation.final=16 star.yaml
  bytes=$(awk "BEGIN { print $bytes / 8 / $points }")
  messages=$(awk "BEGIN { print $messages / $1 }")
  echo "$2, one sweep: $bytes doubles per point, $messages messages per rank," \
    "$reductions collectives that share $shared bytes"
  expect_true "$bytes <= 6 * $edges && $bytes > 5 * $edges * (1 - 1.2 / $1)" "$2: bytes"
  expect_true "$messages <= 6 * $edges * ($1 - 1)" "$2: messages"
}
for ranks in 4 64; do
  star $ranks "tree-np$ranks" --set method=sinkhorn
  expect_true "$reductions <= 8 * $edges + 3" "tree on $ranks ranks: collectives"
  expect_true "$shared <= 8 * (8 * $edges + 72 * ($nodes + 2)) + 16" "tree on $ranks ranks: shared"
done
for ranks in 4 16; do
  star $ranks "edges-np$ranks" --set entropy=per_edge
  # A plain sweep has fewer of them than an over-relaxed one.
  expect_true "$reductions <= 16 * $edges + 7" "entropy per edge on $ranks ranks: collectives"
  expect_true "$shared <= 8 * (16 * $edges + 7 + 72 * (3 * $edges + 2))" \
    "entropy per edge on $ranks ranks: shared"
done

cat > cycle.yaml << 'DECK'
marginals:
  a: {density: "1", shape: 64}
  b: {density: "1 + x", shape: 64}
  c: {density: "2 - x", shape: 64}
  d: {density: "1", shape: 64}
  e: {density: "1", shape: 64}
graph: {shape: cycle, weights: [5, 5, 5, 5, 5], closing: ["1 - x"]}
regularisation: {final: 1e-2, initial: 1e-2, unit: absolute}
method: sinkhorn
DECK
nodes=5
# cycle RANKS POINTS
cycle() {
  local name="cycle-np$1-$2" shapes=() k
  for k in a b c d e; do shapes+=(--set "marginals.$k.shape=$2"); done
  measure_sweep "$1" "$name" "${shapes[@]}" cycle.yaml
  echo "$name, one sweep: $bytes bytes from rank to rank," \
    "$reductions collectives that share $shared bytes"
  local model="2 * 8 * $2 * (1 + 3 * ($nodes - 1))"
  expect_true "$bytes == 0 && $messages == 0" "$name: messages"
  # Agreements and a few counters are the rest.
  expect_true "$shared >= $model && $shared <= $model + 512" "$name: shared"
  expect_true "$reductions <= 8 * $nodes" "$name: collectives"
}
cycle 4 64
cycle 4 128
cycle 16 64

# newton RANKS: one stage of Newton's method on the finest level, of one step and of three: the two
# steps between. Sets `iterations` of the means' system in them and `share`, bytes relative to the
# model: squares of the ranks with the pixels within sqrt(27 eps / weight), inside the image.
newton() {
  local steps name first all one
  for steps in 1 3; do
    name="newton-np$1-$steps"
    measure "$1" "$name" --set method=newton --set regularisation.initial=0.5 \
      --set regularisation.final=0.5 --set tolerance=1e-300 --set solve.max_newton=$steps star.yaml
    expect_code 4 "$name"
    read -r all inner <<< "$(outer_iterations "$name")"
    [ "$steps" = 1 ] && first=("$all" "$bytes" "$messages" "$reductions" "$shared") one=$name
  done
  iterations=$((all - first[0]))
  bytes=$((bytes - first[1])) messages=$((messages - first[2]))
  reductions=$((reductions - first[3])) shared=$((shared - first[4]))
  all=$(($(counted "$name" bytes) - $(counted "$one" bytes)))
  received=$(($(counted "$name" most_received) - $(counted "$one" most_received)))
  busiest=$(awk "BEGIN { print $received * $1 / ($all + 1) }")
  share=$(awk -v ranks="$1" -v n=$side "BEGIN {
    split(\"0.5 0.25 0.25\", weight, \" \"); k = sqrt(ranks)
    for (e = 1; e <= 3; ++e) {
      width = n / k + 2 * sqrt(27 * 0.5 / 2 / weight[e]) * (k - 1) / k; if (width > n) width = n
      border += ranks * width * width - n * n
    }
    print $bytes / 8 / ($iterations * (2 * $inner + 3 + 6) * border) }")
  echo "newton-np$1, two steps: $iterations iterations (up to $inner inside); $messages messages," \
    "$bytes bytes, $share of the model; $reductions collectives; MPI with libraries: $all bytes," \
    "the busiest rank $busiest times the mean, collectives share $shared bytes"
}
# outer_iterations FOLDER: of all systems of the means, and most of an edge's inside one.
outer_iterations() {
  sed -n '/^  "history": \[/,/^  \]/p' "$1/run.json" | tr -d ' \n' | sed 's/"level":/\n/g' |
    awk '/"points"/ {
      if (match($0, /"cg_iterations":\[[0-9,]+/)) {
        n = split(substr($0, RSTART + 17, RLENGTH - 17), cg, ",")
        for (i = 1; i <= n; ++i) sum += cg[i]
      }
      match($0, /"inner_iterations":[0-9]+/); inner = substr($0, RSTART + 19, RLENGTH - 19) + 0
      if (inner > most) most = inner
    } END { print sum, most }'
}
nodes=4
newton 4
before=("$share" "$reductions")
newton 16
# The ranks' parts are no squares, and line searches and sweeps are counted, too: 1.4 and 1.5 were
# measured.
expect_true "$share <= 1.9 && $share <= 1.2 * ${before[0]}" "Newton: bytes"
expect_true "$messages / 16 <= 8 * $iterations * (2 * $inner + 9) * $edges" "Newton: messages"
expect_true "$reductions <= 1.05 * ${before[1]}" "Newton: collectives"
# Exact sums of 72 words: four for every edge's system, four for every node's mean, three products. A
# vector of all points on every rank would be 8 kB more, 30 to 50 per cent.
expect_true "$shared <= 1.25 * $iterations * 8 * 72 * (4 * $edges + 4 * $nodes + 3)" "Newton: shared"
expect_true "$busiest <= 2" "Newton: no rank gathers"
finish
