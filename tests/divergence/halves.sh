# Null test on real data: even and odd rows of one photograph. Every interval must hold zero.
. "$SUPPORT/driver.sh"
[ -n "${MENSURA_DATA:-}" ] || skip "needs MENSURA_DATA with photographs.h5"
run 2 --output out "$PROJECT/inputs/divergence/halves.yaml"
expect_code 0 "halves"
results_of out | tr -d ' \n' | grep -o '"interval":\[[^]]*\]' > intervals.txt
[ "$(wc -l < intervals.txt)" -eq 3 ] || fail "expected three intervals: $(cat intervals.txt)"
while read -r interval; do
  awk -v line="${interval//[^-0-9.eE,+]/}" 'BEGIN {
    sub(/^e*/, "", line); split(line, end, ","); exit !(end[1] <= 0 && 0 <= end[2] && end[2] < 0.05) }' ||
    fail "zero is not within $interval"
done < <(sed 's/"interval":\[//; s/\]//' intervals.txt)
finish
