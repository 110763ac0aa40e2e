#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""GeomLoss on the case of an HDF5 file, float64: tensorized, or online and multiscale where KeOps runs. Prints JSON.
It has no tolerance: one pass of annealing with the factor `scaling`, which is brought closer to one until the error
meets the tolerance or the seconds are used up; the seconds are those of the last pass alone."""
import numpy as np
import torch
from geomloss import SamplesLoss

from case import Meter, answer, arguments, marginal_error


def main():
    case, method, tolerance, limit, threads = arguments()
    torch.set_num_threads(threads)
    tensors = [torch.as_tensor(values, dtype=torch.float64) for values in (case.a, case.x, case.b, case.y)]
    # Its cost is half the squared distance, its regularisation the square of the blur.
    blur, total, result = float(np.sqrt(case.epsilon / 2)), 0.0, None
    for scaling in (0.5, 0.8, 0.95, 0.99, 0.998):
        loss = SamplesLoss("sinkhorn", p=2, blur=blur, scaling=scaling, debias=False, potentials=True, backend=method)
        meter = Meter()
        with meter:
            f, g = loss(*tensors)
        total += meter.seconds
        f, g = (2 * values.detach().numpy().ravel() for values in (f, g))
        error, cost = marginal_error(case, f, g)
        finished = error <= tolerance
        result = {"seconds": meter.seconds, "cpu": meter.cpu, "iterations": 0, "error": error, "cost": cost,
                  "scaling": scaling, "status": "done" if finished else "did not meet"}
        if finished or total * 3 > limit:
            break
    answer(result)


if __name__ == "__main__":
    main()
