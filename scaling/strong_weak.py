#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Strong and weak scaling of mensura-gp: seconds, phases and messages over a list of ranks.

usage: strong_weak.py DECK [--ranks 1 2 4] [--mode strong|weak|both] [--counts-only] [--set KEY.PATH=VALUE]...

Strong: the deck as it is on more ranks. Weak: grids with as many points on every rank, points.per_side grows with the
root of the ranks (in d dimensions the d-th). Times mean something only with no more ranks than cores; counts are exact
on any number of ranks, so --counts-only runs once and prints no seconds. One triangular solve: with the big
factor, summed over ranks; its stages are the longest chain of messages that wait for each other.
"""
import argparse
import json
import pathlib
import statistics
import tempfile

import launch


def per_side_of(record):
    """Points per side of the grid of a strong run."""
    points = record["points"]
    total = points["boundary"] + points["interior"]
    side = round(total ** (1.0 / points["dimension"]))
    if side ** points["dimension"] != total:
        raise SystemExit("weak scaling wants a deck with `points: {layout: grid}`")
    return side


def measure(options, ranks, folder, settings):
    """The records of all repetitions at one number of ranks."""
    count = 1 if options.counts_only else options.repetitions
    return [launch.run(options.program, ranks, options.deck, folder / "out", [*options.set, *settings], options.mpiexec)
            for _ in range(count)]


def row(records, ranks):
    """What the tables show of one number of ranks: counts of the last run, medians of the seconds."""
    last, factor = records[-1], records[-1]["factor"]
    names = launch.phase_seconds(last)
    return {"ranks": ranks, "points": last["points"]["boundary"] + last["points"]["interior"],
            "seconds": statistics.median(r["wall_seconds"] for r in records),
            "phases": {n: statistics.median(launch.phase_seconds(r)[n] for r in records) for n in names},
            "rounds": last["points"]["ordering_rounds"], "cg": launch.result(last, "cg_iterations"),
            "l2": next((e["value"] for e in last["results"] if e["name"] == "error_l2"), None),
            "communication": last["communication"], "forward": factor["forward_solve"],
            "backward": factor["backward_solve"], "imbalance": factor["big"]["imbalance"]}


def print_counts(rows):
    print(f"{'':6} {'':9} {'whole run':>38} | {'one triangular solve':>44} |")
    print(f"{'ranks':>6} {'N':>9} {'messages':>12} {'bytes':>14} {'reductions':>10} | {'stages':>12} {'messages':>9} "
          f"{'bytes':>11} {'per rank':>9} | {'imbalance':>9} {'rounds':>6} {'CG':>4} {'L2':>9}")
    for r in rows:
        traffic, forward = r["communication"], r["forward"]
        error = "-" if r["l2"] is None else f"{r['l2']:.2e}"
        print(f"{r['ranks']:6d} {r['points']:9d} {traffic['messages']:12d} {traffic['bytes']:14d} "
              f"{traffic['reductions']:10d} | {forward['stages']:12d} {forward['messages']:9d} {forward['bytes']:11d} "
              f"{forward['messages'] / r['ranks']:9.1f} | {r['imbalance']:9.3f} {r['rounds']:6d} {sum(r['cg']):4d} "
              f"{error:>9}")


def print_seconds(rows, mode):
    """Speed-up (strong) or efficiency (weak) against the first row, for the whole run and for every phase."""
    first = rows[0]
    names = list(first["phases"])

    def gain(before, after):
        return before / after if after > 0 else float("nan")

    label = "speed-up" if mode == "strong" else "efficiency"
    print(f"{'ranks':>6} {'N':>9} {'run s':>9} {label:>10} " + " ".join(f"{n:>15}" for n in names))
    for r in rows:
        cells = [f"{r['phases'][n]:8.3f} ({gain(first['phases'][n], r['phases'][n]):4.2f})" for n in names]
        print(f"{r['ranks']:6d} {r['points']:9d} {r['seconds']:9.3f} {gain(first['seconds'], r['seconds']):10.2f} "
              + " ".join(f"{c:>15}" for c in cells))
    if max(r["ranks"] for r in rows) > launch.cores():
        print(f"warning: only {launch.cores()} cores: seconds on more ranks mean nothing")


def study(options, mode, folder):
    rows = []
    for ranks in options.ranks:
        settings = []
        if mode == "weak":
            growth = (ranks / options.ranks[0]) ** (1.0 / options.dimension)
            settings = [f"points.per_side={round(options.per_side * growth)}"]
        rows.append(row(measure(options, ranks, folder, settings), ranks))
        print(f"  {mode}: {ranks} ranks done", flush=True)
    print(f"\n{mode} scaling of {options.deck.name}"
          + ("" if options.counts_only else f", medians of {options.repetitions} runs"))
    print_counts(rows)
    if not options.counts_only:
        print_seconds(rows, mode)
    print()
    return rows


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deck", type=pathlib.Path)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--mode", choices=("strong", "weak", "both"), default="strong")
    parser.add_argument("--counts-only", action="store_true", help="one run each, no seconds")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="handed to the program")
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-gp")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--output", type=pathlib.Path, metavar="JSON", help="write the rows there")
    return parser.parse_args()


def main():
    options = parse()
    modes = ("strong", "weak") if options.mode == "both" else (options.mode,)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if "weak" in modes:   # one run of the deck tells the size of its grid
            first = launch.run(options.program, options.ranks[0], options.deck, folder / "out", options.set,
                               options.mpiexec)
            options.per_side, options.dimension = per_side_of(first), first["points"]["dimension"]
        rows = {mode: study(options, mode, folder) for mode in modes}
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
