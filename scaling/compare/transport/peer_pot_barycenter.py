#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""POT's convolutional barycenters of the images of an HDF5 file, for barycenter.py.

usage: peer_pot_barycenter.py FILE.h5 EPSILON TOLERANCE ITERATIONS DEBIASED(0|1) RESULT.npy

The datasets of the file's root are the images, in the order of their names, with equal weights. Writes the barycenter
to RESULT.npy and prints JSON: seconds of the solver, iterations, the largest L1 error of the images' marginals after
the centre's update and the mass of the result. POT puts the pixels of an image at 0, 1/(n-1), ..., 1 instead of
1/(2n), 3/(2n), ...: its regularisation is scaled so that the problem is the same. Its own stopping rule is on the
spread of the columns between the images; the error is measured here from its scalings. POT adds 1e-30 (debiased: 1e-15)
inside the logarithms of the geometric mean, which its scalings, free to drift, fall below: the fixed point then is
another one, of other images than the barycenter (0.07 away in L1 on the photographs at 64 x 64 and epsilon 1e-3, where
the weighted mean of the logarithms of the scalings should vanish and reaches 30). Here it adds 1e-300. `optimality` is
the largest such mean where the barycenter is above 1e-12 of its maximum, of plain ones.
"""
import json
import sys
import time

import h5py
import numpy as np
import ot


def kernels(shape, epsilon):
    """One factor per axis, of the same problem in Mensura's units."""
    result = []
    for size in shape:
        places = (np.arange(size) + 0.5) / max(shape)
        result.append(np.exp(-((places[:, None] - places[None, :]) ** 2) / epsilon))
    return result


def marginal_error(images, barycenter, log, epsilon):
    """The columns are the barycenter exactly: v = b / (K u); the rows are what they are."""
    rows, columns = kernels(images.shape[1:], epsilon)
    largest = 0.0
    for image, u in zip(images, log["U"]):
        v = barycenter / (rows @ u @ columns)
        largest = max(largest, np.abs(u * (rows @ v @ columns) - image).sum())
    return float(largest)


def optimality(barycenter, log, epsilon):
    rows, columns = kernels(barycenter.shape, epsilon)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.mean([np.log(barycenter / (rows @ u @ columns)) for u in log["U"]], axis=0)
    return float(np.abs(mean[barycenter > 1e-12 * barycenter.max()]).max())


def main():
    path, epsilon, tolerance, iterations, debiased, result = sys.argv[1:7]
    epsilon = float(epsilon)
    with h5py.File(path) as file:
        images = np.stack([file[name][:] for name in sorted(file)])
    images = images / images.sum((1, 2), keepdims=True)
    if images.shape[1] != images.shape[2]:
        sys.exit("POT has one spacing per axis: the images must be squares")
    size = images.shape[1]
    solver = ot.bregman.convolutional_barycenter2d_debiased if int(debiased) else ot.bregman.convolutional_barycenter2d
    start = time.perf_counter()
    barycenter, log = solver(images, epsilon * (size / (size - 1)) ** 2, numItermax=int(iterations),
                             stopThr=float(tolerance), stabThr=1e-300, log=True, warn=False)
    seconds = time.perf_counter() - start
    if not np.isfinite(barycenter).all():
        sys.exit("POT's result is not finite: its kernels underflow")
    np.save(result, barycenter)
    print(json.dumps({"seconds": seconds, "iterations": log["niter"] + 1, "mass": float(barycenter.sum()),
                      "error": marginal_error(images, barycenter, log, epsilon),
                      "optimality": None if int(debiased) else optimality(barycenter, log, epsilon)}))


if __name__ == "__main__":
    main()
