# inputs/REFERENCE.md is generated from the option tables and must not be stale.
. "$(dirname "$0")/common.sh"
"$PROGRAM" --print-reference > REFERENCE.md || fail "--print-reference"
cmp -s REFERENCE.md "$PROJECT/inputs/REFERENCE.md" ||
  fail "inputs/REFERENCE.md is stale; renew it with: mensura-divergence --print-reference > inputs/REFERENCE.md"
finish
