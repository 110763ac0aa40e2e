#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mensura-transport against POT, OTT-JAX and GeomLoss on the same measures, the same cores, in the same run.

usage: compare.py [--limit 600] [--memory 16] [--ranks 2] [--repetitions 1] [--sizes 64 128]
                  [--points 1000 10000 100000] [--dimensions 2 3 16] [--only TEXT ...]
                  [--programs TEXT ...] [--output JSON]

Cases: pairs of images (smooth, shapes with empty regions, photographs where MENSURA_DATA names the folder of
photographs.h5) and point clouds (a normal law and a mixture of two). Every program runs in its own process with
--limit seconds and --memory GB, and as many threads as mensura-transport has ranks; what breaks a limit is told so.
All have the same regularisation and go on until the L1 error of the marginals, computed here from their potentials,
meets the tolerance. Network simplex solves the unregularised problem. Seconds of the peers are those of their solver
without imports, compilation and checks; those of mensura-transport are the whole program from the start of mpiexec to
its end, output included. Needs requirements.txt.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
from scipy.spatial import cKDTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
import launch  # noqa: E402
from case import Case, marginal_error  # noqa: E402
from images import CLASSES  # noqa: E402
from report import print_case, print_summary  # noqa: E402

DECK = """mensura: 1
marginals:
  a: {{file: case.h5, dataset: /a/{data}}}
  b: {{file: case.h5, dataset: /b/{data}}}
regularisation: {{final: {epsilon:.17g}, unit: absolute}}
tolerance: {tolerance}
method: {method}
plan: false
output: {{fields: false}}
"""
# What a peer's process needs besides its solver: imports, compilation, checks of the error.
ALLOWANCE = 60
PEERS = {  # module, script, methods for images, methods for clouds
    "POT": ("ot", "peer_pot.py", ["sinkhorn_log", "sinkhorn_stabilized", "emd"],
            ["sinkhorn_log", "sinkhorn_stabilized", "lazy", "emd", "emd_lazy"]),
    "OTT-JAX": ("ott", "peer_ott.py", ["grid", "grid+momentum1.5", "grid+momentum1.9"],
                ["pointcloud", "pointcloud+momentum1.5", "pointcloud+momentum1.9"]),
    "GeomLoss": ("geomloss", "peer_geomloss.py", ["tensorized"], ["tensorized"]),
}
KEOPS = ["online", "multiscale"]


