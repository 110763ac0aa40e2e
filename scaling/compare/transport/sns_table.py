#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Iterations of mensura-transport on the five dense problems of the Sinkhorn-Newton-Sparse method (Tang et al., ICLR
2024): random assignment, two pairs of images, two pairs of densities on a line, all at regularisation 1/1200.

usage: sns_table.py [--tolerance 1e-11] [--ranks 1] [--small] [--only assignment ...]

Writes the masses to an HDF5 file and runs the driver twice on each: Newton's method with all that it does by itself
(levels and regularisation scaling included), and over-relaxed Sinkhorn iteration. Costs are scaled to a maximum of one;
on grids that is done by the regularisation. The assignment has a matrix for its cost, where the driver has no Newton
steps. Beside them stand the published
numbers, where the problem is the published one or alike (20 + 9: sweeps and Newton steps), and those of a NumPy program
on the very same problems: plain and over-relaxed Sinkhorn, and Newton with a count rule (the largest 2/n of the plan,
as published) and a mass rule (dropped mass below a hundredth of the error). The images are strokes like digits, not
the published digits.
"""
import argparse
import pathlib
import sys
import tempfile

import h5py
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import launch  # noqa: E402

REGULARISATION = 1 / 1200
DECK = """mensura: 1
marginals:
  a: {{file: sns.h5, dataset: /{name}/{a}}}
  b: {{file: sns.h5, dataset: /{name}/{b}}}
