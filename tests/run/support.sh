# SPDX-License-Identifier: BSD-3-Clause
# Shared by the tests of the batch run: sourced with $1 = mpiexec, $2 = the toy, $3 = a work folder.
# Every check prints what it found and ends the test at the first failure.
set -u
MPIEXEC=$1
TOY=$2
WORK=$3
unset SLURM_JOB_ID SLURM_JOB_END_TIME SLURM_RESTART_COUNT
rm -rf "$WORK"
mkdir -p "$WORK"
cd "$WORK" || exit 1

fail() {
  echo "FAILED: $*"
  for text in "$WORK"/*.out; do
    [ -f "$text" ] && echo "--- $(basename "$text")" && tail -n 30 "$text"
  done
  exit 1
}

# deck KEY: VALUE... writes deck.yaml with these keys in the section toy.
deck() {
  echo "toy:" >deck.yaml
  for pair in "$@"; do echo "  $pair" >>deck.yaml; done
}

# run NAME RANKS ARGUMENTS...: in the foreground; output in NAME.out, exit code in $code.
run() {
  local name=$1 ranks=$2
  shift 2
  "$MPIEXEC" -n "$ranks" "$TOY" "$@" >"$name.out" 2>&1
  code=$?
}

# start NAME RANKS ARGUMENTS...: in the background; the launcher's process in $launcher.
start() {
  local name=$1 ranks=$2
  shift 2
  "$MPIEXEC" -n "$ranks" "$TOY" "$@" >"$name.out" 2>&1 &
  launcher=$!
}

# finish: waits for the run of `start`; exit code in $code.
finish() {
  wait "$launcher"
  code=$?
}

expect_code() { [ "$code" -eq "$1" ] || fail "exit code $code instead of $1 ($2)"; }

expect_text() { grep -q -e "$2" "$1" || fail "no '$2' in $1: $(tail -n 5 "$1")"; }

expect_no_text() { ! grep -q -e "$2" "$1" || fail "'$2' in $1"; }

# wait_for FILE TEXT: at most 15 s.
wait_for() {
  for _ in $(seq 300); do
    [ -f "$1" ] && grep -q -e "$2" "$1" && return 0
    sleep 0.05
  done
  fail "no '$2' in $1 within 15 s"
}

# The list of results of a run.json, as text: numbers are printed so that they read back exactly.
results() { sed -n '/^  "results"/,/^  \]/p' "$1/run.json"; }

expect_same_results() {
  [ -n "$(results "$1")" ] || fail "no results in $1"
  [ "$(results "$1")" = "$(results "$2")" ] || fail "results of $1 and $2 differ"
}

expect_exit_recorded() {
  grep -q "^  \"exit\": $2,\$" "$1/run.json" || fail "run.json of $1 does not say exit $2"
}

# Process id of rank 0, from the lock.
root_pid() { awk '{print $3}' "$1/lock"; }
