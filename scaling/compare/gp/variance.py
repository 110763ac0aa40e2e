#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Posterior variances by modes and samples against exact ones, and what they take.

usage: variance.py [--sides 25 37 49] [--modes 0 24 56 104] [--samples 24 56 104 200] [--timings 317] [--ranks 2]
                   [--program build/release/drivers/mensura-gp]

The problem of inputs/gp/posterior.yaml on grids of so many points per side, five neighbours, the variance at the grid's
inner points. A table of root mean square relative errors against `variance: exact`, beside what the record says. With
--timings also the seconds of variances at 101^2 points by 50 modes and 20 samples, and of 100 samples, on grids of that
many points per side.
"""
import argparse
import pathlib
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import launch  # noqa: E402

DECK = launch.ROOT / "inputs/gp/posterior.yaml"


def inner(results):
    """Variances off the boundary, where they are zero."""
    with h5py.File(results) as file:
        points, variance = file["predict/points"][:], file["predict/variance"][:]
    return variance[np.all((points > 1e-9) & (points < 1 - 1e-9), axis=1)]


def entry(record, name):
    return next(result for result in record["results"] if result["name"] == name)


def solve(options, folder, side, posterior, grid=None):
    settings = [f"points.per_side={side}", f"predict={{grid: {grid or side}}}", f"posterior={posterior}"]
    return launch.run(options.program, options.ranks, DECK, folder, settings)


def table(options, folder):
    print("rms relative error of the variance at the points (what the record says)")
    for side in options.sides:
        solve(options, folder, side, "{variance: exact, samples: 0}")
        truth = inner(folder / "results.h5")
        for modes in options.modes:
            cells = []
            for samples in options.samples:
                record = solve(options, folder, side,
                               f"{{variance: modes, modes: {modes}, samples: {samples}, write_samples: false}}")
                error = np.sqrt(np.mean((inner(folder / "results.h5") / truth - 1) ** 2))
                cells.append(f"{error:.3f} ({entry(record, 'variance')['relative_error']:.3f})")
            print(f"N = {side**2}, {modes} modes, {options.samples} samples: {'  '.join(cells)}", flush=True)


def timings(options, folder):
    for side in options.timings:
        for what, posterior in (("variance, 50 modes and 20 samples", "{modes: 50, samples: 20, write_samples: false}"),
                                ("100 samples", "{modes: 0, samples: 100}")):
            record = solve(options, folder, side, posterior, 101)
            seconds = launch.phase_seconds(record)
            told = entry(record, "variance")
            print(f"N = {side**2}, {what} at 101^2 points: posterior {seconds['posterior']:.1f} s of "
                  f"{record['wall_seconds']:.1f} s, relative error {told['relative_error']:.3f}, "
                  f"iterations {told['cg_iterations']}, memory {record['peak_memory_bytes']['sum'] / 1e9:.2f} GB",
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="*", default=[25, 37, 49])
    parser.add_argument("--modes", type=int, nargs="*", default=[0, 24, 56, 104])
    parser.add_argument("--samples", type=int, nargs="*", default=[24, 56, 104, 200])
    parser.add_argument("--timings", type=int, nargs="*", default=[])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--program", default=str(launch.ROOT / "build/release/drivers/mensura-gp"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder) / "out"
        table(options, folder)
        timings(options, folder)


if __name__ == "__main__":
    main()
