#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""OTT-JAX on the case of an HDF5 file, float64: grid (images), pointcloud (low memory above 5000 points). Prints JSON.
Compilation is timed apart. `+momentum` is its over-relaxation, after plain iterations at the start: from zero it
diverges at small regularisations."""
import time

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from ott.geometry import grid, pointcloud  # noqa: E402
from ott.problems.linear import linear_problem  # noqa: E402
from ott.solvers.linear import acceleration, sinkhorn  # noqa: E402

from case import answer, arguments, until_met  # noqa: E402

CHUNK, BATCHED = 10, 5000   # iterations of one compiled call; points above which rows come in batches
PLAIN = 100                 # iterations before the over-relaxation


def make_step(case, geometry, masses, momentum):
    """A compiled call of CHUNK iterations, (f, g) to (f, g); potentials of OTT hold the logarithms of the masses."""
    a, b = map(jnp.asarray, masses)
    solver = sinkhorn.Sinkhorn(threshold=-1.0, min_iterations=CHUNK, max_iterations=CHUNK, inner_iterations=CHUNK,
                               lse_mode=True,
                               momentum=acceleration.Momentum(value=momentum) if momentum else None)

    def run(f, g):
        out = solver(linear_problem.LinearProblem(geometry, a, b), init=(f, g))
        return out.f, out.g

    zeros = jnp.zeros(len(a)), jnp.zeros(len(b))
    return jax.jit(run).lower(*zeros).compile(), zeros


def main():
    case, method, tolerance, limit, _ = arguments()
    kind, _, momentum = method.partition("+momentum")
    masses, kept = (case.a, case.b), (slice(None), slice(None))
    if kind == "grid":
        axes = [jnp.asarray((np.arange(n) + 0.5) / max(case.shape)) for n in case.shape]
        geometry = grid.Grid(x=axes, epsilon=case.epsilon)
        full = case.full_a.ravel(), case.full_b.ravel()
        masses, kept = full, tuple(np.flatnonzero(mass > 0) for mass in full)
    else:
        batch = 1024 if len(case.a) > BATCHED else None
        geometry = pointcloud.PointCloud(jnp.asarray(case.x), jnp.asarray(case.y), epsilon=case.epsilon,
                                         batch_size=batch)
    start = time.perf_counter()
    plain, state = make_step(case, geometry, masses, None)
    relaxed = make_step(case, geometry, masses, float(momentum))[0] if momentum else plain
    done = 0
    compile_seconds = time.perf_counter() - start

    def step(count):
        nonlocal state, done
        for _ in range(-(-count // CHUNK)):
            state = (plain if done < PLAIN else relaxed)(*state)
            done += CHUNK
        f, g = (np.asarray(values)[k] for values, k in zip(jax.block_until_ready(state), kept))
        return f - case.epsilon * np.log(case.a), g - case.epsilon * np.log(case.b)

    result = until_met(case, step, tolerance, limit, first=CHUNK)
    answer({**result, "iterations": done, "compile": compile_seconds})


if __name__ == "__main__":
    main()
