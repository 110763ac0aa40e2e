# SPDX-License-Identifier: BSD-3-Clause
# A deck must pass --dry-run, on one and on three ranks.
. "$SUPPORT/driver.sh"
if grep -q 'MENSURA_DATA' "$1" && [ -z "${MENSURA_DATA:-}" ]; then
  skip "$1 needs MENSURA_DATA"
fi
for ranks in 1 3; do
  run "$ranks" --dry-run "$1"
  expect_code 0 "dry run on $ranks ranks"
  expect_text "memory" "dry run on $ranks ranks"
done
finish
