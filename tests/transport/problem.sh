# SPDX-License-Identifier: BSD-3-Clause
# Decks and comparisons of the scripts of this folder: sourced after driver.sh.
cat > deck.yaml << 'DECK'
marginals:
  hill: {density: "exp(-((x-0.5)^2+(y-0.3)^2)/0.02)", shape: [32, 32], floor: 1e-4}
  twins: {density: "exp(-((x-0.25)^2+(y-0.7)^2)/0.01) + exp(-((x-0.75)^2+(y-0.7)^2)/0.01)", shape: [32, 32], floor: 1e-4}
regularisation: {final: 0.25}
tolerance: 1e-12
DECK

# apart FOLDER FOLDER DATASET: how far the two runs are apart there, relative to the range.
apart() {
  "$COMPARE" "$1/results.h5" "$3" "$2/results.h5" "$3"
}

# expect_apart FOLDER FOLDER BOUND DATASET... WHAT: at most BOUND.
expect_apart() {
  local first=$1 second=$2 bound=$3 distance
  shift 3
  while [ $# -gt 1 ]; do
    distance=$(apart "$first" "$second" "$1")
    expect_true "$distance <= $bound" "${!#}, $1"
    shift
  done
}