cost: {cost}
regularisation: {{final: {final:.17g}, unit: absolute}}
tolerance: {tolerance}
method: {method}
plan: false
"""
# A matrix needs no places, but marginals are rows of some dataset.
MATRIX = {"a": "points, kind: points, weights: /assignment/a", "b": "points, kind: points, weights: /assignment/b",
          "cost": "{name: matrix, file: sns.h5, dataset: /assignment/cost}"}
GRIDS = {"a": "a", "b": "b"}
# Published (sweeps + Newton steps; Sinkhorn), then the NumPy program: Sinkhorn, over-relaxed, count rule, mass rule.
KNOWN = {
    "assignment": ("20 + 9", "56199", "32000", "3750", "20 + 53", "20 + 8"),
    "images_l2": ("20 + 33", "2041", "1150", "300", "stalls 3e-4", "20 + 8"),
    "images_l1": ("700 + 77", "5748", "> 20000", "> 20000", "200 + 18..21", "200 + 18..20"),
    "line_w2": ("-", "-", "1658", "358", "stalls 4e-2", "50 + 24"),
    "line_w1": ("-", "-", "392", "392", "stalls 4e-3", "200 + 42"),
}


def stroke(size, seed):
    """An image like a digit: a thick smooth closed curve."""
    generator = np.random.default_rng(seed)
    t, k = np.linspace(0.0, 2.0 * np.pi, 400), np.arange(1, 4)[:, None]
    a = generator.normal(size=(2, 3)) * 0.16 / np.arange(1, 4)
    b = generator.normal(size=(2, 3)) * 0.16 / np.arange(1, 4)
    x, y = (0.5 + a[i] @ np.cos(k * t) + b[i] @ np.sin(k * t) for i in (0, 1))
    axis = (np.arange(size) + 0.5) / size
    rows, columns = np.meshgrid(axis, axis, indexing="ij")
    squares = np.min((rows[..., None] - x) ** 2 + (columns[..., None] - y) ** 2, axis=-1)
    image = np.exp(-squares / (2 * 0.03**2))
    image[image < 0.05] = 0.0
    return image


def images(size):
    masses = []
    for seed in (0, 1):
        mass = stroke(size, seed)
        mass = mass / mass.sum() + 1e-2 / mass.size   # every pixel has mass
        masses.append(mass / mass.sum())
    return {"a": masses[0], "b": masses[1]}


def assignment(count):
    uniform = np.full(count, 1.0 / count)
    return {"a": uniform, "b": uniform, "cost": np.random.default_rng(0).random((count, count)),
            "points": np.arange(count, dtype=float)[:, None]}


def line(count):
    s = (np.arange(count) + 0.5) / count
    a = np.exp(-0.5 * ((s - 0.25) / 0.08) ** 2) + 0.3 * np.exp(-0.5 * ((s - 0.7) / 0.05) ** 2) + 1e-4
    b = np.exp(-0.5 * ((s - 0.6) / 0.12) ** 2) + 1e-4
    return {"a": a / a.sum(), "b": b / b.sum()}


def problems(small):
    """Datasets, words of the deck and largest cost of every problem. Those on a line were not scaled."""
    size = 14 if small else 28
    across = 2 * (size - 1) / size, 2 * 13 / 14
    return {"assignment": (assignment(150 if small else 500), MATRIX, 1.0),
            "images_l2": (images(size), {**GRIDS, "cost": "squared_euclidean"}, across[0] ** 2 / 2),
            "images_l1": (images(14), {**GRIDS, "cost": "l1"}, across[1]),
            "line_w2": (line(150), {**GRIDS, "cost": "squared_euclidean"}, 1.0),
            "line_w1": (line(150), {**GRIDS, "cost": "l1"}, 1.0)}


def number(record, name):
    value = launch.result(record, name)
    return "-" if value is None else f"{value:.1e}"


def counts(options, folder, name, words, scale, method):
    """Stages of the run in words; the last stage, which is the one at the wanted regularisation, and the sums."""
    deck = folder / f"{name}.yaml"
    deck.write_text(DECK.format(name=name, final=REGULARISATION * scale, tolerance=options.tolerance, method=method,
                                **words))
    try:
        record = launch.run(options.program, options.ranks, deck, folder / "out", options.set, options.mpiexec,
                            options.limit, accepted=(0, 4))
    except (RuntimeError, launch.TimeoutExpired) as error:
        said = [line.split(": ", 2)[-1] for line in str(error).splitlines() if line.startswith("mensura-transport:")]
        return f"{'-':>12} {'-':>14} {(said or str(error).splitlines())[0]}"
    last, history = record["history"][-1], record["history"]
    sweeps, steps = (sum(stage[key] for stage in history) for key in ("sinkhorn_iterations", "newton_iterations"))
    final = str(last["sinkhorn_iterations"]) + (f" + {last['newton_iterations']}" if steps else "")
    total = f"{sweeps} + {steps}" if steps else str(sweeps)
    mark = "" if record["exit"] == 0 else " not converged"
    most = max((c for stage in history for c in stage["cg_iterations"]), default=0)
    return (f"{final:>12} {total:>14} {len(history):3d} stages, CG <= {most}, L1 error "
            f"{number(record, 'marginal_error_l1')}, gap {number(record, 'gap_absolute')}{mark}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-transport")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--tolerance", type=float, default=1e-11)
    parser.add_argument("--small", action="store_true", help="assignment of 150, images of 14 x 14")
    parser.add_argument("--only", nargs="+", choices=KNOWN, default=list(KNOWN), metavar="PROBLEM")
    parser.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="handed to the program")
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    return parser.parse_args()


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        chosen = problems(options.small)
        with h5py.File(folder / "sns.h5", "w") as file:
            for name, (datasets, _, _) in chosen.items():
                for key, values in datasets.items():
                    file[f"{name}/{key}"] = values
        print(f"{'':12} {'':20} {'last stage':>12} {'all stages':>14}   (sweeps + Newton steps)")
        for name in options.only:
            published, sinkhorn, plain, relaxed, count, mass = KNOWN[name]
            for method in ("newton", "sinkhorn"):
                print(f"{name if method == 'newton' else '':<12} {'mensura ' + method:<20} "
                      f"{counts(options, folder, name, *chosen[name][1:], method)}", flush=True)
            print(f"{'':12} published: {published}, Sinkhorn {sinkhorn}; NumPy: Sinkhorn {plain}, over-relaxed "
                  f"{relaxed}, count rule {count}, mass rule {mass}", flush=True)


if __name__ == "__main__":
    main()
