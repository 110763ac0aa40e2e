#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes numerics.json: reference numbers for tests/unit/divergence.

The estimators are those of the serial numpy implementation of the same formulas (modules `estimators` and
`intervals`), which is not part of this repository:

  PYTHONPATH=<folder with estimators.py and intervals.py> ./make_numerics.py > numerics.json

The points are made by integer arithmetic and correctly rounded operations only, so that the C++ test makes the
same bits (see points() here and make_points() in tests/unit/divergence/points.hpp). Neighbours are found by brute
force with the tie rule (squared distance, mix(id), id).
"""
import json
import math

import numpy as np

import estimators as E
import intervals as I

MASK = (1 << 64) - 1
KMAX = 64


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniform(counter):
    """53 random bits as a number in [0, 1)."""
    return (mix((counter * 0x9E3779B97F4A7C15 + 0x1234567) & MASK) >> 11) * 2.0 ** -53


def points(n, m, d, duplicates):
    """X then Y: sums of four uniforms (nearly normal); Y scaled by 1.25 and shifted by 0.25.

    duplicates: every third point is rounded to a grid of 1/2, so that many coincide and tie."""
    P = np.empty((n + m, d))
    c = 0
    for i in range(n + m):
        for j in range(d):
            s = -2.0
            for _ in range(4):
                s += uniform(c)
                c += 1
            if i >= n:
                s = s * 1.25 + 0.25
            if duplicates and i % 3 == 0:
                s = math.floor(s * 2.0 + 0.5) * 0.5
            P[i, j] = s
    return P


def squared_distances(P):
    D = np.zeros((len(P), len(P)))
    for j in range(P.shape[1]):                     # coordinate by coordinate: the same rounding as in C++
        D += (P[:, None, j] - P[None, :, j]) ** 2
    return D


def case(n, m, d, duplicates, order):
    P = points(n, m, d, duplicates)
    D2 = squared_distances(P)
    ids = np.arange(n + m)
    mixed = np.array([mix(int(i)) for i in ids], dtype=np.uint64)
    counts, terms = np.empty((n + m, KMAX), int), []
    own, other = np.empty((n + m, 10)), np.empty((n + m, 10))
    for i in range(n + m):
        o = np.lexsort((ids, mixed, D2[i]))
        o = o[o != i]
        counts[i] = np.cumsum(o[:KMAX] < n)
        r = D2[i, o[:KMAX]]
        r = r[r > 0]
        if len(r) >= 3:
            terms.append(0.5 * np.log(r[-1] / r).sum() / (len(r) - 2))
        same = (o < n) == (i < n)
        own[i], other[i] = D2[i, o[same][:10]], D2[i, o[~same][:10]]
    cx = counts[:n].T[[k - 1 for k in I.KS]]
    cy = counts[n:].T[[k - 1 for k in I.KS]]
    mle = 1.0 / np.mean(terms)
    dint = d if mle >= 0.6 * d else max(1, min(d, int(np.ceil(mle / 0.9 - 0.4))))
    out = dict(n=n, m=m, d=d, duplicates=duplicates, order=order, mle=mle, intrinsic=dint, checksum_x=int(cx.sum()),
               checksum_y=int(cy.sum()))
    for which, name in ((0, "kl"), (1, "renyi")):
        C, S, v, sat = I.profile(cx, cy, n, m, order, which)
        est, s, bar, g0 = I.extrapolate(C, S, v, sat, dint)
        out[name] = dict(profile=list(C), covariance=list(S.ravel()), ball_noise=list(v), saturation=list(sat),
                         value=est, standard_error=s, bias_bar=bar, unextrapolated=g0,
                         flags=I.status(which, est, s, g0, sat, cx, cy, n, m))
    cxs, cys = dict(zip(I.KS, cx)), dict(zip(I.KS, cy))
    con, unc = E.onestep(cxs, cys, I.KS, n, m, 12, order), E.onestep(cxs, cys, I.KS, n, m, 1, order)
    for (c, sc), (u, su), name in zip(con, unc, ("kl", "renyi")):
        bar = abs(c - u)
        out[name]["high_dimension"] = [u, su, bar] if bar < su else [c, sc, bar]
    k = 24
    cn = counts[n:, k - 1]
    out["nnr"] = dict(k=k, kl=E.nnr_kl(cn, k, m / n), renyi=float(E.nnr_renyi(cn, k, m / n, order)))
    if not duplicates:
        out["wkv"] = dict(k=5, kl=float(E.kl_wkv(np.sqrt(own[:n]), np.sqrt(other[:n]), n, m, d, 5)))
    Pw = np.vstack(I.whiten(P[:n], P[n:]))
    out["whitened_first"], out["whitened_last"] = list(Pw[0]), list(Pw[-1])
    m1, m2 = P[:n].mean(0), P[n:].mean(0)
    S1, S2 = np.cov(P[:n].T).reshape(d, d), np.cov(P[n:].T).reshape(d, d)
    out["gaussian"] = dict(kl=float(E.gauss_kl(m1, S1, m2, S2)), renyi=float(E.gauss_renyi(m1, S1, m2, S2, order)))
    return out


def tables(n, m, order):
    T, H, V = I.all_tables(n, m, order)
    side = lambda q: {str(k): dict(term=list(T[k][q]), rest=list(T[I.KX][q] - H[k][q]), variance=list(V[k][q]))
                      for k in (8, 24)}
    return dict(n=n, m=m, order=order, kl_x=side(0), kl_y=side(1), j_x=side(2), j_y=side(3))


def main():
    cases = [case(260, 190, d, False, 0.5) for d in (1, 2, 3, 8)]
    cases += [case(190, 260, d, True, 0.3) for d in (1, 2, 3)] + [case(150, 150, 2, True, 0.5)]
    print(json.dumps(dict(source="make_numerics.py with numpy " + np.__version__,
                          tables=[tables(260, 190, 0.5), tables(190, 260, 0.3)], cases=cases), indent=1))


if __name__ == "__main__":
    main()
