# SPDX-License-Identifier: BSD-3-Clause
"""What strong_weak.py shows of runs of mensura-transport."""
import re

import launch

PROGRAM = "mensura-transport"


def growing(_record, folder):
    """A function from the growth of the number of points to settings of the deck: pixels of formulas and of resized
    images."""
    sides = {}
    name = None
    for line in (folder / "resolved.yaml").read_text().splitlines():
        if heading := re.match(r"  (\w+):$", line):
            name = heading[1]
        elif pixels := re.match(r"    (shape|resize): (.*)", line):
            sides[f"marginals.{name}.{pixels[1]}"] = [int(word) for word in re.findall(r"\d+", pixels[2])]
    if len(sides) < 2:
        raise SystemExit("weak scaling wants marginals with `density` and `shape`, or images with `resize`")

    def settings(growth):
        # resize has one number for an image of two dimensions.
        scale = {key: growth ** (1.0 / (2 if key.endswith("resize") else len(value))) for key, value in sides.items()}
        grown = {key: [round(n * scale[key]) for n in value] for key, value in sides.items()}
        return [f"{key}={value[0] if key.endswith('resize') else value}" for key, value in grown.items()]

    return settings


def row(record):
    history = record["history"]
    finest = [stage for stage in history if stage["level"] == 0]
    return {"points": max((stage["points"] for stage in history), default=0), "method": launch.result(record, "method"),
            "newton": sum(stage["newton_iterations"] for stage in history),
            "finest": [stage["newton_iterations"] for stage in finest],
            "cg": sum(sum(stage["cg_iterations"]) for stage in history),
            "most_cg": max((c for stage in history for c in stage["cg_iterations"]), default=0),
            "sweeps": sum(stage["sinkhorn_iterations"] for stage in history),
            "error": launch.result(record, "marginal_error_l1"), "cost": launch.result(record, "cost_linear"),
            "dual": launch.result(record, "dual"), "communication": record["communication"],
            "all_messages": record.get("all_messages")}


def print_counts(rows):
    """Counts of the run in Mensura's own layer, and of all of MPI where they were counted."""
    print(f"{'':6} {'':9} {'own layer':>38} | {'all of MPI':>50} |")
    print(f"{'ranks':>6} {'N':>9} {'messages':>12} {'bytes':>14} {'reductions':>10} | {'messages':>10} {'bytes':>13} "
          f"{'collectives':>11} {'per rank+CG':>13} | "
          f"{'Newton':>6} {'CG':>5} {'most':>4} {'sweeps':>6} {'L1':>8} {'cost':>17}")
    for r in rows:
        traffic, everything = r["communication"], r["all_messages"]
        wide = f"{'-':>10} {'-':>13} {'-':>11} {'-':>13}"
        if everything:
            share = everything["messages"] / r["ranks"] / r["cg"] if r["cg"] else float("nan")
            wide = (f"{everything['messages']:10d} {everything['bytes']:13d} {everything['collectives']:11d} "
                    f"{share:13.1f}")
        cost = "-" if r["cost"] is None else f"{r['cost']:.14g}"
        error = "-" if r["error"] is None else f"{r['error']:.1e}"
        print(f"{r['ranks']:6d} {r['points']:9d} {traffic['messages']:12d} {traffic['bytes']:14d} "
              f"{traffic['reductions']:10d} | {wide} | {r['newton']:6d} {r['cg']:5d} {r['most_cg']:4d} "
              f"{r['sweeps']:6d} {error:>8} {cost:>17}")


def sweep_settings(count):
    """A run of exactly so many sweeps at the last regularisation; its potentials are of no use."""
    return ["method=sinkhorn", f"solve.max_sinkhorn={count}", "tolerance=1e-300", "plan=false"]


def print_sweeps(rows):
    """Of one sweep, from the difference of two runs of different length."""
    print("one sweep of Sinkhorn's iteration, from the difference of two runs")
    print(f"{'ranks':>6} {'N':>9} {'messages':>10} {'per rank':>9} {'bytes':>12} {'doubles per point':>17} "
          f"{'collectives':>11}")
    for r in rows:
        print(f"{r['ranks']:6d} {r['points']:9d} {r['messages']:10.1f} {r['messages'] / r['ranks']:9.2f} "
              f"{r['bytes']:12.0f} {r['bytes'] / 8 / r['points']:17.3f} {r['collectives']:11.2f}")
