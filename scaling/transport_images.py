#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mensura-transport on nine classes of synthetic images and on photographs: Newton steps, CG iterations, gaps, seconds.

usage: transport_images.py [--sizes 64 128 256] [--finals 0.25 0.125] [--ranks 1 2] [--classes rough ...]
                           [--keep FOLDER]

One run for every size, class, final regularisation (in squared pixel spacings) and number of ranks. A row shows the
Newton steps of every stage of the finest level, coarse to fine, and the most on a coarser level; the largest number of
CG iterations of one linear solve; the L1 error of the marginals; the gap of the certificate, relative to the cost and
in units of the regularisation; CPU seconds of all ranks and seconds of the run. Marks: N more than 15 Newton steps in
a stage, C more than 15 CG iterations in a solve, E not converged, G a relative gap above 1e-3 at 256 pixels or more
where the cost is more than ten times the regularisation, X no result. Ends with 1 where a row bears a mark. The
photographs, with floor 0 and 1e-4, need MENSURA_DATA, the folder of photographs.h5.
"""
import argparse
import itertools
import os
import pathlib
import sys
import tempfile

import launch

sys.path.insert(0, str(launch.ROOT / "scaling/compare/transport"))
from images import CLASSES, write_images  # noqa: E402

DECK = """mensura: 1
marginals:
  a: {{file: "{file}", dataset: {a}{more}}}
  b: {{file: "{file}", dataset: {b}{more}}}
regularisation: {{final: {final}, unit: spacing_squared}}
tolerance: {tolerance}
method: newton
plan: false
output: {{fields: false}}
"""
PHOTOGRAPHS = {"camera-moon": ("/grey/camera", "/grey/moon"), "brick-ascent": ("/grey/brick", "/grey/ascent"),
               "grass-moon": ("/grey/grass", "/grey/moon")}
MOST_NEWTON, MOST_CG, LARGEST_GAP, GAP_SIZE = 15, 15, 1e-3, 256


def sources(options, folder, size):
    """Name, file, both datasets and further keys of all images of one size."""
    synthetic = [name for name in options.classes if name in CLASSES]
    path = folder / f"images_{size}.h5"
    write_images(path, size, options.seed, synthetic)
    for name in synthetic:
        yield name, path, f"/{name}/a", f"/{name}/b", ""
    data = os.environ.get("MENSURA_DATA")
    for name, (a, b) in PHOTOGRAPHS.items():
        if data is None or name not in options.classes:
            continue
        for floor in (0, 1e-4):
            more = f", resize: {size}, floor: {floor:g}"
            yield f"{name} {floor:g}", pathlib.Path(data) / "photographs.h5", a, b, more


def marks(record, size):
    """What a run breaks, one letter each."""
    history = record["history"]
    found = ""
    if max(stage["newton_iterations"] for stage in history) > MOST_NEWTON:
        found += "N"
    if max(most_cg(stage) for stage in history) > MOST_CG:
        found += "C"
    if record["exit"] != 0:
        found += "E"
    large = launch.result(record, "cost_linear") > 10 * launch.result(record, "regularisation")
    if size >= GAP_SIZE and large and launch.result(record, "gap_relative") > LARGEST_GAP:
        found += "G"
    return found


def most_cg(stage):
    return max(stage["cg_iterations"], default=0)


def print_header():
    print(f"{'size':>4} {'images':<17} {'points':>7} {'eps/h^2':>7} {'ranks':>5} {'Newton, finest':>16} "
          f"{'coarse':>6} {'CG':>3} {'L1 error':>8} {'gap/cost':>8} {'gap/eps':>7} "
          f"{'cost/eps':>8} {'CPU s':>7} {'run s':>7}", flush=True)


def print_row(record, size, name, final, ranks):
    history = record["history"]
    finest = [str(stage["newton_iterations"]) for stage in history if stage["level"] == 0]
    coarse = max((stage["newton_iterations"] for stage in history if stage["level"] > 0), default=0)
    epsilon = launch.result(record, "regularisation")
    points = next(stage["points"] for stage in history if stage["level"] == 0)
    print(f"{size:4d} {name:<17} {points:7d} {final:7g} {ranks:5d} {' '.join(finest):>16} {coarse:6d} "
          f"{max(map(most_cg, history)):3d} {launch.result(record, 'marginal_error_l1'):8.1e} "
          f"{launch.result(record, 'gap_relative'):8.1e} {launch.result(record, 'gap_absolute') / epsilon:7.2f} "
          f"{launch.result(record, 'cost_linear') / epsilon:8.1f} {record['cpu_seconds']:7.2f} "
          f"{record['wall_seconds']:7.2f} {marks(record, size)}", flush=True)


def run_case(options, folder, size, source, final, ranks):
    """Prints the row of one run; whether it bears no mark."""
    name, path, a, b, more = source
    base = options.keep or folder
    label = f"{size}_{name}_{final:g}_{ranks}".replace(" ", "_")
    deck = base / f"{label}.yaml"
    deck.write_text(DECK.format(file=path, a=a, b=b, more=more, final=final, tolerance=options.tolerance))
    try:
        record = launch.run(options.program, ranks, deck, base / label, options.set, options.mpiexec, options.limit,
                            accepted=(0, 4))
    except (RuntimeError, launch.TimeoutExpired) as error:
        print(f"{size:4d} {name:<17} {'':7} {final:7g} {ranks:5d} X {error}", flush=True)
        return False
    print_row(record, size, name, final, ranks)
    return not marks(record, size)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-transport")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--finals", type=float, nargs="+", default=[0.25, 0.125])
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--classes", nargs="+", default=[*CLASSES, *PHOTOGRAPHS], choices=[*CLASSES, *PHOTOGRAPHS],
                        metavar="CLASS")
    parser.add_argument("--tolerance", type=float, default=1e-9)
    parser.add_argument("--seed", type=int, default=1, help="of the synthetic images")
    parser.add_argument("--set", action="append", default=[], metavar="KEY.PATH=VALUE", help="handed to the program")
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="images, decks and outputs stay there")
    return parser.parse_args()


def main():
    options = parse()
    good = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            options.keep = folder = options.keep.resolve()
        print_header()
        for size in options.sizes:
            for source in sources(options, folder, size):
                for final, ranks in itertools.product(options.finals, options.ranks):
                    good = run_case(options, folder, size, source, final, ranks) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
