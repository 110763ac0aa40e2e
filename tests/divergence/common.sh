# Shared by the driver's test scripts: sourced, not run.
set -u
rm -rf "$WORK"
mkdir -p "$WORK"
cd "$WORK" || exit 1
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

skip() {
  echo "SKIPPED: $*"
  exit 77
}

finish() {
  [ "$failures" -eq 0 ] && echo "all passed"
  exit "$((failures > 0))"
}

# run RANKS arguments...: the driver on RANKS ranks; output in $text, exit code in $code.
run() {
  local ranks=$1
  shift
  text=$(timeout 120 "$MPIEXEC" -n "$ranks" "$PROGRAM" "$@" 2>&1)
  code=$?
}

# expect_code WANTED WHAT
expect_code() {
  [ "$code" -eq "$1" ] || fail "$2: exit code $code, expected $1; output: $text"
}

# expect_text PATTERN WHAT (fixed string)
expect_text() {
  grep -qF -- "$1" <<< "$text" || fail "$2: the output lacks '$1': $text"
}

# The lines of `results` in a run.json: every number as printed, shortest round-trip digits.
results_of() {
  sed -n '/^  "results": \[/,/^  \]/p' "$1/run.json"
}

# expect_same_results FOLDER FOLDER WHAT
expect_same_results() {
  results_of "$1" > first.txt
  results_of "$2" > second.txt
  [ -s first.txt ] || fail "$3: no results in $1"
  cmp -s first.txt second.txt || fail "$3: results differ: $(diff first.txt second.txt | head -5)"
}
