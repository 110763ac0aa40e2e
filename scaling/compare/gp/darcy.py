#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""inputs/gp/darcy.yaml against a truth by finite differences: errors, coverage, recovered noise and length, pictures.

usage: darcy.py [--truth reference|drawn] [--side 101] [--sensors 1000] [--noise 1e-4] [--length 0.3] [--seed 1]
                [--draws 1] [--fit noise|length,noise] [--pictures DIR] [--set KEY=VALUE ...]
                [--program build/release/drivers/mensura-gp] [--ranks 2]

The log-permeability w is log(e^s + e^-s), s = sin 2 pi x + sin 2 pi y (reference), or a draw of the deck's prior with
the given length and variance 1 (drawn), so that there is a true length. -div(e^w grad u) = 1, u = 0 on the edge of the
unit square, by differences of second order on --cells cells per side; u is measured at random nodes. Prints for both
fields the root mean square error and deviation and the part of 95 % intervals that hold the truth, on a 99^2 grid.
With --fit, `hyper` finds noise (and lengths) first, from a start that is wrong by a factor; the table tells values,
intervals and whether they hold the truth. Several draws take seeds one after another and are summed up.
"""
import argparse
import math
import pathlib
import shutil
import sys
import tempfile

import h5py
import numpy as np
import scipy.sparse
import scipy.sparse.linalg

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import launch  # noqa: E402

DECK = launch.ROOT / "inputs/gp/darcy.yaml"
FEATURES = 4000          # waves of a draw
SHADES = 32              # of colours: small files
DEVIATIONS = 1.959964    # of a 95 % interval
WRONG_NOISE, WRONG_LENGTH = 2.0, 1.3  # factors by which a fit's start is off


def drawn(axis, length, seed):
    """A draw of Matern 7/2 with unit variance on the grid axis x axis: waves with frequencies from its spectral density
    (Student's t with seven degrees of freedom) and normal amplitudes. Rows are y."""
    random = np.random.default_rng([seed, 1])
    chi = random.chisquare(7, FEATURES)
    frequencies = random.standard_normal((FEATURES, 2)) * (np.sqrt(7 / chi) / length)[:, None]
    a, b = random.standard_normal((2, FEATURES)) / math.sqrt(FEATURES)
    x, y = np.outer(axis, frequencies[:, 0]), np.outer(axis, frequencies[:, 1])
    return (a * np.cos(y) + b * np.sin(y)) @ np.cos(x).T + (b * np.cos(y) - a * np.sin(y)) @ np.sin(x).T


def reference(axis):
    s = np.sin(2 * np.pi * axis)
    return np.log(2 * np.cosh(s[:, None] + s[None, :]))


def pressure(w, cells):
    """u at the inner nodes, rows are y; w at nodes and half-way between, (2 cells + 1)^2."""
    a = np.exp(w)
    west, east = a[2:-2:2, 1:-2:2], a[2:-2:2, 3::2]
    south, north = a[1:-2:2, 2:-2:2], a[3::2, 2:-2:2]
    n = cells - 1
    x_links, y_links = -east.copy(), -north.ravel()
    x_links[:, -1] = 0
    x_links = x_links.ravel()
    matrix = scipy.sparse.diags(
        [(west + east + south + north).ravel(), x_links[:-1], x_links[:-1], y_links[:-n], y_links[:-n]],
        [0, 1, -1, n, -n], format="csc")
    return scipy.sparse.linalg.spsolve(matrix, np.full(n * n, 1 / cells**2)).reshape(n, n)


def make_truth(options, seed, path):
    """Writes the deck's darcy.h5. Sensors are nodes with two odd numbers: no even grid of points meets them."""
    axis = np.linspace(0, 1, 2 * options.cells + 1)
    w = reference(axis) if options.truth == "reference" else drawn(axis, options.length, seed)
    u = pressure(w, options.cells)
    w, nodes = w[2:-2:2, 2:-2:2], axis[2:-2:2]
    random = np.random.default_rng([seed, 2])
    odd = np.arange(0, options.cells - 1, 2)
    places = random.choice(odd.size**2, options.sensors, replace=False)
    i, j = odd[places % odd.size], odd[places // odd.size]
    every = slice(3, None, 4)
    x, y = np.meshgrid(nodes[every], nodes[every])
    with h5py.File(path, "w") as file:
        file["sensors"] = np.column_stack([nodes[i], nodes[j]])
        file["measured"] = u[j, i] + options.noise * random.standard_normal(options.sensors)
        file["grid"] = np.column_stack([x.ravel(), y.ravel()])
        file["u"], file["w"] = u[every, every].ravel(), w[every, every].ravel()


def settings_of(options):
    settings = [f"points.per_side={options.side}"]
    noise, length = options.noise, options.length
    if options.fit:
        words = options.fit.split(",")
        noise *= WRONG_NOISE
        if "length" in words:
            length *= WRONG_LENGTH
        settings.append(f"hyper={{fit: [{', '.join(words)}], starts: 1, profile: false}}")
    settings.append(f"data=[{{file: darcy.h5, points: /sensors, values: /measured, noise: {noise}}}]")
    settings.append(f"inverse.prior.length={length}")
    return settings + options.set


def compare(results, path):
    """Truth, mean and deviation of u and w at the points of the grid."""
    fields = {}
    with h5py.File(results) as found, h5py.File(path) as truth:
        for name, key in (("u", ""), ("w", "log_permeability/")):
            group = found["predict"]
            fields[name] = (truth[name][:], group[key + "mean"][:], np.sqrt(group[key + "variance"][:]))
    return fields


def describe(name, truth, mean, deviation):
    error = mean - truth
    covered = float(np.mean(np.abs(error) <= DEVIATIONS * deviation))
    print(f"  {name}: error {np.sqrt(np.mean(error**2)):.3g} (largest {np.abs(error).max():.2g}), deviation "
          f"{np.sqrt(np.mean(deviation**2)):.3g}, of values {truth.min():.3g} to {truth.max():.3g}; 95 % intervals hold "
          f"{100 * covered:.1f} %", flush=True)
    return covered


def one(options, seed, folder):
    path = folder / "darcy.h5"
    make_truth(options, seed, path)
    record = launch.run(options.program, options.ranks, folder / "darcy.yaml", folder / "out", settings_of(options))
    steps = launch.result(record, "newton_iterations")
    print(f"seed {seed}: {options.side}^2 points, {options.sensors} data, {steps} Gauss-Newton steps, "
          f"{record['program_seconds']:.0f} s on {options.ranks} ranks")
    fields = compare(folder / "out/results.h5", path)
    summary = {f"coverage of {name}": describe(name, *field) for name, field in fields.items()}
    true = {"fitted_noise": options.noise}
    if options.truth == "drawn":
        true["fitted_log_permeability_length"] = options.length
    for entry in record["results"]:
        if not entry["name"].startswith("fitted_"):
            continue
        name, low, high = entry["name"], *(entry.get("interval") or (math.nan, math.nan))
        text = f"  {name} {entry['value']:.4g} in [{low:.4g}, {high:.4g}]"
        if name in true:
            summary[f"intervals of {name}"] = float(low <= true[name] <= high)
            summary[f"log({name} / true)"] = math.log(entry["value"] / true[name])
            text += f", truth {true[name]:g}: {'inside' if low <= true[name] <= high else 'OUTSIDE'}"
        print(text, flush=True)
    if options.pictures:
        draw(fields, path, options.pictures)
    return summary


def draw(fields, path, folder):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(path) as file:
        sensors = file["sensors"][:]
    rows = {"w": "log-permeability", "u": "pressure"}
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), layout="constrained")
    for (name, title), line in zip(rows.items(), axes):
        colours = plt.get_cmap("viridis", SHADES)
        truth, mean, deviation = fields[name]
        side = math.isqrt(truth.size)
        low, high = truth.min(), truth.max()
        error = mean - truth
        bound = np.abs(error).max()
        panels = ((f"{title}: truth", truth, dict(vmin=low, vmax=high, cmap=colours)),
                  ("mean", mean, dict(vmin=low, vmax=high, cmap=colours)),
                  ("deviation", deviation, dict(vmin=0, cmap=plt.get_cmap("magma", SHADES))),
                  ("error", error, dict(vmin=-bound, vmax=bound, cmap=plt.get_cmap("RdBu_r", SHADES))))
        for axis, (label, values, look) in zip(line, panels):
            image = axis.imshow(values.reshape(side, side), origin="lower", extent=(0, 1, 0, 1), **look)
            figure.colorbar(image, ax=axis, shrink=0.85)
            axis.set_title(label, fontsize=10)
            axis.set_xticks([])
            axis.set_yticks([])
        line[0].plot(*sensors.T, ".", color="white", markersize=1)
    figure.savefig(folder / "darcy.png", dpi=72)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truth", choices=("reference", "drawn"), default="reference")
    parser.add_argument("--side", type=int, default=101)
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=1e-4)
    parser.add_argument("--length", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--fit", choices=("noise", "length,noise"))
    parser.add_argument("--pictures", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for the deck, as the program's")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--program", type=lambda path: pathlib.Path(path).resolve(),
                        default="build/release/drivers/mensura-gp")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        shutil.copy(DECK, folder)
        found = [one(options, seed, folder) for seed in range(options.seed, options.seed + options.draws)]
    if len(found) > 1:
        print(f"{len(found)} draws:")
        for key in found[0]:
            values = [summary[key] for summary in found if key in summary]
            print(f"  {key}: mean {np.mean(values):.3f}, deviation {np.std(values, ddof=1):.3f}")


if __name__ == "__main__":
    main()
