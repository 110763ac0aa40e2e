# SPDX-License-Identifier: BSD-3-Clause
# Wrong decks, images, clouds and masses: exit 2, 3 or 7 with what is wrong and where; never results.
. "$SUPPORT/driver.sh"
"$MAKE_MEASURES" measures.h5 || fail "make_measures"
cat > images.yaml << 'DECK'
marginals:
  a: {file: measures.h5, dataset: /first, floor: 1e-3}
  b: {file: measures.h5, dataset: /second, floor: 1e-3}
DECK
cat > clouds.yaml << 'DECK'
marginals:
  p: {file: measures.h5, dataset: /flat, kind: points}
  q: {file: measures.h5, dataset: /flat, kind: points, weights: /weights}
DECK
cat > densities.yaml << 'DECK'
marginals:
  f: {density: "1 + x", shape: [8, 8]}
  g: {density: "2 - x", shape: [8, 8]}
DECK

# refused RANKS CODE DECK "KEY=VALUE;KEY=VALUE" TEXT...: some keys changed
refused() {
  local ranks=$1 wanted=$2 deck=$3 changes=$4 set=()
  shift 4
  while IFS= read -r change; do set+=(--set "$change"); done <<< "${changes//;/$'\n'}"
  run "$ranks" --output out --set output.overwrite=true "${set[@]}" "$deck"
  expect_code "$wanted" "$changes, $ranks ranks"
  for pattern in "$@"; do expect_text "$pattern" "$changes, $ranks ranks"; done
  grep -q '"value"' out/run.json 2> /dev/null && fail "$changes: results were written"
}

# Decks. The whole list is in tests/invalid/transport; these are refused before anything is made.
refused 2 2 images.yaml method=neuton "did you mean 'newton'"
refused 2 2 images.yaml cost=power cost.power
[ -e out ] && fail "a refused deck left an output folder"

# On one rank and on three: the first wrong pixel or row of all, whoever reads it.
for ranks in 1 3; do
  refused $ranks 3 images.yaml marginals.b.dataset=/negative /negative "row 2, column 7 is -0.5" \
    "2 of 192"
  refused $ranks 3 images.yaml marginals.b.dataset=/nan /nan "row 9, column 2 is NaN"
  refused $ranks 3 images.yaml marginals.b.dataset=/zero /zero "has no mass"
  refused $ranks 3 images.yaml marginals.b.dataset=/secnod "did you mean /second"
  refused $ranks 3 images.yaml normalise=false "'a' has mass" "'b' has mass" "normalise: true"
  refused $ranks 3 clouds.yaml marginals.q.weights=/short /short "7 weights for the 40 points"
done
refused 2 3 clouds.yaml marginals.q.weights=/negative_weights "row 23 is -2"
refused 2 3 clouds.yaml marginals.q.dataset=/deep "'p' has dimension 2 and 'q' has dimension 3"
refused 2 3 densities.yaml "marginals.g.density=x - 0.5" "'x - 0.5'" "row 0, column 0 is -0.4375"
refused 2 3 densities.yaml "normalise=false;partial={mass: 100}" "partial.mass is 100"
refused 2 3 images.yaml "method=line" "line is for one dimension"

# Costs that overflow, or leave nothing of the regularisation: no endless ladder of stages.
cat > graph.yaml << 'DECK'
marginals:
  f: {density: "1 + x", shape: 8}
  g: {density: "2 - x", shape: 8}
  h: {density: "1", shape: 8}
regularisation: {final: 0.01, unit: absolute}
DECK
for ranks in 1 2; do
  refused $ranks 3 graph.yaml 'graph={shape: cycle, closing: ["x*1e200"]}' "'h' and 'f'" "not finite"
  refused $ranks 3 graph.yaml 'graph={shape: cycle, closing: ["1e50*x"]}' "doubles resolve"
  refused $ranks 3 graph.yaml \
    "graph={shape: star};marginals.z={free: true, like: f};regularisation.final=1e-300" \
    "'f' and 'z'" "doubles resolve"
done
refused 1 3 densities.yaml "regularisation={final: 1e-300, unit: absolute}" "doubles resolve" \
  "method: exact"

# Files.
head -c 3000 measures.h5 > truncated.h5
for file in truncated.h5 missing.h5; do
  refused 2 3 images.yaml "marginals.b.file=$file" "$file"
done

# Whose file it is, and what the deck alone does not tell.
refused 2 3 images.yaml marginals.b.dataset=/nan "marginals.b: $PWD/measures.h5:/nan: row 9"
refused 2 3 images.yaml normalise=false "marginals.b: $PWD/measures.h5:/second: 'a' has mass"
refused 2 3 clouds.yaml marginals.q.dataset=/deep "marginals.q: $PWD/measures.h5:/deep: 'p' has dimension 2"
cat > cycle.yaml << 'DECK'
marginals:
  p: {file: measures.h5, dataset: /flat, kind: points}
  q: {file: measures.h5, dataset: /flat, kind: points}
  r: {file: measures.h5, dataset: /flat, kind: points}
graph: {shape: cycle, closing: [x, z]}
DECK
refused 2 3 cycle.yaml normalise=true \
  "graph.closing.1: found z and 'p' has dimension 2; expected x and y only"
refused 2 3 cycle.yaml 'graph.closing=[x]' "graph.closing: found 1 formula and 'p' has dimension 2"

# Samples that no memory holds: refused before anything is read, dry or not, of pairs and graphs.
{ cat graph.yaml && echo 'graph: {shape: chain}'; } > chain.yaml
for deck in densities.yaml chain.yaml; do
  refused 2 7 $deck tuples=1000000000000 "tuples: 1000000000000 needs"
  run 2 --dry-run --set tuples=1000000000000 $deck
  expect_code 7 "too many samples, dry run"
  expect_text "per rank for 1000000000000 samples" "too many samples, dry run"
done

# Larger than the memory: refused before the pixels are made, dry or not.
export MENSURA_MEMORY_LIMIT=20M
large='marginals.f.shape=[2000, 2000]'
refused 2 7 densities.yaml "$large" "20.00 MiB are available"
run 2 --dry-run --set "$large" densities.yaml
expect_code 7 "larger than the memory, dry run"
finish
