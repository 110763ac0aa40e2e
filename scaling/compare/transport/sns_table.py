#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Iterations of mensura-transport on the five dense problems of the Sinkhorn-Newton-Sparse method (Tang et al., ICLR
2024): random assignment, two pairs of images, two pairs of densities on a line, all at regularisation 1/1200.

usage: sns_table.py [--tolerance 1e-11] [--ranks 1] [--small] [--only assignment ...]

Writes masses and cost matrices, scaled to a maximum of one, to an HDF5 file and runs the driver on the very problem of
the method: a matrix of costs, one regularisation, 20 to 200 sweeps, then Newton steps with all of the plan (`full`),
with what the mass rule keeps (dropped mass below a hundredth of the error) and what the count rule keeps (2 entries per
point, 15 for l1 costs, as published), and over-relaxed Sinkhorn iteration. One more row is Newton's method as the
driver does it by itself where the problem has a geometry: levels and regularisation scaling included. Beside them stand
the published numbers, where the problem is the published one or alike (20 + 9: sweeps and Newton steps), and those of
a NumPy program on the same problems: plain and over-relaxed Sinkhorn, count rule and mass rule. The images are strokes
like digits, not the published digits.
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
  a: {{file: sns.h5, {a}}}
  b: {{file: sns.h5, {b}}}
cost: {cost}
regularisation: {{final: {final:.17g}, unit: absolute}}
tolerance: {tolerance}
method: {method}
plan: false
"""
# Before the first Newton step, as many as the NumPy program makes.
SWEEPS = {"assignment": 20, "images_l2": 20, "images_l1": 200, "line_w2": 50, "line_w1": 200}
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


def grid(masses, cost, scale):
    """A problem on a grid: masses, places, the deck's word for the cost, and what it is divided by."""
    shape = masses["a"].shape
    axes = [(np.arange(n) + 0.5) / max(shape) for n in shape]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    apart = np.abs(places[:, None, :] - places[None, :, :])
    costs = ((apart if cost == "l1" else apart**2).sum(-1)) / scale
    return {**masses, "cost": costs, "points": np.arange(float(len(places)))[:, None]}, cost, scale


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
    """Datasets, the cost where there is a geometry, and its largest value. Those on a line were not scaled."""
    size = 14 if small else 28
    across = 2 * (size - 1) / size, 2 * 13 / 14
    return {"assignment": (assignment(150 if small else 500), None, 1.0),
            "images_l2": grid(images(size), "squared_euclidean", across[0] ** 2 / 2),
            "images_l1": grid(images(14), "l1", across[1]),
            "line_w2": grid(line(150), "squared_euclidean", 1.0),
            "line_w1": grid(line(150), "l1", 1.0)}


def runs(name, cost, scale):
    """The rows of a problem: words, method, deck, settings."""
    # A matrix needs no places, but marginals are rows of some dataset.
    sides = {side: f"points: /{name}/points, weights: /{name}/weights_{side}" for side in "ab"}
    matrix = {**sides, "cost": f"{{name: matrix, file: sns.h5, dataset: /{name}/cost}}", "final": REGULARISATION}
    single = [f"regularisation.initial={REGULARISATION:.17g}", f"solve.sweeps={SWEEPS[name]}",
              "solve.max_newton=1000"]
    kept = 15 if cost == "l1" else 2
    rows = [("full", "newton", matrix, single),
            ("mass rule", "newton", matrix, [*single, "solve.hessian=mass"]),
            ("count rule", "newton", matrix, [*single, "solve.hessian=count", f"solve.kept={kept}"]),
            ("sinkhorn", "sinkhorn", matrix, single)]
    if cost:
        places = {side: f"dataset: /{name}/{side}" for side in "ab"}
        rows.append(("newton, levels", "newton", {**places, "cost": cost, "final": REGULARISATION * scale}, []))
    return rows


def number(record, name):
    value = launch.result(record, name)
    return "-" if value is None else f"{value:.1e}"


def counts(options, folder, method, words, settings):
    """Stages of the run in words; the last stage, which is the one at the wanted regularisation, and the sums."""
    deck = folder / "deck.yaml"
    deck.write_text(DECK.format(tolerance=options.tolerance, method=method, **words))
    try:
        record = launch.run(options.program, options.ranks, deck, folder / "out", [*settings, *options.set],
                            options.mpiexec, options.limit, accepted=(0, 4))
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
                for side in "ab":
                    file[f"{name}/weights_{side}"] = datasets[side].ravel()
        print(f"{'':12} {'':20} {'last stage':>12} {'all stages':>14}   (sweeps + Newton steps)")
        for name in options.only:
            published, sinkhorn, plain, relaxed, count, mass = KNOWN[name]
            for number_of_row, (row, method, words, settings) in enumerate(runs(name, *chosen[name][1:])):
                print(f"{'' if number_of_row else name:<12} {row:<20} "
                      f"{counts(options, folder, method, words, settings)}", flush=True)
            print(f"{'':12} published: {published}, Sinkhorn {sinkhorn}; NumPy: Sinkhorn {plain}, over-relaxed "
                  f"{relaxed}, count rule {count}, mass rule {mass}", flush=True)


if __name__ == "__main__":
    main()
