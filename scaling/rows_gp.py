# SPDX-License-Identifier: BSD-3-Clause
"""What strong_weak.py shows of runs of mensura-gp."""
import launch

PROGRAM = "mensura-gp"


def growing(record, _folder):
    """A function from the growth of the number of points to settings of the deck."""
    points = record["points"]
    total = points["boundary"] + points["interior"]
    side = round(total ** (1.0 / points["dimension"]))
    if side ** points["dimension"] != total:
        raise SystemExit("weak scaling wants a deck with `points: {layout: grid}`")
    return lambda growth: [f"points.per_side={round(side * growth ** (1.0 / points['dimension']))}"]


def row(record):
    factor = record["factor"]
    return {"points": record["points"]["boundary"] + record["points"]["interior"],
            "rounds": record["points"]["ordering_rounds"], "cg": launch.result(record, "cg_iterations"),
            "l2": next((e["value"] for e in record["results"] if e["name"] == "error_l2"), None),
            "communication": record["communication"], "forward": factor["forward_solve"],
            "backward": factor["backward_solve"], "imbalance": factor["big"]["imbalance"]}


def print_counts(rows):
    print(f"{'':6} {'':9} {'whole run':>38} | {'one triangular solve':>44} |")
    print(f"{'ranks':>6} {'N':>9} {'messages':>12} {'bytes':>14} {'reductions':>10} | {'stages':>12} {'messages':>9} "
          f"{'bytes':>11} {'per rank':>9} | {'imbalance':>9} {'rounds':>6} {'CG':>4} {'L2':>9}")
    for r in rows:
        traffic, forward = r["communication"], r["forward"]
        error = "-" if r["l2"] is None else f"{r['l2']:.2e}"
        print(f"{r['ranks']:6d} {r['points']:9d} {traffic['messages']:12d} {traffic['bytes']:14d} "
              f"{traffic['reductions']:10d} | {forward['stages']:12d} {forward['messages']:9d} {forward['bytes']:11d} "
              f"{forward['messages'] / r['ranks']:9.1f} | {r['imbalance']:9.3f} {r['rounds']:6d} {sum(r['cg']):4d} "
              f"{error:>9}")
