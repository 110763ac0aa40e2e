# SPDX-License-Identifier: BSD-3-Clause
# Errors of the dense solve against a table measured with an independent NumPy implementation:
# -Lap u + u^3 = f on the unit square, equal grids, errors on 60 x 60 points. The table has two
# digits, and half of the last one is up to 5 %.
. "$SUPPORT/driver.sh"
head='domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 11}
prior: {kernel: matern_7_2, length: 0.3}
predict: {grid: [60, 60]}
output: {fields: false}'
mode='sin(pi*x)*sin(pi*y)' fine='sin(4*pi*x)*sin(4*pi*y)'
cat > modes.yaml << DECK
equation: {name: elliptic, reaction: 1, power: 3, exact: "$mode + 4*$fine",
           source: "2*pi^2*$mode + 128*pi^2*$fine + ($mode + 4*$fine)^3"}
factor: {method: dense, nugget: 1e-12}
$head
DECK
cat > series.yaml << DECK
equation: {name: elliptic, reaction: 1, power: 3, manufactured: {series: {decay: 6, terms: 600}}}
factor: {method: dense, nugget: 1e-10}
$head
DECK

# row DECK KERNEL LENGTH CELLS L2 LINF: cells per side, so one point more
row() {
  local name="$1-$2-$4" l2 linf
  run 2 --output "$name" --set "prior={kernel: $2, length: $3}" --set "points.per_side=$(($4 + 1))" "$1.yaml"
  expect_code 0 "$name"
  l2=$(result "$name" error_l2) linf=$(result "$name" error_linf)
  echo "$name: error_l2 $l2 (table $5), error_linf $linf (table $6)"
  expect_true "$l2 > 0.95 * $5 && $l2 < 1.05 * $5" "$name: error_l2"
  expect_true "$linf > 0.95 * $6 && $linf < 1.05 * $6" "$name: error_linf"
}

row modes matern_9_2 0.3 24 3.8e-4 1.5e-3
row modes matern_9_2 0.3 32 6.2e-5 2.2e-4
row modes matern_7_2 0.3 24 4.8e-3 1.5e-2
row modes matern_7_2 0.3 32 1.4e-3 4.7e-3
row modes matern_5_2 0.3 24 1.3e-1 0.25
row modes matern_5_2 0.3 32 5.3e-2 0.10
row modes gaussian 0.2 32 3.0e-7 1.9e-6
row series matern_9_2 0.3 10 5.3e-3 7.6e-3
row series matern_9_2 0.3 20 3.3e-4 5.0e-4
row series matern_7_2 0.3 10 1.4e-2 2.2e-2
row series matern_7_2 0.3 20 9.6e-4 1.3e-3
row series matern_7_2 0.3 40 5.6e-5 7.3e-5
row series matern_5_2 0.3 10 1.6e-1 0.31
row series matern_5_2 0.3 20 3.3e-2 0.06
finish
