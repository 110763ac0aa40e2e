#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mensura-gp against its peers on -Lap u + u^3 = f (series.py), the same cores, in the same run.

usage: compare.py [--million] [--oracle FOLDER] [--repetitions 3] [--program build/release/drivers/mensura-gp]

Every repetition runs, one after the other: mensura-gp on two ranks (Matern 7/2 of length 0.3, radius 3) with 1e4 and
1e5 points, the whole program with its output; a NumPy program of the same sparse method, where FOLDER holds it; a
dense Gauss-Newton in JAX, where it is installed, at the sizes it can hold, and mensura-gp at these; and five-point
differences with Newton on the mesh that gives the same error as mensura-gp. Peers get as many threads as mensura-gp
has ranks and are timed from inside, without start-up, imports and compilation. Errors are root mean squares against
the exact solution at the points of each method. Needs requirements.txt (NumPy and SciPy at least) and mpiexec.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
import launch  # noqa: E402
from report import print_report  # noqa: E402

DECK = launch.ROOT / "inputs/gp/cubic.yaml"
MESH_OF_REFERENCE = 100   # cells per side at which the constant of the second-order error is taken


class Bench:
    """Runs cases and collects the records of every case by its name, one per repetition."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.records = {}
        self.notices = []
        self.closed = set()    # peers that failed or ran out of time
        self.matched = {}      # points per side of mensura-gp: cells per side of equal error

    def notice(self, text):
        if text not in self.notices:
            self.notices.append(text)
            print(f"notice: {text}", flush=True)

    def keep(self, name, record):
        self.records.setdefault(name, []).append(record)
        print(f"  {name:<40} {record['seconds']:9.3f} s   error {record['l2']:.2e}", flush=True)
        return record

    def mensura(self, per_side):
        options = self.options
        record = launch.run(options.program, options.ranks, DECK, self.folder / "out", [f"points.per_side={per_side}"],
                            options.mpiexec)
        phases = launch.phase_seconds(record)
        factor = record["factor"]
        return self.keep(f"mensura-gp {per_side}^2", {
            "points": per_side**2, "seconds": record["program_seconds"], "run_seconds": record["wall_seconds"],
            "numerics": sum(s for name, s in phases.items() if name not in ("output", "other")), "phases": phases,
            "l2": launch.result(record, "error_l2"), "iterations": launch.result(record, "cg_iterations"),
            "peak_memory_bytes": record["peak_memory_bytes"]["sum"], "git": record["mensura"]["git"],
            "triangular_messages": factor["forward_solve"]["messages"], "big_nonzeros": factor["big"]["nonzeros"]})

    def peer(self, name, script, *arguments):
        """One run of a peer; a peer that fails or runs out of time is not tried again. None then."""
        if name in self.closed:
            return None
        threads = str(self.options.ranks)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        try:
            done = subprocess.run([sys.executable, HERE / script, *map(str, arguments)], capture_output=True, text=True,
                                  env=environment, timeout=self.options.limit)
        except subprocess.TimeoutExpired:
            self.closed.add(name)
            self.notice(f"{name} needs more than {self.options.limit:g} s: left out (--limit)")
            return None
        record = json.loads(done.stdout) if done.returncode == 0 else {"converged": False}
        if not record["converged"]:
            self.closed.add(name)
            words = "\n".join(done.stderr.splitlines()[-5:])
            self.notice(f"{name} failed with exit code {done.returncode}: left out\n{words}")
            return None
        return self.keep(name, record)


def mesh_of_equal_error(bench, l2):
    """Cells per side with which five-point differences reach the error l2: it falls with the square of the width."""
    name = f"five points, fast, {MESH_OF_REFERENCE}^2 cells"
    known = bench.records.get(name) or [bench.peer(name, "finite_differences.py", MESH_OF_REFERENCE, "fast")]
    if known[0] is None:
        return None
    from scipy.fft import next_fast_len
    return next_fast_len(int(MESH_OF_REFERENCE * (known[0]["l2"] / l2) ** 0.5) + 1)


def differences(bench):
    """Both plain solvers at the error of mensura-gp on every grid. A mesh larger than allowed is left to the report,
    which extrapolates from the largest one that was run; there is always one."""
    done = set()
    for per_side in sorted(bench.options.grids):
        cells = mesh_of_equal_error(bench, bench.records[f"mensura-gp {per_side}^2"][0]["l2"])
        if cells is None:
            return
        bench.matched[per_side] = cells
        for method, most in (("fast", bench.options.fast_unknowns), ("direct", bench.options.direct_unknowns)):
            if cells**2 > most and any(before == method for before, _ in done):
                continue
            run = (method, min(cells, int(most**0.5)))
            if run not in done:
                done.add(run)
                bench.peer(f"five points, {run[0]}, {run[1]}^2 cells", "finite_differences.py", run[1], run[0])


def repetition(bench):
    options = bench.options
    for per_side in options.grids:
        bench.mensura(per_side)
    if options.oracle:
        for per_side in options.oracle_sides:
            if per_side not in options.grids:
                bench.mensura(per_side)
            bench.peer(f"NumPy sparse {per_side}^2", "numpy_sparse.py", per_side, options.oracle)
    for per_side in options.dense_sides:
        if per_side not in options.grids and not (options.oracle and per_side in options.oracle_sides):
            bench.mensura(per_side)
        if options.jax:
            bench.peer(f"JAX dense {per_side}^2", "jax_dense.py", per_side)
    if options.differences:
        differences(bench)


def choose_peers(bench):
    """Leaves out what is not there, and says so."""
    options = bench.options
    options.jax = importlib.util.find_spec("jax") is not None
    if not options.jax:
        bench.notice("JAX is not installed for this Python: no dense peer (requirements.txt)")
    if options.oracle is None:
        bench.notice("no folder with ref_kolesky.py (--oracle or MENSURA_GP_ORACLE): no NumPy peer")
    elif not (pathlib.Path(options.oracle) / "ref_kolesky.py").is_file():
        bench.notice(f"{options.oracle} holds no ref_kolesky.py: no NumPy peer")
        options.oracle = None
    options.differences = importlib.util.find_spec("scipy") is not None
    if not options.differences:
        bench.notice("SciPy is not installed for this Python: no finite differences")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=launch.ROOT / "build/release/drivers/mensura-gp")
    parser.add_argument("--mpiexec", default="mpiexec", help="may carry options")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--grids", type=int, nargs="+", default=[101, 317], metavar="PER_SIDE")
    parser.add_argument("--million", action="store_true", help="also 1001^2 points: minutes, 6 GB")
    parser.add_argument("--dense-sides", type=int, nargs="*", default=[25, 33, 51, 71], metavar="PER_SIDE")
    parser.add_argument("--oracle-sides", type=int, nargs="*", default=[51, 101], metavar="PER_SIDE")
    parser.add_argument("--oracle", default=os.environ.get("MENSURA_GP_ORACLE"), metavar="FOLDER",
                        help="holds ref_kolesky.py; default: the environment variable MENSURA_GP_ORACLE")
    parser.add_argument("--direct-unknowns", type=int, default=600_000, help="largest mesh of the direct solver")
    parser.add_argument("--fast-unknowns", type=int, default=12_000_000, help="largest mesh of the fast solver")
    parser.add_argument("--limit", type=float, default=600, help="seconds that one run of a peer may take")
    parser.add_argument("--output", type=pathlib.Path, metavar="JSON", help="write all records there")
    options = parser.parse_args()
    if options.million:
        options.grids.append(1001)
    return options


def main():
    options = parse()
    # All share the cores of mensura-gp's ranks, on a larger machine too.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.ranks])
    if launch.cores() < options.ranks:
        print(f"warning: {options.ranks} ranks share {launch.cores()} cores: the times mean little")
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(options, pathlib.Path(name))
        choose_peers(bench)
        loads = [os.getloadavg()[0]]
        for index in range(options.repetitions):
            print(f"repetition {index + 1} of {options.repetitions}", flush=True)
            repetition(bench)
            loads.append(os.getloadavg()[0])
        print_report(bench, loads)
        if options.output:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(json.dumps({"ranks": options.ranks, "load": loads, "notices": bench.notices,
                                                  "matched": bench.matched, "records": bench.records}, indent=1))


if __name__ == "__main__":
    main()