def image_pair(kind, size):
    """Two images of the size, values of any scale."""
    if kind == "photographs":
        with h5py.File(pathlib.Path(os.environ["MENSURA_DATA"]) / "photographs.h5") as file:
            images = [file[f"grey/{name}"][:].astype(float) for name in ("camera", "moon")]
        return [image.reshape(size, image.shape[0] // size, size, -1).mean((1, 3)) / 255 + 1e-4 for image in images]
    generator = np.random.default_rng(7)
    return [CLASSES[kind](generator, size) + (1e-4 if kind == "smooth" else 0) for _ in range(2)]


def clouds(count, dimension):
    """A normal law and a mixture of two narrower ones, equal weights but for noise."""
    generator = np.random.default_rng([11, count, dimension])
    a = generator.standard_normal((count, dimension))
    b = 0.6 * generator.standard_normal((count, dimension))
    b[:, 0] += np.where(generator.uniform(size=count) < 0.5, -1.5, 1.5)
    return a, b


def write_case(path, case):
    with h5py.File(path, "w") as file:
        if case["kind"] == "cloud":
            for name, points in zip("ab", clouds(case["points"], case["dimension"])):
                file[f"{name}/points"], file[f"{name}/weights"] = points, np.ones(len(points))
        else:
            for name, image in zip("ab", image_pair(case["kind"], case["size"])):
                file[f"{name}/mass"] = image / image.max()


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.cases = []

    def regularisation(self, case):
        """In the units of the deck's spacing_squared."""
        if case["kind"] != "cloud":
            return self.options.final_image / case["size"] ** 2
        data = Case(self.folder / "case.h5")
        nearest = min(float(np.mean(cKDTree(points).query(points, k=2)[0][:, 1])) for points in (data.x, data.y))
        return self.options.final_cloud * nearest**2

    def mensura(self, case, method):
        options = self.options
        cloud = case["kind"] == "cloud"
        data = "points, kind: points" if cloud else "mass"
        deck = DECK.format(data=data, epsilon=case["epsilon"], tolerance=options.tolerance, method=method)
        (self.folder / "deck.yaml").write_text(deck)
        try:
            record = launch.run(options.program, options.ranks, self.folder / "deck.yaml", self.folder / "out",
                                mpiexec=options.mpiexec, timeout=options.limit, accepted=(0, 4))
        except launch.TimeoutExpired:
            return {"status": "did not finish", "seconds": options.limit}
        except RuntimeError as error:
            code = str(error).split("exit code ")[-1].splitlines()[0].rstrip(":")
            return {"status": "did not fit" if code == "7" else f"failed: exit code {code}", "words": str(error)}
        result = {"status": "done" if record["exit"] == 0 else "did not meet", "seconds": record["program_seconds"],
                  "cpu": record["cpu_seconds"], "run_seconds": record["wall_seconds"],
                  "cost": launch.result(record, "cost_linear"), "error": launch.result(record, "marginal_error_l1"),
                  "gap": launch.result(record, "gap_relative"),
                  "iterations": sum(launch.result(record, "sinkhorn_iterations")),
                  "newton": sum(launch.result(record, "newton_iterations")), "git": record["mensura"]["git"],
                  "memory": record["peak_memory_bytes"]["sum"], "method": launch.result(record, "method")}
        return result if method == "exact" else {**result, **self.checked(result)}

    def checked(self, result):
        """The error of our own potentials, by the same means as those of the peers."""
        with h5py.File(self.folder / "out/results.h5") as file:
            f, g = (file[f"potentials/{name}"][:].ravel() for name in "ab")
        error, cost = marginal_error(Case(self.folder / "case.h5"), f[np.isfinite(f)], g[np.isfinite(g)])
        return {"error": error, "cost": cost, "error_reported": result["error"]}

    def peer(self, script, method):
        options = self.options
        threads = str(options.ranks)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads,
                       "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, HERE / script, self.folder / "case.h5", method, str(options.tolerance),
                   str(options.limit), threads]
        with open(self.folder / "words", "w+") as words, open(self.folder / "json", "w+") as out:
            process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=words, env=environment)
            verdict, peak = watch(process, options.limit + ALLOWANCE, options.memory * 1e9)
            out.seek(0)
            words.seek(0)
            lines, text = out.read().strip().splitlines(), words.read()
        if verdict:
            seconds = options.limit if verdict == "did not finish" else None
            return {"status": verdict, "seconds": seconds, "memory": peak}
        if process.returncode == 0 and lines:
            return {**json.loads(lines[-1]), "memory": peak}
        if any(sign in text for sign in ("MemoryError", "allocate", "RESOURCE_EXHAUSTED", "bad_alloc")):
            return {"status": "did not fit", "memory": peak}
        errors = [line for line in text.splitlines() if "Error" in line.split(":")[0]] or ["no words"]
        return {"status": f"failed: {errors[-1][:70]}", "memory": peak}

    def run(self, case):
        options = self.options
        write_case(self.folder / "case.h5", case)
        case["epsilon"] = self.regularisation(case)
        with h5py.File(self.folder / "case.h5", "r+") as file:
            file.attrs["epsilon"] = case["epsilon"]
        cloud = case["kind"] == "cloud"
        programs = [("mensura auto", lambda: self.mensura(case, "auto")),
                    ("mensura sinkhorn", lambda: self.mensura(case, "sinkhorn"))]
        if cloud:
            programs.append(("mensura exact", lambda: self.mensura(case, "exact")))
        for name, (_, script, for_images, for_clouds) in options.peers.items():
            for method in for_clouds if cloud else for_images:
                programs.append((f"{name} {method}", lambda s=script, m=method: self.peer(s, m)))
        if options.programs:
            programs = [(name, measure) for name, measure in programs
                        if name == "mensura auto" or any(text in name for text in options.programs)]
        records = {name: [] for name, _ in programs}
        for _ in range(options.repetitions):
            for name, measure in programs:
                # A program that broke a limit is not tried again.
                if not records[name] or records[name][-1]["status"] == "done":
                    records[name].append(measure())
        self.cases.append({"case": case, "records": records})
        print_case(case, records)


