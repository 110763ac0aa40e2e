#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Strong and weak scaling of mensura-gp and mensura-transport: seconds, phases and messages over a list of ranks.

usage: strong_weak.py DECK [--ranks 1 2 4] [--mode strong|weak|both] [--counts-only] [--set KEY.PATH=VALUE]...

Strong: the deck as it is on more ranks. Weak: grids with as many points on every rank: points.per_side, or the pixels
of both marginals, grow with the root of the ranks (in d dimensions the d-th). Times mean something only with no more
ranks than cores; counts are exact on any number of ranks, so --counts-only runs once and prints no seconds. It counts
all of MPI, the libraries too, with count_messages.c (needs mpicc and Open MPI's -x). One triangular solve
(mensura-gp): with the big factor, summed over ranks; its stages are the longest chain of messages that wait for each
other.
"""
import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

import launch
import rows_gp
import rows_transport


def measure(options, ranks, folder, settings):
    """The records of all repetitions at one number of ranks."""
    count = 1 if options.counts_only else options.repetitions
    return [counted_run(options, ranks, folder, settings) for _ in range(count)]


def counted_run(options, ranks, folder, settings, accepted=(0,)):
    """One run; with the library that counts messages its counts are in the record as `all_messages`."""
    mpiexec, counts = options.mpiexec, folder / "counts.json"
    if options.counter:
        counts.unlink(missing_ok=True)
        mpiexec += f" -x LD_PRELOAD={options.counter} -x MENSURA_COUNTS={counts}"
    record = launch.run(options.program, ranks, options.deck, folder / "out", [*options.set, *settings], mpiexec,
                        accepted=accepted)
    if options.counter:
        record["all_messages"] = json.loads(counts.read_text())
    return record


def build_counter(folder):
    """The library that counts every message of MPI, or None with a notice where it cannot be built."""
    library = folder / "count_messages.so"
    source = pathlib.Path(__file__).resolve().parent / "count_messages.c"
    if shutil.which("mpicc") is None:
        print("notice: no mpicc: messages of the libraries are not counted")
        return None
    subprocess.run(["mpicc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def row(kind, records, ranks):
    """What the tables show of one number of ranks: counts of the last run, medians of the seconds."""
    names = launch.phase_seconds(records[-1])
    return {"ranks": ranks, "seconds": statistics.median(r["wall_seconds"] for r in records),
            "phases": {n: statistics.median(launch.phase_seconds(r)[n] for r in records) for n in names},
            **kind.row(records[-1])}


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
        settings = options.grow(ranks / options.ranks[0]) if mode == "weak" else []
        rows.append(row(options.kind, measure(options, ranks, folder, settings), ranks))
        print(f"  {mode}: {ranks} ranks done", flush=True)
    print(f"\n{mode} scaling of {options.deck.name}"
          + ("" if options.counts_only else f", medians of {options.repetitions} runs"))
    options.kind.print_counts(rows)
    if not options.counts_only:
        print_seconds(rows, mode)
    print()
    return rows


def sweeps(options, folder):
    """Messages and bytes of one sweep: two runs that differ in nothing but the number of sweeps."""
    rows = []
    for ranks in options.ranks:
        short, long = (counted_run(options, ranks, folder, options.kind.sweep_settings(count), accepted=(0, 4))
                       for count in options.sweeps)
        brief, full = options.kind.row(short), options.kind.row(long)
        more = full["sweeps"] - brief["sweeps"]
        if more <= 0:
            raise SystemExit("both runs made as many sweeps; give more with --sweeps")
        counts = {key: (full["all_messages"][key] - brief["all_messages"][key]) / more
                  for key in ("messages", "bytes", "collectives")}
        rows.append({"ranks": ranks, "points": full["points"], **counts})
        print(f"  sweeps: {ranks} ranks done", flush=True)
    options.kind.print_sweeps(rows)
    return rows


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deck", type=pathlib.Path)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--mode", choices=("strong", "weak", "both"), default="strong")
    parser.add_argument("--counts-only", action="store_true", help="one run each, no seconds")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="handed to the program")
    parser.add_argument("--sweeps", type=int, nargs=2, metavar=("FEW", "MORE"),
                        help="transport, with --counts-only: also the messages of one Sinkhorn sweep, from runs with "
                        "so many at each regularisation")
    parser.add_argument("--program", help="without it the driver of the deck in build/release")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--output", type=pathlib.Path, metavar="JSON", help="write the rows there")
    options = parser.parse_args()
    transport = re.search(r"^marginals:", options.deck.read_text(), re.MULTILINE)
    options.kind = rows_transport if transport else rows_gp
    options.program = options.program or launch.ROOT / "build/release/drivers" / options.kind.PROGRAM
    if options.sweeps and not (transport and options.counts_only):
        parser.error("--sweeps wants a deck of mensura-transport and --counts-only")
    return options


def main():
    options = parse()
    modes = ("strong", "weak") if options.mode == "both" else (options.mode,)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # A counted run is a little slower: seconds and counts are not taken together.
        options.counter = build_counter(folder) if options.counts_only else None
        if "weak" in modes:   # one run of the deck tells the size of its grid
            first = launch.run(options.program, options.ranks[0], options.deck, folder / "out", options.set,
                               options.mpiexec)
            options.grow = options.kind.growing(first, folder / "out")
        rows = {mode: study(options, mode, folder) for mode in modes}
        if options.sweeps and options.counter:
            rows["sweeps"] = sweeps(options, folder)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
