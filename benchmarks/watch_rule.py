"""How early do the alarms of `fullrank.watch` come, and how often for nothing? Judged on the traces of watch_domains.

Quality has fallen at the first of three readings in a row below 95 % of its best (a median of three) before. A run
whose quality never falls is counted by itself: there an alarm is about a change that has not cost anything yet.
python benchmarks/watch_rule.py docs/results/benchmarks/watch_traces.json.gz --out FILE
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from fullrank.diagnosis.profiles import PROFILES
from fullrank.watch import Rules
from fullrank.watch.early_warning import Watcher

PROFILE = {
    "text pairs": "contrastive",
    "metric learning": "supervised",
    "recommender": "recsys",
}
CONTRASTIVE = ("simclr", "simclr-128")
QUALITY_EVERY = 20


def fallen(quality: list[float], start: int) -> int | None:
    """The step from `start` on at which the quality, taken every 20 steps, has fallen, or None."""
    best = 0.0
    for at in range(2, len(quality) - 2):
        best = max(best, median(quality[at - 2 : at + 1]))
        if at * QUALITY_EVERY >= start and max(quality[at : at + 3]) < 0.95 * best:
            return at * QUALITY_EVERY
    return None


def traces(path: Path, every: int, half: str = "") -> list[dict[str, Any]]:
    """The kept runs of a half, or of all, with a reading every so many steps."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [thinned(run, every) for run in json.load(file) if run["half"].startswith(half)]


def thinned(run: dict[str, Any], every: int) -> dict[str, Any]:
    """The run with a reading every so many steps, of those that it has."""
    step = every // run["every"]
    layers = {
        layer: {name: values[::step] for name, values in columns.items()} for layer, columns in run["layers"].items()
    }
    return {**run, "every": every, "layers": layers}


def alarms(run: dict[str, Any], grace: int) -> list[tuple[int, str, str, str]]:
    """All alarms of all layers by step: step, severity, rule, layer."""
    two = "contrastive" if run["training"] in CONTRASTIVE else "non-contrastive"
    name = two if run["domain"] == "two branches" else PROFILE.get(run["domain"], "generic")
    found, every = [], run["every"]
    for layer, columns in run["layers"].items():
        watcher = Watcher(Rules(grace=grace), PROFILES[name])
        for at in range(len(columns["n"])):
            row = {key: values[at] for key, values in columns.items() if values[at] is not None}
            _, new = watcher.read(at * every, row)
            found += [(at * every, sign.severity, sign.rule, layer) for sign in new]
    return sorted(found)


def judged(run: dict[str, Any], grace: int) -> dict[str, Any]:
    """One run: when its quality fell, its first alarm and first failure, and what else was said."""
    said = alarms(run, grace)
    broken = run["fault"] not in (None, "annealed")
    before = [one for one in said if not broken or one[0] < run["start"]]
    rest = [one for one in said if one not in before]
    return {
        **{name: run[name] for name in ("half", "domain", "training", "fault", "start", "seed", "every")},
        "broken": broken,
        "fell": fallen(run["quality"], run["start"]),
        "quality": [run["quality"][0], max(run["quality"]), run["quality"][-1]],
        "false": before,
        "first": rest[0] if rest else None,
        "failed": next((one for one in rest if one[1] == "fail"), None),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts and leads of one half, or of one domain of it."""
    healthy = [row for row in rows if not row["broken"]]
    costly = [row for row in rows if row["broken"] and row["fell"] is not None]
    free = [row for row in rows if row["broken"] and row["fell"] is None]

    def leads(kind: str) -> list[int]:
        return sorted(row["fell"] - row[kind][0] for row in costly if row[kind] is not None)

    first, failed = leads("first"), leads("failed")
    # by the first reading under the fault, or the first look at the quality
    abrupt = [row for row in costly if row["fell"] <= row["start"] + max(row["every"], QUALITY_EVERY)]
    slow = sorted(row["fell"] - row["first"][0] for row in costly if row not in abrupt and row["first"])
    return {
        "healthy": len(healthy),
        "healthy that were warned of": sum(bool(row["false"]) for row in healthy),
        "healthy that failed": sum(any(one[1] == "fail" for one in row["false"]) for row in healthy),
        "false warnings by rule": Counter(one[2] for row in rows for one in row["false"]),
        "broken with a fall": len(costly),
        "warned of": len(first),
        "warned of before or at the fall": sum(lead >= 0 for lead in first),
        "median lead of the first alarm": median(first) if first else None,
        "leads of the first alarm": first,
        "fell by the first reading that could show it": len(abrupt),
        "of these warned of at that reading": sum(
            bool(row["first"]) and row["first"][0] <= row["fell"] for row in abrupt
        ),
        "median lead where the quality fell later": median(slow) if slow else None,
        "failed": len(failed),
        "median lead of the first failure": median(failed) if failed else None,
        "first by rule": Counter(row["first"][2] for row in costly if row["first"]),
        "readings from a fault at half to the first alarm": sorted(
            (row["first"][0] - row["start"]) // row["every"] for row in costly + free if row["start"] and row["first"]
        ),
        "faults at half": sum(row["start"] > 0 for row in costly + free),
        "broken without a fall": len(free),
        "of these warned of": sum(row["first"] is not None for row in free),
    }


def main() -> None:
    """Judge, print a line a run and the counts, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path)
    parser.add_argument("--half", default="", help="rule, held out, fresh, or all")
    parser.add_argument("--grace", type=int, default=Rules().grace)
    parser.add_argument("--every", type=int, default=20, help="steps between readings, of those that were taken")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    rows = [judged(run, arguments.grace) for run in traces(arguments.traces, arguments.every, arguments.half)]
    for row in rows:
        what = f"{row['training']:10} {row['fault'] or '-':9}@{row['start']:<4} fell {row['fell']!s:5}"
        print(f"{what} first {row['first']} failed {row['failed'] and row['failed'][:3]} {row['false']}")
    halves = dict.fromkeys(row["half"] for row in rows)
    results = {half: summary([row for row in rows if row["half"] == half]) for half in halves}
    for half, counts in results.items():
        print(f"\n{half}")
        for name, value in counts.items():
            print(f"  {name}: {dict(value) if isinstance(value, Counter) else value}")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"summary": results, "runs": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
