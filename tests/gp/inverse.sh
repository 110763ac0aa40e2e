# SPDX-License-Identifier: BSD-3-Clause
# Inverse problems as a user meets them: log-permeability and pressure from noisy measurements of a
# finite-difference truth, with variances of both; a source; the same on other numbers of ranks.
. "$SUPPORT/driver.sh"
"$MAKE_DARCY" darcy.h5 200 1e-4 1 200 || fail "make_darcy"
cp "$PROJECT/inputs/gp/darcy.yaml" "$PROJECT/inputs/gp/source.yaml" .

# second FOLDER NAME: the value of a result for the second unknown
second() {
  results_of "$1" | tr -d '\n' |
    grep -o "\"name\": \"$2\", *\"field\": \"[a-z_]*\", *\"value\": *[^ ,}]*" | sed 's/.*"value": *//'
}

for deck in darcy source; do
  run 2 --dry-run "$deck.yaml"
  expect_code 0 "dry run of $deck"
done
small=(--set points.per_side=21 --set solve.tolerance=1e-11)
posterior='posterior={modes: 16, samples: 16}'
run 1 --output darcy1 "${small[@]}" --set "$posterior" darcy.yaml
expect_code 0 "darcy on one rank"
run 3 --output darcy3 "${small[@]}" --set "$posterior" darcy.yaml
expect_code 0 "darcy on three ranks"
echo "darcy: error of u $(result darcy1 error_l2), of w $(second darcy1 error_l2)," \
  "coverage $(result darcy1 coverage), $(second darcy1 coverage)"
# Of values up to 0.04 with noise 1e-4, and from 0.7 to 2: measured 6e-5 and 0.04.
expect_true "$(result darcy1 error_l2) < 1.5e-4" "error of the pressure"
expect_true "$(second darcy1 error_l2) < 0.1" "error of the log-permeability"
# One problem, correlated errors: far from 0 and from intervals of no use.
expect_true "$(second darcy1 coverage) > 0.7" "coverage of the log-permeability"
expect_true "$(second darcy1 variance) < 0.02" "variance of the log-permeability, 1 before the data"
# The two variances, of very different sizes, have errors of their own.
errors=$(results_of darcy1 | tr -d '\n' | grep -o '"relative_error": *[^ ,}]*' | sort -u | wc -l)
[ "$errors" -eq 2 ] || fail "relative errors of the two variances: expected 2 numbers, found $errors"
# Means to the tolerance of the solves. Variances by modes divide by what the modes leave and are as
# accurate as their own solves, 1e-4.
for name in mean log_permeability/mean variance log_permeability/variance; do
  case $name in *variance) allowed=1e-3 ;; *) allowed=1e-9 ;; esac
  apart=$("$COMPARE" darcy1/results.h5 "/predict/$name" darcy3/results.h5 "/predict/$name")
  echo "$name: one and three ranks are $apart of the range apart"
  expect_true "$apart < $allowed" "$name on one and three ranks"
done
[ -s darcy1/fields/mean.h5 ] || fail "no fields"

# Where w itself is measured, too, its error falls.
sensors='{file: darcy.h5, points: /sensors, values: /measured, noise: 1e-4}'
wells='{file: darcy.h5, points: /wells, values: /logs, noise: 0.01, field: log_permeability}'
run 2 --output wells "${small[@]}" --set posterior.modes=0 --set posterior.samples=1 \
  --set "data=[$sensors, $wells]" darcy.yaml
expect_code 0 "darcy with wells"
echo "error of w with twenty wells $(second wells error_l2)"
expect_true "$(second wells error_l2) < $(second darcy1 error_l2)" "what the wells are worth"

# Lengths of both priors and the noise, by the evidence of the data given the equation. What the
# equation says by itself favours long lengths: the evidence of both together ends at a length of 2
# and six times the noise (measured).
"$MAKE_DARCY" coarse.h5 80 1e-3 1 200 || fail "make_darcy"
run 2 --output fitted --set points.per_side=11 --set 'factor={method: dense}' \
  --set 'posterior={modes: 0, samples: 1}' --set 'hyper={fit: [length, noise], starts: 1, profile: false}' \
  --set 'data=[{file: coarse.h5, points: /sensors, values: /measured, noise: 2e-3}]' darcy.yaml
expect_code 0 "lengths and noise"
interval=$(results_of fitted | tr -d '\n ' | grep -o '"name":"fitted_noise"[^}]*' |
  grep -o '"interval":\[[^]]*\]' | sed 's/.*\[//; s/\]//; s/,/ /')
read -r low high <<< "$interval"
length=$(result fitted fitted_log_permeability_length)
echo "fitted noise $(result fitted fitted_noise) in [$low, $high], truth 1e-3; length of w $length"
expect_true "$low < 1e-3 && 1e-3 < $high" "the interval of the noise"
# Features of the truth are a quarter of the square wide; measured 0.27.
expect_true "0.1 < $length && $length < 0.6" "the length of the log-permeability"
grep -q '"evidence": "data given equation and boundary"' fitted/run.json || fail "which evidence"

# Stopped between two steps of Gauss-Newton and continued: bitwise on the same number of ranks.
mean=("${small[@]}" --set points.per_side=13 --set posterior.modes=0 --set posterior.samples=1)
run 2 --output whole "${mean[@]}" darcy.yaml
expect_code 0 "darcy, undisturbed"
for ranks in 2 3; do
  FAULT="usr1:rank=0:step=7" start 2 "stopped$ranks" "${mean[@]}" darcy.yaml
  ended "stopped$ranks"
  expect_code 75 "darcy, stopped by USR1"
  run "$ranks" --restart auto --output "stopped$ranks" "${mean[@]}" darcy.yaml
  expect_code 0 "darcy, restart on $ranks ranks"
  for name in mean log_permeability/mean; do
    apart=$("$COMPARE" whole/results.h5 "/predict/$name" "stopped$ranks/results.h5" "/predict/$name")
    echo "$name: restart on $ranks ranks is $apart of the range apart"
    expect_true "$apart <= 1e-9" "$name, restart on $ranks ranks"
  done
done
expect_same_results whole stopped2 "darcy, bitwise on the same number of ranks"

# A linear problem: one step; sparse against dense.
run 2 --output source "${small[@]}" --set posterior.samples=1 --set posterior.modes=0 source.yaml
expect_code 0 "source"
[ "$(result source newton_iterations)" = 1 ] || fail "a linear problem took more than one step"
run 1 --output dense --set points.per_side=21 --set 'factor={method: dense}' \
  --set posterior.samples=1 --set posterior.modes=0 source.yaml
expect_code 0 "source, dense"
echo "source: error $(second source error_l2), dense $(second dense error_l2)"
# Of values up to 50; measured 0.2.
expect_true "$(second source error_l2) < 0.6" "error of the source"
apart=$("$COMPARE" source/results.h5 /predict/source/mean dense/results.h5 /predict/source/mean)
echo "sparse and dense are $apart of the range apart"
expect_true "$apart < 1e-2" "sparse and dense"
finish
