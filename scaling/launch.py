# SPDX-License-Identifier: BSD-3-Clause
"""What the measuring scripts share: starting a program of Mensura under mpiexec and reading its record."""
import json
import os
import pathlib
import resource
import shlex
import shutil
import subprocess
import time
from subprocess import TimeoutExpired  # noqa: F401  (what run() raises)

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


def cpu_seconds():
    """CPU time of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ended_in_time(process, timeout):
    """The completed process. mpiexec must not be killed before it could end its ranks."""
    try:
        out, errors = process.communicate(timeout=timeout)
    except TimeoutExpired:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except TimeoutExpired:
            process.kill()
            process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def run(program, ranks, deck, output, settings=(), mpiexec="mpiexec", timeout=None, accepted=(0,)):
    """Runs `program` and returns its run.json, with the seconds from mpiexec's start to its end as
    `program_seconds` and the CPU time of all ranks (waiting included) as `cpu_seconds`. Raises RuntimeError with the
    program's last words unless its exit code is one of `accepted`, TimeoutExpired after `timeout` seconds."""
    shutil.rmtree(output, ignore_errors=True)
    command = [*shlex.split(mpiexec), "-n", str(ranks), str(program), "--progress", "never", "--output", str(output)]
    for setting in settings:
        command += ["--set", setting]
    start, used = time.perf_counter(), cpu_seconds()
    done = ended_in_time(subprocess.Popen([*command, str(deck)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          text=True, env=environment(ranks)), timeout)
    seconds = time.perf_counter() - start
    if done.returncode not in accepted:
        words = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise RuntimeError(f"{shlex.join(command)} {deck} ended with exit code {done.returncode}:\n{words}")
    return {**json.loads((pathlib.Path(output) / "run.json").read_text()), "program_seconds": seconds,
            "cpu_seconds": cpu_seconds() - used}


def phase_seconds(record):
    """Seconds of each phase on the slowest rank."""
    return {name: phase["seconds"]["max"] for name, phase in record["phases"].items()}


def result(record, name):
    """The value of the entry `name` of `results`."""
    return next(entry["value"] for entry in record["results"] if entry["name"] == name)
