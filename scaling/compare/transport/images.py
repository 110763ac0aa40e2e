#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Nine classes of synthetic images after those of the benchmark DOTmark, a pair of each, as an HDF5 file.

usage: images.py FILE.h5 [--size 256] [--seed 1] [--classes rough smooth ...]

Datasets /CLASS/a and /CLASS/b of shape (size, size), values from 0 to 1; the same seed gives the same file. rough,
moderate, smooth: Gaussian random fields of Matern smoothness 1/4, 1 and 5/2 and growing correlation length, scaled to
[0, 1]; log: exponential of a field; logit: logistic function of a field; cauchy: one peak with heavy tails; shapes:
discs, rings, boxes and crosses on nothing; noise: every pixel uniform by itself; spots: many small bright spots on
black, as under a microscope. shapes and spots have empty regions.
"""
import argparse
import pathlib

import h5py
import numpy as np


def gaussian_field(generator, size, smoothness, length):
    """Mean zero, variance one, Matern; cut out of a torus twice as wide, so that opposite borders know nothing of
    each other."""
    wide = 2 * size
    frequency = 2 * np.pi * np.fft.fftfreq(wide, d=1.0 / size)
    squares = frequency[:, None] ** 2 + frequency[None, :] ** 2
    amplitude = (2 * smoothness / length**2 + squares) ** (-(smoothness + 1) / 2)
    field = np.fft.ifft2(amplitude * np.fft.fft2(generator.standard_normal((wide, wide)))).real
    return field[:size, :size] * wide / np.sqrt(np.sum(amplitude**2))


def scaled(values):
    return (values - values.min()) / (values.max() - values.min())


def field_class(smoothness, length, shape=scaled):
    return lambda generator, size: shape(gaussian_field(generator, size, smoothness, length))


def centres(size):
    axis = (np.arange(size) + 0.5) / size
    return np.meshgrid(axis, axis, indexing="xy")


def cauchy(generator, size):
    x, y = centres(size)
    centre, widths = generator.uniform(0.25, 0.75, 2), generator.uniform(0.05, 0.2, 2)
    angle = generator.uniform(0, np.pi)
    dx, dy = x - centre[0], y - centre[1]
    u = (np.cos(angle) * dx + np.sin(angle) * dy) / widths[0]
    v = (np.cos(angle) * dy - np.sin(angle) * dx) / widths[1]
    return (1 + u * u + v * v) ** -1.5


def shapes(generator, size):
    """Four figures of equal brightness at least; where they overlap the brightest counts."""
    x, y = centres(size)
    image = np.zeros((size, size))
    for kind in generator.permutation(4):
        dx, dy = x - generator.uniform(0.2, 0.8), y - generator.uniform(0.2, 0.8)
        radius = generator.uniform(0.08, 0.18)
        distance, box = np.hypot(dx, dy), np.maximum(np.abs(dx), np.abs(dy))
        inside = (distance < radius, (distance < radius) & (distance > 0.6 * radius), box < radius,
                  (box < radius) & (np.minimum(np.abs(dx), np.abs(dy)) < 0.3 * radius))[kind]
        image = np.maximum(image, generator.uniform(0.3, 1.0) * inside)
    return image / image.max()


def spots(generator, size):
    x, y = centres(size)
    image = np.zeros((size, size))
    for _ in range(60):
        squares = (x - generator.uniform()) ** 2 + (y - generator.uniform()) ** 2
        image += generator.uniform(0.2, 1.0) * np.exp(-squares / (2 * generator.uniform(0.005, 0.02) ** 2))
    image[image < 0.02 * image.max()] = 0   # black is empty
    return image / image.max()


CLASSES = {
    "rough": field_class(0.25, 0.05),
    "moderate": field_class(1.0, 0.15),
    "smooth": field_class(2.5, 0.3),
    "log": field_class(0.5, 0.4, lambda field: np.exp(field - field.max())),
    "logit": field_class(4.0, 0.1, lambda field: 1 / (1 + np.exp(-3 * field))),
    "cauchy": cauchy,
    "shapes": shapes,
    "noise": lambda generator, size: generator.uniform(size=(size, size)),
    "spots": spots,
}


def write_images(path, size, seed=1, names=tuple(CLASSES)):
    """Every class has random numbers of its own: a subset of the classes holds the same images."""
    with h5py.File(path, "w") as file:
        for name in names:
            generator = np.random.default_rng([seed, size, list(CLASSES).index(name)])
            for which in ("a", "b"):
                file[f"{name}/{which}"] = CLASSES[name](generator, size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--classes", nargs="+", choices=CLASSES, default=list(CLASSES), metavar="CLASS")
    options = parser.parse_args()
    write_images(options.file, options.size, options.seed, options.classes)


if __name__ == "__main__":
    main()
