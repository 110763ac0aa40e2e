# SPDX-License-Identifier: BSD-3-Clause
"""What the measuring scripts share: starting a program of Mensura under mpiexec and reading its record."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Open MPI without complaints about root or more ranks than slots, one thread per rank.
QUIET = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
         "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_hwloc_base_binding_policy": "none",
         "OMPI_MCA_btl_vader_single_copy_mechanism": "none", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def cores():
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def environment(ranks):
    """The environment of a run; ranks that share cores give the core away while they wait, else they spin."""
    idle = "1" if ranks > cores() else "0"
    return {"OMPI_MCA_mpi_yield_when_idle": idle, **os.environ, **QUIET}


def run(program, ranks, deck, output, settings=(), mpiexec="mpiexec", timeout=None):
    """Runs `program` and returns its run.json, with the seconds from mpiexec's start to its end as
    `program_seconds`. Raises RuntimeError with the program's last words unless it exits with 0."""
    shutil.rmtree(output, ignore_errors=True)
    command = [*shlex.split(mpiexec), "-n", str(ranks), str(program), "--progress", "never", "--output", str(output)]
    for setting in settings:
        command += ["--set", setting]
    start = time.perf_counter()
    done = subprocess.run([*command, str(deck)], capture_output=True, text=True, env=environment(ranks),
                          timeout=timeout)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        words = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"{shlex.join(command)} {deck} ended with exit code {done.returncode}:\n{words}")
    return {**json.loads((pathlib.Path(output) / "run.json").read_text()), "program_seconds": seconds}


def phase_seconds(record):
    """Seconds of each phase on the slowest rank."""
    return {name: phase["seconds"]["max"] for name, phase in record["phases"].items()}


def result(record, name):
    """The value of the entry `name` of `results`."""
    return next(entry["value"] for entry in record["results"] if entry["name"] == name)
