# SPDX-License-Identifier: BSD-3-Clause
# Hyper-parameters from draws of the prior, whose lengths, variance and noise are known (table 1.4 of
# the reference gp_evidence_frequencies: deviation of log length 0.05 with 625 points, sparse within
# 0.003 of dense), on any number of ranks and after a restart.
. "$SUPPORT/driver.sh"
cat > draw.yaml << 'DECK'
equation:
  name: elliptic
  reaction: 1
  source: {file: draw.h5, dataset: /source}
  boundary: {file: draw.h5, dataset: /boundary_values}
points:
  layout: file
  interior: {file: draw.h5, dataset: /interior}
  boundary: {file: draw.h5, dataset: /boundary}
prior: {kernel: matern_7_2, length: 0.5}
factor: {neighbours: 5}
DECK
fit='hyper={fit: [length], starts: 1, profile: false}'
data='data=[{file: draw.h5, points: /stations, values: /measured, noise: 0.3}]'
cubic='equation={name: elliptic, reaction: 1, power: 3, source: {file: draw.h5, dataset: /cubic}, boundary: {file: draw.h5, dataset: /boundary_values}}'

# interval FOLDER NAME: both ends.
interval() {
  results_of "$1" | tr -d '\n ' | grep -o "\"name\":\"$2\"[^}]*" | grep -o '"interval":\[[^]]*\]' |
    sed 's/.*\[//; s/\]//; s/,/ /'
}
# expect_inside FOLDER NAME TRUTH
expect_inside() {
  read -r low high <<< "$(interval "$1" "$2")"
  echo "$1: $2 $(result "$1" "$2") in [$low, $high], truth $3"
  expect_true "$low < $3 && $3 < $high" "$1: the interval of $2"
}
# expect_close FOLDER FOLDER NAME TOLERANCE: of the logarithm
expect_close() {
  expect_true "log($(result "$1" "$3") / $(result "$2" "$3"))^2 < $4^2" "$1 and $2: $3"
}

# Exact data: lengths by sparse and dense evidences.
for seed in 1 2 3; do
  "$MAKE_DRAW" draw.h5 $seed $([ $seed = 2 ] && echo random || echo grid) 21 0.3 0.3 2.5 0 0
  run 2 --output "sparse-$seed" --set "$fit" draw.yaml
  expect_code 0 "sparse, draw $seed"
  run 2 --output "dense-$seed" --set "$fit" --set 'factor={method: dense}' draw.yaml
  expect_code 0 "dense, draw $seed"
  expect_inside "sparse-$seed" fitted_length 0.3
  expect_inside "sparse-$seed" fitted_variance 2.5
  # Measured: up to 0.005, a tenth of the standard deviation.
  expect_close "sparse-$seed" "dense-$seed" fitted_length 0.01
  evidence=$(result "sparse-$seed" log_evidence)
  expect_true "($evidence - $(result "dense-$seed" log_evidence))^2 < 4.41^2" \
    "draw $seed: one nat per hundred points"
done

# The same on other numbers of ranks: values are those of conjugate gradients to 1e-8.
run 3 --output three --set "$fit" draw.yaml
expect_code 0 "on three ranks"
for name in fitted_length fitted_variance log_evidence; do
  expect_true "($(result three $name) / $(result sparse-3 $name) - 1)^2 < 1e-14" "three ranks: $name"
done

# Stopped within the fit, restarted on the same and on another number of ranks. The set-up takes
# four steps; then every step is an evaluation.
for ranks in 2 3; do
  FAULT="usr1:rank=0:step=11" start 2 "stopped-$ranks" --set "$fit" draw.yaml
  ended "stopped-$ranks"
  expect_code 75 "stopped within the fit"
  run "$ranks" --restart auto --output "stopped-$ranks" --set "$fit" draw.yaml
  expect_code 0 "restart on $ranks ranks within the fit"
  expect_text "continuing from" "restart within the fit"
