# SPDX-License-Identifier: BSD-3-Clause
"""A transport problem as all programs of compare.py see it, and what is measured on their answers.

The HDF5 file of a case holds /a/mass and /b/mass (images) or /a/points, /a/weights, /b/... (clouds), written by
compare.py. Potentials are those of P_ij = a_i b_j exp((f_i + g_j - |x_i - y_j|^2) / eps), whatever the program's own
convention is.
"""
import json
import sys
import time

import h5py
import numpy as np

EXACT_PAIRS = 4e8      # up to here all rows and columns of the plan are summed
SAMPLED = 1000         # else so many of each, taken at random
BLOCK_PAIRS = 2e7


class Case:
    """Points with mass only; `shape` is that of the image or None."""

    def __init__(self, path):
        with h5py.File(path) as file:
            self.epsilon = file.attrs.get("epsilon")
            self.sides = [read_side(file[name]) for name in ("a", "b")]
        (self.x, self.a, self.full_a), (self.y, self.b, self.full_b) = self.sides
        self.shape = None if self.full_a is None else self.full_a.shape

    def matrix(self):
        """The dense cost."""
        squares = (self.x**2).sum(1)[:, None] + (self.y**2).sum(1)[None, :]
        squares -= 2 * self.x @ self.y.T
        return np.maximum(squares, 0, out=squares)


def read_side(group):
    """Points, masses of sum one, and for an image its full array of masses."""
    if "mass" not in group:
        return group["points"][:], group["weights"][:] / group["weights"][:].sum(), None
    mass = group["mass"][:]
    mass = mass / mass.sum()
    axes = [(np.arange(n) + 0.5) / max(mass.shape) for n in mass.shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, mass.ndim)
    kept = mass.ravel() > 0
    return points[kept], mass.ravel()[kept], mass


def marginal_error(case, f, g):
    """The larger L1 error of the two marginals and the cost of the plan of these potentials. Of large clouds an
    estimate from random rows and columns. Not finite potentials give an infinite error."""
    if not (np.isfinite(f).all() and np.isfinite(g).all()):
        return float("inf"), float("nan")
    rows = one_side(case.x, case.y, case.a, case.b, f, g, case.epsilon)
    columns = one_side(case.y, case.x, case.b, case.a, g, f, case.epsilon)
    return max(rows[0], columns[0]), rows[1]


def one_side(x, y, a, b, f, g, epsilon):
    chosen = np.arange(len(x))
    if len(x) * len(y) > EXACT_PAIRS:
        chosen = np.random.default_rng(1).choice(len(x), SAMPLED, replace=False)
    error = cost = 0.0
    heights = g / epsilon + np.log(b)
    for block in np.array_split(chosen, max(1, int(len(chosen) * len(y) / BLOCK_PAIRS))):
        squares = (x[block] ** 2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2 * x[block] @ y.T
        with np.errstate(over="ignore", under="ignore"):
            plan = np.exp((f[block] / epsilon + np.log(a[block]))[:, None] + heights[None, :] - squares / epsilon)
        error += np.abs(plan.sum(1) - a[block]).sum()
        cost += np.vdot(plan, squares)
    scale = len(x) / len(chosen)
    return float(error * scale), float(cost * scale)


class Meter:
    """Wall and CPU seconds of the solver alone, checks excluded."""

    def __init__(self):
        self.seconds = self.cpu = 0.0

    def __enter__(self):
        self.start = (time.perf_counter(), time.process_time())

    def __exit__(self, *_):
        self.seconds += time.perf_counter() - self.start[0]
        self.cpu += time.process_time() - self.start[1]


def until_met(case, step, tolerance, limit, first=20):
    """Calls step(n), n iterations that go on from the last state and return potentials (f, g), until the marginal
    error meets the tolerance or the seconds are used up; n grows so that checks stay rare."""
    meter, iterations, count = Meter(), 0, first
    while True:
        with meter:
            f, g = step(count)
        iterations += count
        error, cost = marginal_error(case, np.asarray(f), np.asarray(g))
        finished = error <= tolerance
        if finished or not np.isfinite(error) or meter.seconds > limit:
            return {"seconds": meter.seconds, "cpu": meter.cpu, "iterations": iterations, "error": error, "cost": cost,
                    "status": "done" if finished else "did not finish" if np.isfinite(error) else "failed: not finite"}
        per_iteration = meter.seconds / iterations
        left = max(limit - meter.seconds, 0) / per_iteration
        count = max(1, int(min(1.5 * count, left + 1, 1 + 0.1 * limit / per_iteration)))


def answer(record):
    print(json.dumps(record))


def arguments():
    """case.py's callers: PROGRAM FILE METHOD TOLERANCE LIMIT THREADS."""
    path, method, tolerance, limit, threads = sys.argv[1:6]
    return Case(path), method, float(tolerance), float(limit), int(threads)
