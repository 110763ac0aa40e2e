#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Barycenters of images: mensura-transport beside POT's convolutional barycenters, on the same images and cores in the
same run.

usage: barycenter.py [--sizes 64 128 256] [--kinds photographs digits] [--epsilon 1e-3] [--tolerance 1e-8]
                     [--ranks 2] [--repetitions 3] [--iterations 2000] [--only plain] [--output JSON]
                     [--pictures FOLDER]

Four images with equal weights each: photographs.h5 averaged down with 1e-4 of the brightest pixel added, and digits.h5
(four different threes, interpolated up, black is empty), both from the folder MENSURA_DATA. With one entropy per edge,
plain barycenters and debiased ones; and sharp ones, whose one entropy of the whole plan blurs by a quarter of a pixel:
Newton's method, and POT's plain projections with the same kernels. Each program stops by its own rule at --tolerance: mensura-transport by the largest L1 error of the
images' marginals and of a debiased barycenter's plan with itself, POT by the spread of the columns between the images, or
both after --iterations. The error of both is that
of the marginals, POT's measured from its scalings; `mass` is the sum of the result, which should be one; `apart` the
L1 distance of the two results after normalisation. Seconds are medians: of POT those of the solver without imports, of
mensura-transport those of the run by its own clock and of the whole program from the start of mpiexec to its end,
output included; the ratios are POT's seconds over them. --pictures draws the images and all barycenters (and needs
matplotlib). Needs requirements.txt.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from scipy.ndimage import zoom

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
import launch  # noqa: E402

NAMES = "abcd"
DECK = """mensura: 1
marginals:
{marginals}
  z: {{free: true, like: a}}
graph: {{edges: [{edges}]}}
{variant}
tolerance: {tolerance}
plan: false
solve: {{max_sinkhorn: {iterations}}}
"""
VARIANTS = {"plain": "entropy: per_edge\nregularisation: {{final: {epsilon:.17g}, unit: absolute}}",
            "debiased": "entropy: per_edge\ndebiased: true\nregularisation: {{final: {epsilon:.17g}, unit: absolute}}",
            "sharp": "regularisation: {{final: {sharp:.17g}, unit: spacing_squared}}"}
SHARP = 0.25   # of the squared spacing in every edge's kernel


def photographs(data, size):
    with h5py.File(data / "photographs.h5") as file:
        images = [file[f"grey/{name}"][:].astype(float) for name in ("camera", "moon", "ascent", "brick")]
    if any(image.shape[0] % size for image in images):
        sys.exit(f"the photographs have 512^2 pixels, which {size} does not divide")
    return [image.reshape(size, image.shape[0] // size, size, -1).mean((1, 3)) / 255 + 1e-4 for image in images]


def digits(data, size):
    with h5py.File(data / "digits.h5") as file:
        threes = np.flatnonzero(file["labels"][:] == 3)[:4]
        images = [file["images"][int(which)].astype(float) for which in threes]
    return [np.maximum(zoom(image, size / 8, order=1, grid_mode=True, mode="grid-constant"), 0) for image in images]


KINDS = {"photographs": photographs, "digits": digits}


def run_mensura(options, folder, variant):
    marginals = "\n".join(f"  {name}: {{file: images.h5, dataset: /{name}}}" for name in NAMES)
    edges = ", ".join(f"[z, {name}, {1 / len(NAMES)}]" for name in NAMES)
    (folder / "deck.yaml").write_text(DECK.format(
        marginals=marginals, edges=edges, tolerance=options.tolerance, iterations=options.iterations,
        variant=VARIANTS[variant].format(epsilon=options.epsilon, sharp=SHARP / len(NAMES))))
    try:
        record = launch.run(options.program, options.ranks, folder / "deck.yaml", folder / "out",
                            mpiexec=options.mpiexec, timeout=options.limit, accepted=(0, 4))
    except (RuntimeError, launch.TimeoutExpired) as error:
        said = [line for line in str(error).splitlines() if line.startswith("mensura-transport:")]
        return {"status": "failed: " + (said or str(error).splitlines()[-1:])[0][:90]}
    with h5py.File(folder / "out/results.h5") as file:
        barycenter = file["marginals/z/mass"][:]
    return {"status": "done" if record["exit"] == 0 else "did not meet", "seconds": record["wall_seconds"],
            "program_seconds": record["program_seconds"], "error": launch.result(record, "marginal_error_l1"),
            "sweeps": record_sweeps(record), "mass": float(barycenter.sum()), "barycenter": barycenter}


def record_sweeps(record):
    values = [entry["value"] for entry in record["results"] if entry["name"] == "sinkhorn_iterations"]
    return sum(values[0]) if values and isinstance(values[0], list) else values[0] if values else None


def run_pot(options, folder, variant, size):
    threads = str(options.ranks)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, HERE / "peer_pot_barycenter.py", folder / "images.h5",
               SHARP / size**2 if variant == "sharp" else options.epsilon, options.tolerance, options.iterations,
               int(variant == "debiased"), folder / "pot.npy"]
    try:
        done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True,
                              timeout=options.limit)
    except subprocess.TimeoutExpired:
        return {"status": "did not finish"}
    if done.returncode:
        return {"status": "failed: " + (done.stderr.strip().splitlines() or ["no words"])[-1][:70]}
    record = json.loads(done.stdout.strip().splitlines()[-1])
    met = record["error"] <= options.tolerance
    return {**record, "status": "done" if met else "did not meet", "barycenter": np.load(folder / "pot.npy")}