done
expect_same_results sparse-3 stopped-2 "restart within the fit, bitwise"
expect_close sparse-3 stopped-3 fitted_length 1e-6
# ... and after the fit, within the solve.
steps=$(grep -c '"at":' sparse-3/run.json)
FAULT="usr1:rank=0:step=$((4 + steps + 3))" start 2 late --set "$fit" draw.yaml
ended late
expect_code 75 "stopped after the fit"
run 2 --restart auto --output late --set "$fit" draw.yaml
expect_code 0 "restart after the fit"
expect_same_results sparse-3 late "restart after the fit, bitwise"

# Lengths of two axes from equal ones: the points are ordered anew on the way.
"$MAKE_DRAW" draw.h5 3 grid 21 0.15 0.6 2.5 0 0
run 2 --output axes --set "$fit" --set 'prior.length=[0.3, 0.3]' draw.yaml
expect_code 0 "anisotropy"
expect_inside axes fitted_length_x 0.15
expect_inside axes fitted_length_y 0.6
grep -q '"orders": 2' axes/run.json || fail "anisotropy: expected a second order"

# Noisy stations: length, variance and noise, with their profiles.
"$MAKE_DRAW" draw.h5 2 grid 21 0.3 0.3 2.5 100 0.05
run 2 --output noisy --set "$data" --set 'hyper={fit: [length, variance, noise], starts: 1}' draw.yaml
expect_code 0 "noisy data"
expect_inside noisy fitted_length 0.3
expect_inside noisy fitted_variance 2.5
expect_inside noisy fitted_noise 0.05
[ "$(grep -c '"profile"' noisy/run.json)" -eq 3 ] || fail "noisy data: expected three profiles"

# Without a fit the variance alone is estimated, with the length and the noise of the deck; where it
# is given nothing is.
right=("${data/0.3/0.05}" prior.length=0.3)
run 2 --output scale --set "${right[0]}" --set "${right[1]}" draw.yaml
expect_code 0 "estimated variance"
expect_inside scale fitted_variance 2.5
expect_true "($(result scale scale) - $(result scale fitted_variance))^2 < 1e-20" "the scale in use"
run 2 --output given --set "${right[0]}" --set "${right[1]}" --set prior.variance=2.5 draw.yaml
expect_code 0 "given variance"
expect_true "$(result given scale) == 2.5" "given variance"
grep -q '"hyper"' given/run.json && fail "given variance: nothing was to be fitted"

# A nonlinear equation for a draw: Laplace's evidence.
run 2 --output cubic --set "$fit" --set "$cubic" draw.yaml
expect_code 0 "cubic"
run 2 --output cubic_dense --set "$fit" --set "$cubic" --set 'factor={method: dense}' draw.yaml
expect_code 0 "cubic, dense"
expect_inside cubic fitted_length 0.3
expect_close cubic cubic_dense fitted_length 0.01

# Where nothing can be solved the fit says why, and goes on with other keys in `solve`.
run 2 --output stalled --set "$fit" --set "$cubic" --set solve.max_newton=1 draw.yaml
expect_code 4 "a fit without solutions"
expect_text "Gauss-Newton did not converge in 1 steps" "a fit without solutions"
run 2 --restart auto --output stalled --set "$fit" --set "$cubic" draw.yaml
expect_code 0 "a fit without solutions, restarted"
expect_close stalled cubic fitted_length 1e-6

# Smooth, exact data are best explained by the longest prior: said, and without an interval.
run 2 --output bound --set "$fit" --set 'hyper.bounds.length=[0.1, 0.6]' --set points.per_side=9 \
  "$PROJECT/inputs/gp/poisson.yaml"
expect_code 0 "bound"
expect_text "at its upper bound" "bound"
expect_true "($(result bound fitted_length) - 0.6)^2 < 1e-12" "bound"

run 2 --output options --set "$fit" draw.yaml -- -gp_hyper_tao_type nonsense
expect_code 2 "an optimiser that does not exist"
expect_text "gp_hyper_tao_type" "an optimiser that does not exist"
finish
