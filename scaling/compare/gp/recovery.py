#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How well mensura-gp finds length, variance and noise of draws from a prior, and how far its evidences are from dense
ones: table 1.4 of the reference gp_evidence_frequencies.

usage: recovery.py [--draws 60] [--side 25] [--noise 0] [--radius 3] [--build build/release] [--ranks 2]

For every draw of Matern 7/2 with length 0.3 and variance 2.5 at SIDE^2 points, on a grid and on a random cloud, the
length (with --noise also variance and noise of 120 stations) is fitted twice, by sparse and by dense evidences.
Prints the mean and the standard deviation of log(found / true), the root mean square of sparse against dense, how
often 95 % intervals hold the truth, and the error of the evidence at the fitted values in nats per hundred points.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
import launch  # noqa: E402

LENGTH, VARIANCE = 0.3, 2.5
DECK = """
equation:
  name: elliptic
  reaction: 1
  source: {file: draw.h5, dataset: /source}
  boundary: {file: draw.h5, dataset: /boundary_values}
points:
  layout: file
  interior: {file: draw.h5, dataset: /interior}
  boundary: {file: draw.h5, dataset: /boundary}
prior: {kernel: matern_7_2, length: 0.4}
factor: {neighbours: 5}
"""


def fit(options, folder, dense):
    """The results of one run by their names."""
    words = "length, variance, noise" if options.noise > 0 else "length"
    settings = [f"hyper={{fit: [{words}], starts: 1, profile: false}}",
                "factor={method: dense}" if dense else f"factor.radius={options.radius:g}"]
    if options.noise > 0:
        settings.append("data=[{file: draw.h5, points: /stations, values: /measured, noise: 0.1}]")
    record = launch.run(options.build / "drivers/mensura-gp", options.ranks, folder / "deck.yaml", folder / "out",
                        settings, options.mpiexec)
    return {entry["name"]: entry for entry in record["results"]}, record["hyper"]["evaluations"]


def row(name, truth, sparse, dense):
    """One line of the table for one parameter."""
    logs = [math.log(r[name]["value"] / truth) for r in sparse]
    apart = [math.log(s[name]["value"] / d[name]["value"]) for s, d in zip(sparse, dense)]
    held = statistics.mean(r[name]["interval"][0] < truth < r[name]["interval"][1] for r in sparse)
    rms = math.sqrt(statistics.mean(a * a for a in apart))
    print(f"  {name:<16} log(found / true) {statistics.mean(logs):+.3f}, deviation {statistics.stdev(logs):.3f}; sparse "
          f"against dense {rms:.4f}; intervals hold the truth in {100 * held:.0f} %", flush=True)


def table(options, layout, folder):
    sparse, dense, evaluations = [], [], []
    for seed in range(1, options.draws + 1):
        stations = 120 if options.noise > 0 else 0
        subprocess.run([options.build / "tests/gp/make_draw", "draw.h5", str(seed), layout, str(options.side),
                        str(LENGTH), str(LENGTH), str(VARIANCE), str(stations), str(options.noise)],
                       cwd=folder, check=True, env=launch.environment(1))
        for results, is_dense in ((sparse, False), (dense, True)):
            found, count = fit(options, folder, is_dense)
            results.append(found)
            evaluations.append(count)
    points = options.side**2 + (120 if options.noise > 0 else 0)
    errors = [100 / points * (s["log_evidence"]["value"] - d["log_evidence"]["value"]) for s, d in zip(sparse, dense)]
    print(f"{layout}, {points} points, radius {options.radius:g}, {options.draws} draws, about "
          f"{statistics.mean(evaluations):.0f} evaluations for a fit")
    row("fitted_length", LENGTH, sparse, dense)
    row("fitted_variance", VARIANCE, sparse, dense)
    if options.noise > 0:
        row("fitted_noise", options.noise, sparse, dense)
    print(f"  evidence: mean error {statistics.mean(errors):+.3f}, mean size {statistics.mean(map(abs, errors)):.3f}, "
          f"largest {max(map(abs, errors)):.3f} nats per hundred points")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--side", type=int, default=25)
    parser.add_argument("--noise", type=float, default=0)
    parser.add_argument("--radius", type=float, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--mpiexec", default="mpiexec")
    parser.add_argument("--build", type=lambda path: pathlib.Path(path).resolve(), default="build/release")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "deck.yaml").write_text(DECK)
        for layout in ("grid", "random"):
            table(options, layout, folder)


if __name__ == "__main__":
    main()
