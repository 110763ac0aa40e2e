#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The plain solver: five-point differences and Newton on a uniform grid, second order in the mesh width.

usage: finite_differences.py CELLS_PER_SIDE fast|direct

`direct`: every Newton step factors its sparse matrix with SuperLU; would serve any domain a mesh fits.
`fast`: conjugate gradients with the exact inverse of -Lap + mean(3 v^2) by fast sine transforms; the fastest there is
for a rectangle with constant coefficients, and of no use elsewhere. Prints JSON: `seconds` with the evaluation of the
source, `unknowns`, `l2` (root mean square over the interior nodes), Newton and linear iterations.
"""
import json
import os
import sys
import time

import numpy as np
import scipy
import scipy.fft
import scipy.sparse
import scipy.sparse.linalg

import series

WORKERS = len(os.sched_getaffinity(0))
TOLERANCE = 1e-8   # of the conjugate gradients, as solve.tolerance


class Grid:
    """Interior nodes of the unit square with `cells` cells on a side; functions on it are (cells-1, cells-1)."""

    def __init__(self, cells):
        self.cells = cells
        self.axis = np.arange(1, cells) / cells
        # The eigenvalues of the five-point operator belong to products of sines.
        line = (2 * cells * np.sin(0.5 * np.pi * self.axis)) ** 2
        self.eigenvalues = line[:, None] + line[None, :]

    def minus_laplacian(self, v):
        """-Lap v by five points, zero on the boundary."""
        out = 4.0 * v
        out[1:] -= v[:-1]
        out[:-1] -= v[1:]
        out[:, 1:] -= v[:, :-1]
        out[:, :-1] -= v[:, 1:]
        out *= self.cells**2
        return out

    def matrix(self):
        n = self.cells - 1
        line = scipy.sparse.diags([-1.0, 2.0, -1.0], [-1, 0, 1], shape=(n, n)) * float(self.cells**2)
        identity = scipy.sparse.identity(n)
        return (scipy.sparse.kron(line, identity) + scipy.sparse.kron(identity, line)).tocsc()


class FastSolver:
    def __init__(self, grid):
        self.grid = grid
        self.iterations = []

    def __call__(self, reaction, rhs):
        grid, shift = self.grid, reaction.mean()
        shape, count = rhs.shape, [0]

        def apply(x):
            v = x.reshape(shape)
            return (grid.minus_laplacian(v) + reaction * v).ravel()

        def precondition(x):
            modes = scipy.fft.dstn(x.reshape(shape), type=1, workers=WORKERS, norm="ortho")
            modes /= grid.eigenvalues + shift
            return scipy.fft.idstn(modes, type=1, workers=WORKERS, norm="ortho", overwrite_x=True).ravel()

        def counter(_):
            count[0] += 1

        operators = [scipy.sparse.linalg.LinearOperator((rhs.size, rhs.size), matvec=f, dtype=float)
                     for f in (apply, precondition)]
        x, status = scipy.sparse.linalg.cg(operators[0], rhs.ravel(), M=operators[1], tol=TOLERANCE, maxiter=200,
                                           callback=counter)
        if status != 0:
            sys.exit(f"conjugate gradients stopped with status {status} after {count[0]} iterations")
        self.iterations.append(count[0])
        return x.reshape(shape)


class DirectSolver:
    def __init__(self, grid):
        self.matrix = grid.matrix()
        self.iterations = []

    def __call__(self, reaction, rhs):
        # Symmetric and positive definite: no pivoting, an ordering for symmetric patterns.
        factor = scipy.sparse.linalg.splu((self.matrix + scipy.sparse.diags(reaction.ravel())).tocsc(),
                                          permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                                          options={"SymmetricMode": True})
        self.iterations.append(1)
        return factor.solve(rhs.ravel()).reshape(rhs.shape)


def newton(grid, solver, source):
    v, history = np.zeros_like(source), []
    while len(history) < series.MAX_NEWTON:
        change = solver(3 * v**2, source - grid.minus_laplacian(v) - v**3)
        v += change
        history.append(float(np.linalg.norm(change) / np.linalg.norm(v)))
        if series.converged(history) or not np.isfinite(history[-1]):
            break
    return v, history


def main():
    cells, method = int(sys.argv[1]), sys.argv[2]
    start = time.perf_counter()
    grid = Grid(cells)
    exact, source = series.on_grid(grid.axis)
    solver = {"fast": FastSolver, "direct": DirectSolver}[method](grid)
    v, history = newton(grid, solver, source)
    seconds = time.perf_counter() - start
    print(json.dumps({"peer": f"SciPy {scipy.__version__}, five points, {method}", "cells": cells,
                      "unknowns": v.size, "seconds": seconds, "newton": len(history), "changes": history,
                      "converged": series.converged(history), "iterations": solver.iterations,
                      "l2": series.rms(v - exact)}))


if __name__ == "__main__":
    main()
