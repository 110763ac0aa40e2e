# SPDX-License-Identifier: BSD-3-Clause
# What runs communicate, counted: sourced after driver.sh.

# communicated FOLDER NAME: what run.json counts, of all ranks together (collectives: of one).
communicated() {
  sed -n '/"communication"/,/}/p' "$1/run.json" | grep "\"$2\"" | tr -dc 0-9
}

# measure RANKS FOLDER arguments...: one run; sets messages, bytes and reductions. With COUNT_MPI (the
# library of tests/support/count_mpi.cpp) also shared, the bytes that collectives leave on a rank, and
# FOLDER.mpi, whose numbers counted FOLDER NAME prints.
measure() {
  local ranks=$1 name=$2
  shift 2
  MPI_COUNTS="$WORK/$name.mpi" PRELOAD="${COUNT_MPI:-}" run "$ranks" --output "$name" \
    --set plan=false --set output.fields=false "$@"
  messages=$(communicated "$name" messages)
  bytes=$(communicated "$name" bytes)
  reductions=$(communicated "$name" reductions)
  shared=$(counted "$name" shared_bytes)
}
counted() {
  sed -n "s/^$2 //p" "$1.mpi" 2> /dev/null
}

# measure_sweep RANKS NAME arguments...: the same of one sweep, the difference of two runs that meet no
# tolerance (exit code 4).
measure_sweep() {
  local ranks=$1 name=$2 few
  shift 2
  set -- --set tolerance=1e-300 "$@"
  measure "$ranks" "$name-few" --set solve.max_sinkhorn=5 "$@"
  expect_code 4 "$name, few sweeps"
  few=("$messages" "$bytes" "$reductions" "${shared:-0}")
  measure "$ranks" "$name-more" --set solve.max_sinkhorn=15 "$@"
  expect_code 4 "$name, more sweeps"
  messages=$(awk "BEGIN { print ($messages - ${few[0]}) / 10 }")
  bytes=$(awk "BEGIN { print ($bytes - ${few[1]}) / 10 }")
  reductions=$(awk "BEGIN { print ($reductions - ${few[2]}) / 10 }")
  shared=$(awk "BEGIN { print (${shared:-0} - ${few[3]}) / 10 }")
}
