# Every number in `results` is bitwise equal on 1, 2, 3, 4 and 7 ranks, with coincident points within
# and between the sets, all methods, unequal sizes.
. "$SUPPORT/driver.sh"
"$MAKE_SETS" sets.h5 || fail "make_sets"
for d in 1 2 3 8; do
  cat > deck.yaml << DECK
sets:
  p: {file: sets.h5, dataset: /p$d}
  q: {file: sets.h5, dataset: /q$d}
  g: {generate: {law: student_t, degrees_of_freedom: 4, dimension: $d, count: 2500}}
quantities:
  - {name: kl, of: [p, q]}
  - {name: kl, of: [q, p]}
  - {name: jeffreys, of: [p, q]}
  - {name: js, of: [q, g]}
  - {name: renyi, order: 0.3, of: [p, q]}
  - {name: alpha, order: 0.7, of: [p, g]}
  - {name: tsallis, order: 0.5, of: [p, q]}
  - {name: hellinger, of: [p, q]}
  - {name: bhattacharyya, of: [p, q]}
  - {name: renyi, order: 0.5, of: [p, q], method: nnr}
  - {name: kl, of: [q, p], method: nnr, neighbours: 301}
  - {name: kl, of: [q, g], method: wkv, neighbours: 7}
  - {name: jeffreys, of: [p, q], method: gaussian}
search: {batches: 5}
DECK
  for ranks in 1 2 3 4 7; do
    run "$ranks" --output "d$d-np$ranks" deck.yaml
    expect_code 0 "d = $d on $ranks ranks"
    [ "$ranks" -eq 1 ] || expect_same_results "d$d-np1" "d$d-np$ranks" "d = $d on $ranks ranks"
  done
done
finish
