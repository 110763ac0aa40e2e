# SPDX-License-Identifier: BSD-3-Clause
# Slopes and averages as data beside a partial differential equation; see data.sh for the problem.
. "$SUPPORT/driver.sh"
"$MAKE_CLOUD" cloud.h5 || fail "make_cloud"
cat > without.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, source: "(exp(x)*cos(y))^3", boundary: "exp(x)*cos(y)",
           exact: "exp(x)*cos(y)"}
points:
  layout: file
  interior: {file: cloud.h5, dataset: /interior, rows: {step: 4}}
  boundary: {file: cloud.h5, dataset: /boundary, rows: {step: 60}}
prior: {kernel: matern_7_2, length: 0.6}
factor: {neighbours: 5, radius: 4}
solve: {tolerance: 1e-10}
predict: {points: {file: cloud.h5, dataset: /stations}}
DECK
slopes='{file: cloud.h5, points: /inner, values: /slopes, noise: 0.03, functional: derivative, direction: [3, 4]}'
averages='{file: cloud.h5, points: /inner, values: /averages, noise: 0.01, functional: average, radius: 0.05}'
run 2 --output without without.yaml
expect_code 0 "without measurements"
without=$(result without error_l2)

# kind data least arguments...: what the data are worth, with sparse and dense factors and other numbers of ranks.
check() {
  run 2 --output "$1" --set "data=$2" "${@:4}" without.yaml
  expect_code 0 "$1"
  local with
  with=$(result "$1" error_l2)
  echo "error_l2 without measurements $without, with $1 $with"
  expect_true "$with < $3 * $without" "what $1 are worth"
  run 3 --output "$1_three" --set "data=$2" "${@:4}" without.yaml
  expect_code 0 "$1 on three ranks"
  apart=$("$COMPARE" "$1/results.h5" /predict/mean "$1_three/results.h5" /predict/mean)
  echo "$1: two and three ranks are $apart of the range apart"
  expect_true "$apart < 1e-8" "$1 on two and three ranks"
  run 2 --output "$1_dense" --set "data=$2" --set 'factor={method: dense}' "${@:4}" without.yaml
  expect_code 0 "$1, dense"
  apart=$("$COMPARE" "$1_dense/results.h5" /predict/mean "$1/results.h5" /predict/mean)
  echo "$1: sparse and dense are $apart of the range apart"
  expect_true "$apart < 2e-3" "$1, sparse against dense"
}
check slopes "[$slopes]" 0.5
check averages "[$averages]" 0.3
# The variance that the others find.
check both "[$slopes, $averages]" 0.3 --set prior.variance=0.06
finish
