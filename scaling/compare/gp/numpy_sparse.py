#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a NumPy implementation of the same sparse method: the `run` of FOLDER/ref_kolesky.py.

usage: numpy_sparse.py PER_SIDE FOLDER

Same grid, kernel, radius 3, 3 neighbours, nugget and tolerances. Prints JSON as the other peers do; `phases` are its
ordering, pattern, big factor, and Gauss-Newton with the small factors.
"""
import json
import sys

import numpy as np

sys.path.insert(0, sys.argv[2])
import ref_kolesky  # noqa: E402  (its folder is an argument)


def main():
    cells = int(sys.argv[1]) - 1
    out = ref_kolesky.run(cells, rho=3.0, how="maximin", boundary="first", k=3, p=3, ell_k=0.3, nugget=1e-10, steps=30,
                          verbose=False)
    print(json.dumps({"peer": f"NumPy {np.__version__}, same sparse method", "points": int(out["N"]),
                      "seconds": float(sum(out["t"])), "newton": len(out["its"]),
                      "iterations": list(map(int, out["its"])),
                      "converged": min(out["its"]) >= 0 and len(out["its"]) < 30, "l2": float(out["L2"]),
                      "phases": dict(zip(("ordering", "pattern", "factor", "solve"), map(float, out["t"])))}))


if __name__ == "__main__":
    main()