def watch(process, limit, memory):
    """Waits; kills the process (its own child) when it breaks a limit and says which. Peak resident bytes."""
    page, peak, end = os.sysconf("SC_PAGE_SIZE"), 0, time.perf_counter() + limit
    while process.poll() is None:
        try:
            peak = max(peak, int(pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * page)
        except (OSError, IndexError):
            pass
        broken = "did not fit" if peak > memory else "did not finish" if time.perf_counter() > end else None
        if broken:
            process.kill()
            process.wait()
            return broken, peak
        time.sleep(0.05)
    return None, peak


def choose_cases(options):
    kinds = ["smooth", "shapes"] + (["photographs"] if os.environ.get("MENSURA_DATA") else [])
    if "photographs" not in kinds:
        print("notice: MENSURA_DATA is not set: no photographs")
    cases = [{"name": f"{kind} {size}^2", "kind": kind, "size": size} for size in options.sizes for kind in kinds]
    cases += [{"name": f"cloud {count:g} d={dimension}", "kind": "cloud", "points": count, "dimension": dimension}
              for count in options.points for dimension in options.dimensions]
    return [case for case in cases if not options.only or any(text in case["name"] for text in options.only)]


def choose_peers():
    """Leaves out what is not installed, and says so."""
    chosen = {}
    for name, (module, script, images, for_clouds) in PEERS.items():
        if importlib.util.find_spec(module) is None:
            print(f"notice: {name} is not installed for this Python: left out (requirements.txt)")
            continue
        more = KEOPS if module == "geomloss" and importlib.util.find_spec("pykeops") else []
        if module == "geomloss" and not more:
            print("notice: KeOps is not installed for this Python: GeomLoss without online and multiscale")
        chosen[name] = (module, script, images, for_clouds + more)
    return chosen


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-transport")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run may take")
    parser.add_argument("--memory", type=float, default=16, help="GB that one peer may take")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="L1 error of the marginals that all must meet")
    parser.add_argument("--final-image", type=float, default=0.25, help="regularisation of images, in squared spacings")
    parser.add_argument("--final-cloud", type=float, default=1, help="of clouds, in squared mean nearest distances")
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128])
    parser.add_argument("--points", type=lambda text: int(float(text)), nargs="*", default=[1000, 10000, 100000])
    parser.add_argument("--dimensions", type=int, nargs="*", default=[2, 3, 16])
    parser.add_argument("--only", nargs="+", metavar="TEXT", help="only cases whose name holds one of these")
    parser.add_argument("--programs", nargs="+", metavar="TEXT",
                        help="only rows whose name holds one of these, and mensura auto")
    parser.add_argument("--output", type=pathlib.Path, metavar="JSON", help="write all records there")
    return parser.parse_args()


def main():
    options = parse()
    # All share the cores of mensura-transport's ranks, on a larger machine too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.ranks])
    if launch.cores() < options.ranks:
        print(f"warning: {options.ranks} ranks share {launch.cores()} cores: the times mean little")
    options.peers = choose_peers()
    with tempfile.TemporaryDirectory() as name:
        bench, loads = Bench(options, pathlib.Path(name)), [os.getloadavg()[0]]
        for case in choose_cases(options):
            bench.run(case)
            loads.append(os.getloadavg()[0])
            if options.output:   # after every case: a run of hours may be stopped
                options.output.parent.mkdir(parents=True, exist_ok=True)
                options.output.write_text(json.dumps({"ranks": options.ranks, "limit": options.limit, "load": loads,
                                                      "cases": bench.cases}, indent=1, default=str))
        print_summary(bench, loads)


if __name__ == "__main__":
    main()
