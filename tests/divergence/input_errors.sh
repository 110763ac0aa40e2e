# Wrong data: exit 3 with the file, the dataset and the first offending row and column; never results.
. "$SUPPORT/driver.sh"
"$MAKE_SETS" sets.h5 || fail "make_sets"
head -c 20000 sets.h5 > truncated.h5
printf 'no HDF5 at all\n' > text.h5

# refused CODE P_SOURCE TEXT...: set p against a good set q on three ranks
refused() {
  local wanted=$1 source=$2
  shift 2
  cat > deck.yaml << DECK
sets:
  p: {$source}
  q: {file: sets.h5, dataset: ${Q:-/q3}}
quantities:
  - {name: kl, of: [p, q]}
output: {overwrite: true}
DECK
  run 3 --output out deck.yaml
  expect_code "$wanted" "$source"
  for pattern in "$@"; do expect_text "$pattern" "$source"; done
  grep -q '"value"' out/run.json 2> /dev/null && fail "$source: results were written"
}

refused 3 "file: sets.h5, dataset: /nan" sets.h5 /nan "row 417, column 1"
refused 3 "file: sets.h5, dataset: /inf" sets.h5 /inf "row 500, column 0"
refused 3 "file: sets.h5, dataset: /nan, rows: {start: 417, step: 3}" "row 417, column 1"
refused 3 "file: sets.h5, dataset: /cube" /cube
refused 3 "file: sets.h5, dataset: /words" /words
refused 3 "file: sets.h5, dataset: /empty" /empty
Q=/line refused 3 "file: sets.h5, dataset: /huge" /huge "row 2"
refused 3 "file: sets.h5, dataset: /absent" /absent
refused 3 "file: sets.h5, dataset: /p33" /p33 "/p3"
refused 3 "file: sets.h5, dataset: /" sets.h5
refused 3 "file: nowhere.h5, dataset: /p3" nowhere.h5
refused 3 "file: truncated.h5, dataset: /p3" truncated.h5
refused 3 "file: text.h5, dataset: /p3" text.h5
refused 3 "file: sets.h5, dataset: /p8" "dimension 8" "dimension 3"
refused 3 "file: sets.h5, dataset: /p3, rows: {start: 5000}" /p3
refused 2 "file: sets.h5, dataset: /p3, rows: {stop: 1}, rows: {stop: 2}" "rows"

# More neighbours than points.
cat > small.yaml << 'DECK'
sets:
  p: {file: sets.h5, dataset: /line, rows: {stop: 20}}
  q: {file: sets.h5, dataset: /line, rows: {start: 20, stop: 60}}
quantities:
  - {name: kl, of: [p, q]}
DECK
run 2 --output small small.yaml
expect_code 2 "k larger than the data"
expect_text "k = 64" "k larger than the data"

[ -e small ] && fail "a refused deck left an output folder"
run 2 --dry-run small.yaml
expect_code 2 "k larger than the data, dry run"

# A set of one point.
cat > one.yaml << 'DECK'
sets:
  p: {file: sets.h5, dataset: /line, rows: {stop: 1}}
  q: {file: sets.h5, dataset: /line}
quantities:
  - {name: kl, of: [p, q], method: gaussian}
DECK
run 2 --output one one.yaml
expect_code 3 "one point"
expect_text "set 'p'" "one point"

# Input larger than the memory: refused before it is read.
cat > large.yaml << 'DECK'
sets:
  p: {generate: {law: gaussian, dimension: 3, count: 1000000}}
  q: {generate: {law: gaussian, dimension: 3, count: 1000000}}
quantities:
  - {name: kl, of: [p, q]}
DECK
MENSURA_MEMORY_LIMIT=10M run 2 --output large large.yaml
expect_code 7 "larger than the memory"

# Degenerate but valid data give numbers, not errors: constants, integers, one column.
cat > odd.yaml << 'DECK'
sets:
  p: {file: sets.h5, dataset: /constant}
  q: {file: sets.h5, dataset: /q3}
  n: {file: sets.h5, dataset: /line}
  m: {file: sets.h5, dataset: /p1}
quantities:
  - {name: js, of: [p, q]}
  - {name: js, of: [n, m]}
DECK
run 2 --output odd odd.yaml
expect_code 0 "degenerate data"
# Scales beyond the squares of doubles change nothing: exact powers of two are taken out.
cat > scales.yaml << 'DECK'
sets:
  p: {file: sets.h5, dataset: /p3}
  q: {file: sets.h5, dataset: /q3}
  P: {file: sets.h5, dataset: /huge_p3}
  Q: {file: sets.h5, dataset: /huge_q3}
quantities:
  - {name: kl, of: [p, q]}
  - {name: kl, of: [P, Q]}
DECK
for whitening in true false; do
  run 2 --output "scales-$whitening" --set whitening=$whitening scales.yaml
  expect_code 0 "extreme scales"
  results_of "scales-$whitening" | grep '"value"' | sort -u > values.txt
  [ "$(wc -l < values.txt)" -eq 1 ] || fail "extreme scales: $(cat values.txt)"
done
finish
