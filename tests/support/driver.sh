# SPDX-License-Identifier: BSD-3-Clause
# Shared by the drivers' test scripts: sourced, not run. The environment names MPIEXEC, PROGRAM (the
# driver), WORK (a folder of the test's own), PROJECT and SUPPORT (this folder).
set -u
unset SLURM_JOB_ID SLURM_JOB_END_TIME SLURM_RESTART_COUNT
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

# run RANKS arguments...: the driver on RANKS ranks; output in $text, exit code in $code. PRELOAD, if
# set, is a library that the driver's processes load first.
run() {
  local ranks=$1
  shift
  text=$(timeout 120 "$MPIEXEC" -n "$ranks" ${PRELOAD:+env LD_PRELOAD="$PRELOAD"} "$PROGRAM" "$@" 2>&1)
  code=$?
}

# start RANKS FOLDER arguments...: in the background, restartable; its process in $job. Faults in
# FAULT, for instance FAULT="slow:seconds=0.25".
start() {
  MENSURA_TEST_FAULT="${FAULT:-}" "$MPIEXEC" -n "$1" "$PROGRAM" --restart auto --output "$2" \
    "${@:3}" > "$2.txt" 2>&1 &
  job=$!
}

# wait_for FOLDER PATTERN: until the output of this start shows it.
wait_for() {
  for _ in $(seq 400); do
    grep -q "$2" "$1.txt" 2> /dev/null && return
    sleep 0.1
  done
  fail "$1 never said '$2'"
}

# ended FOLDER: waits for the job of start; its output in $text, exit code in $code.
ended() {
  wait "$job"
  code=$?
  text=$(cat "$1.txt")
}

# expect_code WANTED WHAT
expect_code() {
  [ "$code" -eq "$1" ] || fail "$2: exit code $code, expected $1; output: $text"
}

# expect_killed WHAT: the launcher's own exit codes after a rank was killed.
expect_killed() {
  case "$code" in 137 | 143 | 1) ;; *) fail "$1: exit code $code, expected a killed rank's: $text" ;; esac
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

# result FOLDER NAME: the value of the result with this name; numbers of a list with spaces between.
result() {
  results_of "$1" 2> /dev/null | tr -d '\n' |
    grep -o "\"name\": \"$2\", *\"value\": *\(\[[^]]*\]\|[^ ,}]*\)" |
    sed 's/.*"value": *//' | tr -d '[],' | tr -s ' ' | sed 's/^ //; s/ $//'
}

# expect_true "AWK CONDITION" WHAT: numbers stand in the condition; a missing one, NaN or null fails.
expect_true() {
  case "$1" in *nan* | *null* | *inf*) fail "$2: not $1" && return ;; esac
  awk "BEGIN { exit !($1) }" < /dev/null 2> /dev/null || fail "$2: not $1"
}

# broken CODE NAME ARGUMENTS...: deck.yaml on two ranks, within 30 s
broken() {
  local wanted=$1 name=$2 begin
  shift 2
  begin=$(date +%s)
  run 2 --output "$name" "$@" deck.yaml
  expect_code "$wanted" "$name"
  [ $(($(date +%s) - begin)) -le 30 ] || fail "$name took over 30 s"
}

# start_lost_ranks RANKS STEP: deck.yaml with a rank that fails alone before this step, by an exception
# and for want of memory. The others wait for it, up to a time limit: the script goes on meanwhile.
start_lost_ranks() {
  local fault
  for fault in throw memory; do
    MENSURA_TEST_FAULT="$fault:rank=1:step=$2" timeout 30 "$MPIEXEC" -n "$1" "$PROGRAM" \
      --output "lost-$fault" deck.yaml > "lost-$fault.txt" 2>&1 &
    lost[$fault]=$!
  done
}
declare -A lost

# expect_lost_ranks_ended: within 30 s, by the codes of the failures.
expect_lost_ranks_ended() {
  job=${lost[throw]} && ended lost-throw
  expect_code 70 "an exception on one rank alone"
  expect_text "fault on purpose" "an exception on one rank alone"
  job=${lost[memory]} && ended lost-memory
  expect_code 7 "out of memory on one rank alone"
}

# expect_killed_ranks_end STEP...: deck.yaml with a rank killed before each of the steps: no rank waits
# for ever, no killed run looks complete. The survivors have the launcher's usual time.
expect_killed_ranks_end() {
  local step begin
  for step in "$@"; do
    begin=$(date +%s)
    OMPI_MCA_odls_base_sigkill_timeout=1 MENSURA_TEST_FAULT="kill:rank=1:step=$step" \
      run 3 --output "killed-$step" deck.yaml
    expect_killed "rank killed before step $step"
    [ $(($(date +%s) - begin)) -le 30 ] || fail "rank killed before step $step: took over 30 s"
    grep -q '"exit": 0' "killed-$step/run.json" 2> /dev/null && fail "a killed run looks complete"
  done
}
