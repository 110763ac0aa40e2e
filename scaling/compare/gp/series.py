# SPDX-License-Identifier: BSD-3-Clause
"""The problem that all peers solve: -Lap u + u^3 = f on the unit square with u given on the boundary, where
u = sum_{k=1}^{600} sin(pi k x) sin(pi k y) / k^6, the problem of inputs/gp/cubic.yaml."""
import numpy as np

TERMS, DECAY = 600, 6
NEWTON = 1e-10     # relative change at which Newton stops, as solve.newton
MAX_NEWTON = 30


def on_grid(coordinates):
    """u and f on the tensor grid of `coordinates` with itself, each of shape (n, n)."""
    k = np.arange(1, TERMS + 1.0)
    sines = np.sin(np.pi * np.outer(coordinates, k))
    u = (sines * k**-DECAY) @ sines.T
    minus_laplacian = (sines * (2 * np.pi**2 * k ** (2 - DECAY))) @ sines.T
    return u, minus_laplacian + u**3


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def converged(history):
    """The solver's own test: the last relative change is below the tolerance, or the next one would be at the
    rate of the last two."""
    step, rate = history[-1], history[-1] / history[-2] if len(history) > 1 else 1.0
    return step <= NEWTON or (rate < 0.5 and step * rate / (1 - rate) <= NEWTON)
