#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Mensura against scipy.spatial.cKDTree on the same points, the same two cores, in the same run.

usage: compare.py [--points 1000000] [--dimension 3] [--repetitions 3] [--program build/release/drivers/mensura-divergence]

Writes two sets of N points to an HDF5 file, then alternates: the peer's build and two searches at k = 64; Mensura's
whole run (reading, whitening, partition, tree, search, KL and Renyi and JS with intervals, output) on two ranks; the
same on one rank. Prints medians, the ratio to the peer, the speed-up and the bytes per point at the peak (sum of the
proportional set sizes over ranks minus what it was after initialisation). Needs requirements.txt and mpiexec.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
import launch  # noqa: E402

DECK = """
sets:
  p: {file: points.h5, dataset: /p}
  q: {file: points.h5, dataset: /q}
quantities:
  - {name: kl, of: [p, q]}
  - {name: renyi, order: 0.5, of: [p, q]}
  - {name: js, of: [p, q]}
"""


def make_points(path, count, dimension):
    generator = np.random.default_rng(20260101)
    with h5py.File(path, "w") as file:
        file["p"] = generator.standard_normal((count, dimension))
        file["q"] = generator.standard_normal((count, dimension)) + 0.5 / np.sqrt(dimension)


def run_peer(folder):
    text = subprocess.run([sys.executable, HERE / "peer.py", folder / "points.h5"], check=True, capture_output=True,
                          text=True).stdout
    return json.loads(text)


def run_mensura(program, folder, ranks):
    return launch.run(program, ranks, folder / "deck.yaml", folder / f"np{ranks}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1_000_000, help="points in each set")
    parser.add_argument("--dimension", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-divergence")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_points(folder / "points.h5", options.points, options.dimension)
        (folder / "deck.yaml").write_text(DECK)
        peer, one, two = [], [], []
        for repetition in range(options.repetitions):
            peer.append(run_peer(folder))
            two.append(run_mensura(options.program, folder, 2))
            one.append(run_mensura(options.program, folder, 1))
            print(f"run {repetition + 1}: peer {peer[-1]['total']:.2f} s, two ranks {two[-1]['wall_seconds']:.2f} s, "
                  f"one rank {one[-1]['wall_seconds']:.2f} s", flush=True)
        report(options, peer, one, two)


def report(options, peer, one, two):
    median = statistics.median
    peer_seconds = median(run["total"] for run in peer)
    wall = {1: median(run["wall_seconds"] for run in one), 2: median(run["wall_seconds"] for run in two)}
    total = 2 * options.points
    memory = two[-1]["memory"]
    grown = (memory["peak_pss_bytes"] - memory["baseline_pss_bytes"]) / total
    print(f"\nN = M = {options.points}, d = {options.dimension}, k = 64; medians of {options.repetitions} runs")
    print(f"peer ({peer[0]['peer']}): {peer_seconds:.2f} s = build {median(r['build'] for r in peer):.2f} + "
          f"search {median(r['search'] for r in peer):.2f}")
    print(f"mensura, 2 ranks, whole run with output: {wall[2]:.2f} s; 1 rank: {wall[1]:.2f} s")
    for name in launch.phase_seconds(two[-1]):
        print(f"  {name:<12} {median(launch.phase_seconds(r).get(name, 0.0) for r in two):8.3f} s on 2 ranks "
              f"{median(launch.phase_seconds(r).get(name, 0.0) for r in one):8.3f} s on 1")
    print(f"ratio to the peer: {peer_seconds / wall[2]:.2f} (goal 3, gate 1.5)")
    print(f"speed-up from one to two ranks: {wall[1] / wall[2]:.2f} (at least 1.8)")
    print(f"bytes per point at the peak, over all ranks: {grown:.0f} (at most 150)")
    for entry in two[-1]["results"]:
        print(f"  {entry['name']:<6} {entry['value']:.6f}  se {entry['standard_error']:.6f}  "
              f"interval [{entry['interval'][0]:.6f}, {entry['interval'][1]:.6f}]")


if __name__ == "__main__":
    main()
