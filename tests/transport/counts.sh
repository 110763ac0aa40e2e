# SPDX-License-Identifier: BSD-3-Clause
# Messages and bytes of whole solves on up to 16 ranks (run.json, communication). In
# reference/transport 6.1 the plan exchanges with neighbours: a rank talks to a bounded number of
# others in an iteration, and bytes follow the borders of the regions, not the number of points.
. "$SUPPORT/driver.sh"
. "$PROJECT/tests/transport/problem.sh"
sed -i 's/^tolerance.*/tolerance: 1e-9/' deck.yaml

# communicated FOLDER NAME: of all ranks together.
communicated() {
  sed -n '/"communication"/,/}/p' "$1/run.json" | grep "\"$2\"" | tr -dc 0-9
}
measure() {
  local name=$1 ranks=$2 side=$3
  run "$ranks" --output "$name" --set "marginals.hill.shape=[$side,$side]" \
    --set "marginals.twins.shape=[$side,$side]" --set output.plan=false deck.yaml
  expect_code 0 "$name"
  messages=$(communicated "$name" messages)
  bytes=$(communicated "$name" bytes)
  echo "$name: $messages messages, $bytes bytes, $(communicated "$name" reductions) reductions"
}
