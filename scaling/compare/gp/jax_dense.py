#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Dense Gauss-Newton for a Gaussian process in JAX: float64 on the CPU, Matern 7/2 of length 0.3.

usage: jax_dense.py PER_SIDE

Collocation on a grid of PER_SIDE^2 points of the unit square, the boundary included. A step solves the equation
linearised at v, -Lap u + 3 v^2 u = f + 2 v^3 (interior) and u = u_b (boundary), as Gaussian-process regression: the
covariance of these functionals is assembled from closed forms of the kernel, its Laplacian and its twofold
Laplacian, every diagonal entry grows by the relative nugget 1e-10, and one Cholesky factorisation gives the mean.
One step is one compiled program. Prints JSON: `seconds` of all steps without the compilation (`compile`), `l2`.
"""
import json
import sys
import time

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np

import series

LENGTH, NUGGET = 0.3, 1e-10
RATE = np.sqrt(7.0) / LENGTH

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def matern_7_2(x, y):
    """Kernel, Laplacian and twofold Laplacian in two dimensions for all pairs; s is the scaled distance.

    With g_0 = k and g_{j+1} = g_j' / r: Lap k = 2 g_1 + r^2 g_2, Lap Lap k = 8 g_2 + 8 r^2 g_3 + r^4 g_4."""
    s = RATE * jnp.sqrt(jnp.square(x[:, None, :] - y[None, :, :]).sum(-1))
    decay = jnp.exp(-s) / 15
    kernel = (15 + s * (15 + s * (6 + s))) * decay
    laplacian = RATE**2 * (-6 + s * (-6 + s * (-1 + s))) * decay
    twofold = RATE**4 * (8 + s * (8 + s * (-8 + s))) * decay
    return kernel, laplacian, twofold


def step(v, points, interior, f, boundary_values):
    """One Gauss-Newton step: the mean at all points (N,) and its change relative to it; v is (N,)."""
    values = jnp.where(interior, 3 * v**2, 1.0)          # weight of u in each functional
    laplacians = jnp.where(interior, -1.0, 0.0)          # weight of Lap u
    kernel, laplacian, twofold = matern_7_2(points, points)
    # Row i of `mixed` is the covariance of u(x_i) with all functionals.
    mixed = kernel * values + laplacian * laplacians
    theta = values[:, None] * mixed + laplacians[:, None] * (laplacian * values + twofold * laplacians)
    theta = theta + jnp.diag(NUGGET * jnp.diag(theta))
    data = jnp.where(interior, f + 2 * v**3, boundary_values)
    factor = jax.scipy.linalg.cho_factor(theta, lower=True, check_finite=False)
    mean = mixed @ jax.scipy.linalg.cho_solve(factor, data, check_finite=False)
    return mean, jnp.linalg.norm(mean - v) / jnp.linalg.norm(mean)


def solve(compiled, arguments, count):
    v, history = jnp.zeros(count), []
    while len(history) < series.MAX_NEWTON:
        v, change = compiled(v, *arguments)
        history.append(float(change))
        if series.converged(history) or not np.isfinite(history[-1]):
            break
    return np.asarray(v), history


def main():
    per_side = int(sys.argv[1])
    axis = np.linspace(0.0, 1.0, per_side)
    exact, source = series.on_grid(axis)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    interior = ((points > 0) & (points < 1)).all(1)
    count = len(points)
    arguments = tuple(map(jnp.asarray, (points, interior, source.ravel(), exact.ravel())))
    start = time.perf_counter()
    compiled = jax.jit(step).lower(jnp.zeros(count), *arguments).compile()
    compiled_at = time.perf_counter()
    jax.block_until_ready(compiled(jnp.zeros(count), *arguments))   # first touch of the memory, thread pools
    warm = time.perf_counter()
    mean, history = solve(compiled, arguments, count)
    end = time.perf_counter()
    print(json.dumps({"peer": f"JAX {jax.__version__}, dense", "points": count, "seconds": end - warm,
                      "compile": compiled_at - start, "newton": len(history), "changes": history,
                      "converged": series.converged(history), "l2": series.rms(mean - exact.ravel())}))


if __name__ == "__main__":
    main()