def median(records, key):
    values = [record[key] for record in records if record.get(key) is not None]
    return statistics.median(values) if values else None


def summary(records):
    """Medians of the times; the other numbers are the same every time."""
    return {**records[-1], **{key: median(records, key) for key in ("seconds", "program_seconds")}}


def apart(one, two):
    if "barycenter" not in one or "barycenter" not in two:
        return None
    a, b = one["barycenter"], two["barycenter"]
    return float(np.abs(a / a.sum() - b / b.sum()).sum())


def text(value, form):
    return "-" if value is None else format(value, form)


def print_case(name, ours, pot, distance):
    print(name)
    for program, record, count in (("mensura", ours, "sweeps"), ("POT", pot, "iterations")):
        off = record.get("mass")
        print(f"  {program:8} {text(record.get('seconds'), '9.3f')} s {text(record.get(count), '6d')} iterations  error "
              f"{text(record.get('error'), '.1e')}  mass - 1 {text(None if off is None else off - 1, '.1e')}  "
              f"{record['status']}")
    if ours.get("seconds") and pot.get("seconds"):
        print(f"  POT / mensura: {pot['seconds'] / ours['seconds']:.2f} (its clock), "
              f"{pot['seconds'] / ours['program_seconds']:.2f} (whole program); apart {text(distance, '.1e')}")
    sys.stdout.flush()


def measure(options, folder, kind, size, variant):
    images = KINDS[kind](options.data, size)
    with h5py.File(folder / "images.h5", "w") as file:
        for name, image in zip(NAMES, images):
            file[name] = image / image.max()
    records = {"ours": [], "pot": []}
    for _ in range(options.repetitions):   # in turns: a slow minute of the machine hits both
        records["ours"].append(run_mensura(options, folder, variant))
        records["pot"].append(run_pot(options, folder, variant, size))
    ours, pot = summary(records["ours"]), summary(records["pot"])
    distance = apart(ours, pot)
    name = f"{kind} {size}^2 {variant}"
    print_case(name, ours, pot, distance)
    plain = [{key: value for key, value in record.items() if key != "barycenter"} for record in (ours, pot)]
    return {"case": name, "mensura": plain[0], "pot": plain[1], "apart": distance}, (ours, pot)


def draw(path, kind, images, barycenters):
    """The images above, the barycenters below: pairs (title, array or None)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = max(len(images), len(barycenters))
    figure, axes = plt.subplots(2, columns, figsize=(1.9 * columns, 4.2), squeeze=False, layout="constrained")
    for row, pictures in zip(axes, ([(name, image) for name, image in zip(NAMES, images)], barycenters)):
        for axis in row:
            axis.axis("off")
        for axis, (title, picture) in zip(row, pictures):
            axis.set_title(title, fontsize=8)
            if picture is not None:
                axis.imshow(picture, cmap="Greys_r" if kind == "photographs" else "Greys", vmin=0)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-transport")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--epsilon", type=float, default=1e-3, help="regularisation; the longer side has length 1")
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--iterations", type=int, default=2000, help="of each program at most")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that one run may take")
    parser.add_argument("--output", type=pathlib.Path, metavar="JSON", help="write all records there")
    parser.add_argument("--pictures", type=pathlib.Path, metavar="FOLDER", help="draw into this folder")
    options = parser.parse_args()
    folder = os.environ.get("MENSURA_DATA")
    if not folder:
        parser.error("MENSURA_DATA must name the folder of photographs.h5 and digits.h5")
    options.data = pathlib.Path(folder)
    return options


def main():
    options = parse()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.ranks])
    if launch.cores() < options.ranks:
        print(f"warning: {options.ranks} ranks share {launch.cores()} cores: the times mean little")
    cases = []
    with tempfile.TemporaryDirectory() as name:
        for kind in options.kinds:
            for size in options.sizes:
                barycenters = []
                for variant in options.only:
                    case, records = measure(options, pathlib.Path(name), kind, size, variant)
                    cases.append(case)
                    barycenters += [(f"{program}, {variant}\n{record['status'][:20]}", record.get("barycenter"))
                                    for program, record in zip(("Mensura", "POT"), records)]
                if options.pictures:
                    options.pictures.mkdir(parents=True, exist_ok=True)
                    draw(options.pictures / f"{kind}_{size}.png", kind, KINDS[kind](options.data, size), barycenters)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({"ranks": options.ranks, "cases": cases}, indent=1, default=str))


if __name__ == "__main__":
    main()
