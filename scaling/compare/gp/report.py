# SPDX-License-Identifier: BSD-3-Clause
"""The tables of compare.py: medians over the repetitions, ratios of one run."""
import statistics

# Growth of the seconds with the unknowns of a plane mesh: nested dissection's 3/2; sine transforms, N log N.
GROWTH = {"direct": 1.5, "fast": 1.05}


def median(records, key="seconds"):
    return statistics.median(record[key] for record in records)


def spread(records):
    seconds = [record["seconds"] for record in records]
    return f"{min(seconds):.3g}..{max(seconds):.3g}"


def print_sizes(bench):
    names = [name for name in bench.records if name.startswith("mensura-gp")]
    names.sort(key=lambda name: bench.records[name][0]["points"])
    print(f"\nmensura-gp on {bench.options.ranks} ranks (seconds of the slowest rank in each phase)")
    print(f"{'N':>9} {'program s':>10} {'(range)':>14} {'run s':>8} {'numerics s':>10} "
          f"{'L2':>9} {'GB':>6} {'CG steps':>16}")
    for name in names:
        records = bench.records[name]
        print(f"{records[0]['points']:9d} {median(records):10.3f} {spread(records):>14} "
              f"{median(records, 'run_seconds'):8.3f} {median(records, 'numerics'):10.3f} {records[0]['l2']:9.2e} "
              f"{records[0]['peak_memory_bytes'] / 1e9:6.2f} "
              f"{'+'.join(map(str, records[0]['iterations'])):>16}")
    print("program: from the start of mpiexec to its end; run: wall_seconds of run.json; numerics: without "
          "output and start-up")
    phases = list(bench.records[names[0]][0]["phases"])
    print(f"\n{'N':>9} " + " ".join(f"{phase:>9}" for phase in phases))
    for name in names:
        records = bench.records[name]
        print(f"{records[0]['points']:9d} "
              + " ".join(f"{statistics.median(r['phases'][p] for r in records):9.3f}" for p in phases))


def print_peers(bench):
    """Peers on the same points: the ratio is the peer's seconds over Mensura's, above 1 where Mensura is faster."""
    rows = [name for name in bench.records if name.startswith(("NumPy", "JAX"))]
    if not rows:
        return
    print(f"\n{'peer, on the same points':<26} {'N':>7} {'seconds':>9} {'(range)':>14} {'compile':>8} {'L2':>9} "
          f"{'L2 mensura':>10} {'/program':>9} {'/numerics':>9}")
    for name in rows:
        records = bench.records[name]
        ours = bench.records["mensura-gp " + name.split()[-1]]
        compile_seconds = f"{median(records, 'compile'):.2f}" if "compile" in records[0] else "-"
        print(f"{name:<26} {records[0]['points']:7d} {median(records):9.3f} {spread(records):>14} "
              f"{compile_seconds:>8} "
              f"{records[0]['l2']:9.2e} {ours[0]['l2']:10.2e} {median(records) / median(ours):9.2f} "
              f"{median(records) / median(ours, 'numerics'):9.2f}")
    print("the last two columns: seconds of the peer's solve over those of Mensura's whole program, and its numerics")


def print_differences(bench):
    """Five-point differences at the error of mensura-gp."""
    if not bench.matched:
        return
    print(f"\n{'five points at equal error':<26} {'N gp':>8} {'L2 gp':>9} {'unknowns':>10} {'L2':>9} {'seconds':>9} "
          f"{'/program':>9} {'/numerics':>9}")
    for per_side, cells in bench.matched.items():
        ours = bench.records[f"mensura-gp {per_side}^2"]
        for method, exponent in GROWTH.items():
            run = largest_mesh(bench, method, cells)
            if run is None:
                continue
            records, mark = bench.records[run], ""
            seconds, l2, unknowns = median(records), records[0]["l2"], (cells - 1) ** 2
            if records[0]["cells"] != cells:
                seconds *= (unknowns / records[0]["unknowns"]) ** exponent
                l2 *= (records[0]["cells"] / cells) ** 2
                mark = f"  extrapolated from {records[0]['unknowns']} unknowns"
            print(f"{method:<26} {per_side**2:8d} {ours[0]['l2']:9.2e} {unknowns:10d} {l2:9.2e} {seconds:9.3f} "
                  f"{seconds / median(ours):9.2f} {seconds / median(ours, 'numerics'):9.2f}{mark}")
    print("direct: SuperLU, any domain; fast: sine transforms, this rectangle only. "
          "Ratios below 1: the plain solver is faster.")


def largest_mesh(bench, method, cells):
    """The name of the run on the wanted mesh, or else on the largest one below it."""
    runs = [(bench.records[name][0]["cells"], name) for name in bench.records
            if name.startswith(f"five points, {method},") and bench.records[name][0]["cells"] <= cells]
    return max(runs)[1] if runs else None


def print_report(bench, loads):
    first = next(records for name, records in bench.records.items() if name.startswith("mensura-gp"))[0]
    print(f"\nmedians of {bench.options.repetitions} repetitions, {bench.options.ranks} ranks or threads, "
          f"mensura {first['git']}, load of the machine {min(loads):.1f}..{max(loads):.1f}")
    if max(loads) > bench.options.ranks + 1:
        print("warning: other programs were running: quote ratios at most")
    print_sizes(bench)
    print_peers(bench)
    print_differences(bench)
    for notice in bench.notices:
        print(f"notice: {notice}")
