# SPDX-License-Identifier: BSD-3-Clause
# The deck of scattered points from a file: dry run, then the run itself on three ranks.
. "$SUPPORT/driver.sh"
cp "$PROJECT/tests/gp/cloud.yaml" .
run 1 --dry-run cloud.yaml
expect_code 3 "dry run without the point file"
expect_text "cloud.h5" "dry run without the point file"
"$MAKE_CLOUD" cloud.h5 || fail "make_cloud"
for ranks in 1 3; do
  run "$ranks" --dry-run cloud.yaml
  expect_code 0 "dry run on $ranks ranks"
  expect_text "memory" "dry run on $ranks ranks"
done
[ -e out ] && fail "a dry run made an output folder"
run 3 cloud.yaml
expect_code 0 "the cloud"
# 2000 scattered points, Matern 7/2 of length 0.6: the solution ranges over about [0.3, 3.5].
expect_true "$(result out/cloud error_linf) < 1e-3" "error on the cloud"

# One prediction point on three ranks: two have nothing to write.
run 3 --output one --set 'predict={points: {file: cloud.h5, dataset: /interior, rows: {stop: 1}}}' \
  --set 'posterior={modes: 8, samples: 8}' cloud.yaml
expect_code 0 "one prediction point"
expect_true "$(result one variance) > 0" "variance at one prediction point"
finish
