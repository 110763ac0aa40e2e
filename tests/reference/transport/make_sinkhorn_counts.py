#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes sinkhorn_counts.json: sweeps of Sinkhorn's algorithm for tests/unit/transport/sinkhorn_test.cpp.

The algorithm is `sinkhorn` of the serial numpy implementation `sns_numpy`, which is not part of this repository:

  PYTHONPATH=<folder with sns_numpy.py> ./make_sinkhorn_counts.py > sinkhorn_counts.json

Its three problem families at a reduced size; potentials belong to P = exp(eta (x + y - C)); a sweep updates x, then y;
errors are the L1 errors of rows and columns together.
"""
import json

import numpy as np

import sns_numpy as S

TOLERANCE, BLOCK = 1e-9, 50


def problem(name, C, r, c, eta):
    x, y, sweeps, plain = S.sinkhorn(C, r, c, eta, 20000, TOLERANCE, block=BLOCK)
    _, _, over_relaxed, _ = S.sinkhorn(C, r, c, eta, 20000, TOLERANCE, block=BLOCK, auto_omega=True)
    return {"name": name, "eta": eta, "r": r.tolist(), "c": c.tolist(), "start": C.min(0).tolist(),
            "cost": C.ravel().tolist(), "plain": [[int(i), float(e)] for i, e in plain],
            "over_relaxed": int(over_relaxed)}


def rounded(values, digits):
    """Short numbers keep the file small; both sides use the rounded ones."""
    return np.round(values, digits)


C, r, c = S.random_assignment(40)
problems = [problem("assignment", rounded(C, 4), r, c, 120.0)]
C, r, c = S.image_pair(7, "l2")
problems.append(problem("images", rounded(C, 6), r, c, 400.0))
C, r, c = S.density_1d(50, 2)
problems.append(problem("line", rounded(C, 6), r, c, 600.0))
print(json.dumps({"source": "make_sinkhorn_counts.py with numpy " + np.__version__, "tolerance": TOLERANCE,
                  "block": BLOCK, "problems": problems}))
