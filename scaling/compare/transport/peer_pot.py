#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""POT on the case of an HDF5 file: sinkhorn_log, sinkhorn_stabilized, lazy (empirical_sinkhorn), emd (network
simplex), emd_lazy (the same without the cost matrix). Prints JSON. Their tolerances are on Euclidean norms; here the
L1 error decides. The time of the dense cost matrix counts: the other programs need none."""
import numpy as np
import ot
from scipy.special import logsumexp

from case import Meter, answer, arguments, until_met


def sinkhorn(case, method, tolerance, limit):
    solver = {"sinkhorn_log": ot.bregman.sinkhorn_log, "sinkhorn_stabilized": ot.bregman.sinkhorn_stabilized}[method]
    # With its own limit of 1e3 the stabilised one would absorb after every iteration of a warm start, whose scalings
    # are as large as the number of points.
    more = {"tau": 1e3 * len(case.a)} if method == "sinkhorn_stabilized" else {}
    state = {"warmstart": None}
    meter = Meter()
    with meter:
        cost = case.matrix()

    def step(count):
        _, log = solver(case.a, case.b, cost, case.epsilon, numItermax=count, stopThr=0.0, log=True, warn=False,
                        warmstart=state["warmstart"], **more)
        if "log_u" in log:   # sinkhorn_log
            u, v = state["warmstart"] = log["log_u"], log["log_v"]
        else:
            state["warmstart"] = log["warmstart"]
            # After an absorption in the last iteration its plan lacks a factor, the squared number of points.
            u, v = log["alpha"] / case.epsilon, log["beta"] / case.epsilon
            u = u - logarithm_of_mass(u, v, cost / case.epsilon)
        return case.epsilon * (u - np.log(case.a)), case.epsilon * (v - np.log(case.b))

    result = until_met(case, step, tolerance, limit, first=20 if len(case.a) < 2000 else 2)
    return {**result, "seconds": result["seconds"] + meter.seconds, "cpu": result["cpu"] + meter.cpu}


def logarithm_of_mass(u, v, scaled_cost):
    heights = logsumexp(v[None, :] - scaled_cost, axis=1) + u
    return float(logsumexp(heights))


def lazy(case, tolerance, limit):
    state = {"warmstart": None}

    def step(count):
        f, g, _ = ot.bregman.empirical_sinkhorn(case.x, case.y, case.epsilon, case.a, case.b, numIterMax=count,
                                                stopThr=0.0, isLazy=True, batchSize=1000, log=True, warn=False,
                                                warmstart=state["warmstart"])
        state["warmstart"] = (f, g)   # in units of epsilon, logarithms of the masses included
        return case.epsilon * (f - np.log(case.a)), case.epsilon * (g - np.log(case.b))

    return until_met(case, step, tolerance, limit, first=2)


def emd(case, threads):
    meter = Meter()
    with meter:
        cost = case.matrix()
        plan, log = ot.emd(case.a, case.b, cost, numItermax=10**9, log=True, numThreads=threads)
    error = max(np.abs(plan.sum(1) - case.a).sum(), np.abs(plan.sum(0) - case.b).sum())
    return {"seconds": meter.seconds, "cpu": meter.cpu, "iterations": 0, "error": float(error),
            "cost": float(np.vdot(plan, cost)), "status": log["warning"] or "done"}


def emd_lazy(case):
    meter = Meter()
    with meter:
        value, log = ot.lp.emd2_lazy(case.x, case.y, case.a, case.b, numItermax=10**9, log=True, return_matrix=True)
    plan = log["G"]
    rows, columns = (np.asarray(plan.sum(axis)).ravel() for axis in (1, 0))
    error = max(np.abs(rows - case.a).sum(), np.abs(columns - case.b).sum())
    return {"seconds": meter.seconds, "cpu": meter.cpu, "iterations": 0, "error": float(error), "cost": float(value),
            "status": log.get("warning") or "done"}


def main():
    case, method, tolerance, limit, threads = arguments()
    if method == "emd":
        result = emd(case, threads)
    elif method == "emd_lazy":
        result = emd_lazy(case)
    elif method == "lazy":
        result = lazy(case, tolerance, limit)
    else:
        result = sinkhorn(case, method, tolerance, limit)
    answer(result)


if __name__ == "__main__":
    main()
