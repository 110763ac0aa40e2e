# SPDX-License-Identifier: BSD-3-Clause
# Measurements with noise beside a partial differential equation. Scattered points of the flower,
# solution exp(x) cos(y) (range about 3), measured at 200 sites with noise 0.01; the boundary values
# are known at four points only, so that measurements have something to say.
. "$SUPPORT/driver.sh"
"$MAKE_CLOUD" cloud.h5 || fail "make_cloud"
cat > without.yaml << 'DECK'
equation: {name: elliptic, reaction: 1, power: 3, source: "(exp(x)*cos(y))^3", boundary: "exp(x)*cos(y)",
           exact: "exp(x)*cos(y)"}
points:
  layout: file
  interior: {file: cloud.h5, dataset: /interior, rows: {step: 2}}
  boundary: {file: cloud.h5, dataset: /boundary, rows: {step: 60}}
prior: {kernel: matern_7_2, length: 0.6, variance: 1}
factor: {neighbours: 5, radius: 4}
solve: {tolerance: 1e-10}
predict: {points: {file: cloud.h5, dataset: /stations}}
DECK
data='data=[{file: cloud.h5, points: /sites, values: /measured, noise: 0.01}]'
run 2 --output without without.yaml
expect_code 0 "without measurements"
run 2 --output with --set "$data" without.yaml
expect_code 0 "with measurements"
without=$(result without error_l2) with=$(result with error_l2)
echo "error_l2 without measurements $without, with them $with"
# With 200 sites of noise 0.01 the mean must know u to well under the noise of one measurement.
expect_true "$with < 0.005" "error with measurements"
expect_true "$with < 0.2 * $without" "what measurements are worth"

# The dense reference conditions on the same measurements without an inner iteration.
run 2 --output dense --set "$data" --set 'factor={method: dense}' without.yaml
expect_code 0 "dense"
apart=$("$COMPARE" dense/results.h5 /predict/mean with/results.h5 /predict/mean)
echo "sparse and dense are $apart of the range apart"
expect_true "$apart < 5e-4" "sparse against dense"

# Measurements that know nothing change nothing: exactly so for the dense reference; their points
# take part in the order and the pattern, which moves the sparse answer within its own accuracy.
vague=${data/noise: 0.01/noise: 1e6}
run 1 --output dense_without --set 'factor={method: dense}' without.yaml
expect_code 0 "dense, without measurements"
run 1 --output dense_vague --set "$vague" --set 'factor={method: dense}' without.yaml
expect_code 0 "dense, vague measurements"
apart=$("$COMPARE" dense_without/results.h5 /predict/mean dense_vague/results.h5 /predict/mean)
echo "vague measurements move the dense mean by $apart of its range"
expect_true "$apart < 1e-6" "dense, vague measurements"
run 2 --output vague --set "$vague" without.yaml
expect_code 0 "vague measurements"
apart=$("$COMPARE" dense_without/results.h5 /predict/mean vague/results.h5 /predict/mean)
echo "the sparse mean with vague measurements is $apart of the range from the dense one without"
expect_true "$apart < 5e-3" "vague measurements"

# The same on other numbers of ranks.
run 3 --output three --set "$data" without.yaml
expect_code 0 "on three ranks"
apart=$("$COMPARE" with/results.h5 /predict/mean three/results.h5 /predict/mean)
echo "two and three ranks are $apart of the range apart"
expect_true "$apart < 1e-8" "two and three ranks"
finish
