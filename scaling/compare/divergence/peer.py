#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The peer: scipy.spatial.cKDTree with two workers builds one tree on the union of two sets and searches the 64
nearest neighbours of every point of each set (65 with the point itself). Prints seconds as JSON."""
import json
import sys
import time

import h5py
import numpy as np
import scipy
from scipy.spatial import cKDTree

WORKERS, NEIGHBOURS = 2, 64


def main():
    with h5py.File(sys.argv[1]) as file:
        p, q = file["p"][:], file["q"][:]
    start = time.perf_counter()
    union = np.vstack([p, q])
    tree = cKDTree(union)
    built = time.perf_counter()
    # Blocks keep the result lists (65 distances and indices for every point) out of the peer's way; their
    # size costs it nothing. The counts are what a divergence needs of the lists.
    counted = 0
    for points in (p, q):
        for block in np.array_split(points, max(1, len(points) // 250_000)):
            _, neighbours = tree.query(block, k=NEIGHBOURS + 1, workers=WORKERS)
            counted += int(np.count_nonzero(neighbours < len(p)))
    end = time.perf_counter()
    print(json.dumps({"peer": f"scipy {scipy.__version__} cKDTree(workers={WORKERS})",
                      "build": built - start, "search": end - built, "total": end - start,
                      "first_set_neighbours": counted}))


if __name__ == "__main__":
    main()
