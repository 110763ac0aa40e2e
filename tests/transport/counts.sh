# SPDX-License-Identifier: BSD-3-Clause
# Communication of whole solves on up to 16 ranks (run.json, communication). In reference/transport
# 6.1 the plan's products exchange N / P points and borders with neighbours: bytes of a rank stay
# well below those of gathering all N points, and collectives do not depend on the number of ranks.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"

# communicated FOLDER NAME: of all ranks together.
communicated() {
  sed -n '/"communication"/,/}/p' "$1/run.json" | grep "\"$2\"" | tr -dc 0-9
}

# exchanged FOLDER: products with the plan, two per sweep and per iteration of the linear solves,
# and what one rank would receive in bytes if each of them gathered one marginal.
exchanged() {
  sed -n '/^  "history": \[/,/^  \]/p' "$1/run.json" | tr -d ' \n' | sed 's/"level":/\n/g' |
    awk '/"points"/ {
      match($0, /"points":[0-9]+/); points = substr($0, RSTART + 9, RLENGTH - 9)
      match($0, /"sinkhorn_iterations":[0-9]+/); count = substr($0, RSTART + 22, RLENGTH - 22)
      if (match($0, /"cg_iterations":\[[0-9,]+/)) {
        n = split(substr($0, RSTART + 17, RLENGTH - 17), cg, ",")
        for (i = 1; i <= n; ++i) count += cg[i]
      }
      products += 2 * count; bytes += 2 * count * points * 8
    } END { print products, bytes }'
}

# measure RANKS SIDE: on images of SIDE x SIDE pixels.
measure() {
  local ranks=$1 side=$2 name="np$1-$2"
  run "$ranks" --output "$name" --set tolerance=1e-6 --set plan=false \
    --set "marginals.hill.shape=[$side,$side]" --set "marginals.twins.shape=[$side,$side]" deck.yaml
  expect_code 0 "$name"
  read -r products gathered <<< "$(exchanged "$name")"
  messages=$(communicated "$name" messages)
  bytes=$(communicated "$name" bytes)
  reductions=$(communicated "$name" reductions)
  echo "$name: $products products; $messages messages, $bytes bytes, $reductions reductions;" \
    "gathered: $gathered bytes per rank"
  expect_true "$products > 100" "$name: products were counted"
}
measure 1 32
expect_true "$messages == 0" "one rank sends nothing"
alone=$reductions
measure 4 32
expect_true "$reductions <= 1.3 * $alone" "4 ranks: collectives"
measure 16 32
# 64 points per rank with borders of a few pixels, as wide as the plan's blur.
expect_true "$bytes / 16 <= 0.6 * $gathered" "16 ranks: bytes"
# Even here a rank does not talk to all 15 others.
expect_true "$messages / 16 <= 0.9 * 15 * $products" "16 ranks: messages"
expect_true "$reductions <= 1.3 * $alone" "16 ranks: collectives"
small=$(awk "BEGIN { print $bytes / $gathered }")
measure 16 48
# The two sides are partitioned each for itself: what a rank fetches grows with its points at most.
expect_true "$bytes / $gathered <= 1.05 * $small" "more points: bytes"
finish
