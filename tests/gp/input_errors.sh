# SPDX-License-Identifier: BSD-3-Clause
# Wrong decks, points, fields and data: exit 2, 3 or 7 with what is wrong and where; never results.
. "$SUPPORT/driver.sh"
"$MAKE_CLOUD" cloud.h5 || fail "make_cloud"
cp "$PROJECT/tests/gp/cloud.yaml" .
cat > square.yaml << 'DECK'
equation: {name: elliptic, source: "1"}
domain: {box: {lower: [0, 0], upper: [1, 1]}}
points: {layout: grid, per_side: 11}
prior: {kernel: matern_7_2, length: 0.3}
DECK

# refused CODE DECK "KEY=VALUE" TEXT...: on two ranks, one key changed
refused() {
  local wanted=$1 deck=$2 change=$3
  shift 3
  run 2 --output out --set output.overwrite=true --set "$change" "$deck"
  expect_code "$wanted" "$change"
  for pattern in "$@"; do expect_text "$pattern" "$change"; done
  grep -q '"value"' out/run.json 2> /dev/null && fail "$change: results were written"
}

# Decks. The whole list is in tests/invalid/gp; these are refused before anything is made.
refused 2 square.yaml equation.name=eliptic "did you mean 'elliptic'"
refused 2 square.yaml prior.kernel=matern_3_2 "matern_5_2"
refused 2 square.yaml "equation.source=sin(pi*w)" "equation.source"
[ -e out ] && fail "a refused deck left an output folder"

# Options that PETSc refuses, when it takes them up and when it uses them: before points are made.
refused 2 square.yaml petsc.cg.ksp_type=abc "-gp_cg_ksp_type abc" "Unable to find"
refused 2 square.yaml petsc.cg.ksp_type=minres "-gp_cg_ksp_type minres" "does not support"
refused 2 square.yaml petsc.newton.snes_max_it=few "-gp_newton_snes_max_it few"
grep -qF "points:" <<< "$text" && fail "points were made before options were checked: $text"

# Formulas that are no number somewhere: the first such point is named, the same on all ranks.
refused 3 square.yaml "equation.source=log(x-0.5)" "equation.source" "log(x-0.5)" "(0.1, 0.1)" NaN
refused 3 square.yaml "equation.boundary=1/y" "equation.boundary" "(0, 0)"
refused 3 square.yaml "equation.diffusion=x-0.5" equation.diffusion "must be positive" "at (0."

# A solution that is no number where it is wanted, and none that is convex: before the factor.
refused 3 square.yaml "equation.exact=log(x-0.5)" "equation.exact" "(0, 0)" "66 values are not finite"
grep -qF "factor of" <<< "$text" && fail "the exact solution was checked after the factor: $text"
for ranks in 1 3; do
  run "$ranks" --output out --set output.overwrite=true --set \
    'equation={name: monge_ampere, source: "0.55-x", boundary: "0"}' square.yaml
  expect_code 3 "negative source on $ranks ranks"
  expect_text "; the source must be positive" "negative source on $ranks ranks"
  expect_text "(36 values are not positive)" "negative source on $ranks ranks"
done

# Samples that no memory holds: refused before anything is made, and told by a dry run.
many=(--set 'predict={grid: [3001, 3001]}' --set 'posterior={samples: 100000}' square.yaml)
run 2 --output out --set output.overwrite=true "${many[@]}"
expect_code 7 "samples beyond memory"
expect_text "TiB" "samples beyond memory"
run 1 --dry-run "${many[@]}"
expect_text "12500 for 100000 samples" "dry run of many samples"

# Points from files.
refused 3 cloud.yaml points.interior.dataset=/repeated "row 5 " "row 17 " /repeated
refused 3 cloud.yaml points.interior.dataset=/nan /nan "row 17, column 1"
refused 3 cloud.yaml points.interior.dataset=/interor "did you mean /interior"
refused 3 cloud.yaml points.boundary.dataset=/short /short "column"
refused 3 cloud.yaml 'domain={box: {lower: [-1, -1.4], upper: [1.4, 1.4]}}' /boundary "row "
refused 3 cloud.yaml 'domain={disk: {centre: [0, 0], radius: 1}}' cloud.h5 "row "

# Fields and data.
refused 3 cloud.yaml equation.source.dataset=/short equation.source "10 rows" "1368 points"
refused 3 cloud.yaml 'predict={points: {file: cloud.h5, dataset: /nan}}' /nan "row 17, column 1"
refused 3 cloud.yaml 'predict={points: {file: cloud.h5, dataset: /short}}' /short "1 column"
refused 3 cloud.yaml 'data=[{file: cloud.h5, points: /sites, values: /short, noise: 0.1}]' /short

# Files.
head -c 20000 cloud.h5 > truncated.h5
printf 'no HDF5 at all\n' > text.h5
for file in truncated.h5 text.h5; do
  refused 3 cloud.yaml "points.interior.file=$file" "$file"
done

# A factor holds no more than the lower triangle: half of 202 functionals and one half.
run 2 --dry-run --set factor.radius=100 square.yaml
expect_text "202 functionals, about 102 nonzeros per row" "dry run of a wide factor"

# Larger than the memory: refused before the points are made or read, dry or not.
cp "$PROJECT/inputs/gp/cubic_million.yaml" .
export MENSURA_MEMORY_LIMIT=200M
refused 7 cubic_million.yaml factor.radius=3 "200.00 MiB are available"
grep -qF "points:" <<< "$text" && fail "points were made before the memory was checked: $text"
run 2 --dry-run cubic_million.yaml
expect_code 7 "larger than the memory, dry run"
export MENSURA_MEMORY_LIMIT=20M
sed "s/per_side: 11/per_side: 61/" square.yaml > large.yaml
refused 7 large.yaml factor.method=dense "20.00 MiB are available"
export MENSURA_MEMORY_LIMIT=2M
refused 7 cloud.yaml prior.length=0.6 "2.00 MiB are available"
grep -qF "points:" <<< "$text" && fail "points were read before the memory was checked: $text"
finish
