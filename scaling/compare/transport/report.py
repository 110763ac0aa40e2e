# SPDX-License-Identifier: BSD-3-Clause
"""The tables of compare.py: medians over the repetitions, ratios of one run."""
import statistics


def median(records, key):
    values = [record[key] for record in records if record.get(key) is not None]
    return statistics.median(values) if values else None


def text(value, form):
    return "-" if value is None else format(value, form)


def good(records):
    return bool(records) and all(record["status"] == "done" for record in records)


def ratio(records, ours, key):
    """The program's seconds over those of mensura-transport; a lower bound where it broke the limit or stopped
    before it met the tolerance."""
    if not good(ours) or records[-1]["status"].startswith(("failed", "did not fit")):
        return "-"
    mine, other = median(ours, key), median(records, key)
    if mine is None or other is None:
        return "-"
    return ("" if good(records) else ">") + f"{other / mine:.3g}"


def print_case(case, records):
    ours = records["mensura auto"]
    print(f"\n{case['name']}: regularisation {case['epsilon']:.3g}, method "
          f"{ours[0].get('method', '-')}")
    print(f"  {'program':<30} {'seconds':>8} {'CPU s':>8} {'L1 error':>9} {'cost':>11} {'iterations':>10} {'GB':>5} "
          f"{'ratio':>8} {'CPU ratio':>9}  status")
    for name, entries in records.items():
        last = entries[-1]
        iterations = text(last.get("iterations"), "d")
        if "newton" in last:
            iterations = f"{last['newton']}N+{iterations}"
        status = last["status"] + (f" (compiled in {last['compile']:.1f} s)" if "compile" in last else "")
        memory = last.get("memory")
        print(f"  {name:<30} {text(median(entries, 'seconds'), '8.3f'):>8} {text(median(entries, 'cpu'), '8.3f'):>8} "
              f"{text(median(entries, 'error'), '.1e'):>9} {text(last.get('cost'), '.8g'):>11} {iterations:>10} "
              f"{text(memory and memory / 1e9, '.2f'):>5} {ratio(entries, ours, 'seconds'):>8} "
              f"{ratio(entries, ours, 'cpu'):>9}  {status}", flush=True)


def best_peer(records, key):
    """Name and median of the fastest peer that met the tolerance; network simplex stands for itself."""
    rows = [(median(entries, key), name) for name, entries in records.items()
            if not name.startswith("mensura") and good(entries)]
    return min(rows) if rows else None


def print_summary(bench, loads):
    options = bench.options
    first = next((case["records"]["mensura auto"][0] for case in bench.cases), {})
    print(f"\nmedians of {options.repetitions} repetition(s), {options.ranks} ranks or threads, limits "
          f"{options.limit:g} s and {options.memory:g} GB, mensura {first.get('git', '-')}, load of the machine "
          f"{min(loads):.1f}..{max(loads):.1f}")
    if max(loads) > options.ranks + 1:
        print("warning: other programs were running: quote ratios of CPU seconds at most")
    print(f"{'case':<20} {'ours s':>8} {'CPU s':>8}  best peer that met the tolerance, its seconds and CPU over ours")
    for case in bench.cases:
        ours, best = case["records"]["mensura auto"], best_peer(case["records"], "seconds")
        line = "none within the limits" if best is None else \
            f"{best[1]}: {ratio(case['records'][best[1]], ours, 'seconds')}, " \
            f"CPU {ratio(case['records'][best[1]], ours, 'cpu')}"
        print(f"{case['case']['name']:<20} {text(median(ours, 'seconds'), '8.3f'):>8} "
              f"{text(median(ours, 'cpu'), '8.3f'):>8}  {line}"
              f"{'' if good(ours) else ' (mensura: ' + ours[-1]['status'] + ')'}")
