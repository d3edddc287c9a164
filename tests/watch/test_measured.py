"""What docs/watching.md claims of the alarms is what the rules of today say of the kept trainings."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from fullrank.watch import Rules

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs/results/benchmarks"
PAGE = (ROOT / "docs/watching.md").read_text(encoding="utf-8")
HALVES = ("rule", "held out", "fresh")
LINES = {
    "healthy trainings": "healthy",
    "of them with a warning": "healthy that were warned of",
    "of them with a failure": "healthy that failed",
    "broken, quality falls": "broken with a fall",
    "of them not after the fall": "warned of before or at the fall",
    "median lead of the first alarm before the fall, in steps": "median lead of the first alarm",
    "quality falls by the first reading that can show the fault": "fell by the first reading that could show it",
    "of them with an alarm at that reading": "of these warned of at that reading",
    "quality falls later: median lead, in steps": "median lead where the quality fell later",
    "broken, quality does not fall": "broken without a fall",
}


OFTEN = {  # every=5
    "healthy, with a warning": ("healthy that were warned of", "healthy"),
    "healthy, with a failure": ("healthy that failed", "healthy"),
    "quality falls, with an alarm": ("warned of", "broken with a fall"),
    "quality falls, with an alarm not after the fall": ("warned of before or at the fall", "broken with a fall"),
}


RULE = runpy.run_path(str(ROOT / "benchmarks/watch_rule.py"))


@pytest.fixture(scope="module")
def counted() -> dict[str, dict[str, Any]]:
    kept = ("watch_traces.json.gz", "watch_fresh.json.gz")
    runs = [run for name in kept for run in RULE["traces"](RESULTS / name, every=20)]
    rows = [RULE["judged"](run, grace=Rules().grace) for run in runs]
    return {half: RULE["summary"]([row for row in rows if row["half"] == half]) for half in HALVES}


@pytest.mark.parametrize("line", LINES)
def test_the_page_has_the_counts(counted: dict[str, dict[str, Any]], line: str) -> None:
    cells = " | ".join(f"{counted[half][LINES[line]]:.0f}" for half in HALVES)
    assert f"| {line} | {cells} |" in PAGE


def test_nothing_healthy_fails_and_everything_broken_in_the_middle_alarms_within_two_readings(
    counted: dict[str, dict[str, Any]],
) -> None:
    for half in counted.values():
        assert half["healthy that failed"] == 0
        readings = half["readings from a fault at half to the first alarm"]
        assert len(readings) == half["faults at half"]
        assert max(readings) <= 2
    assert sum(half["faults at half"] for half in counted.values()) == 24 + 24  # the kept trainings and the fresh ones


def test_readings_that_are_closer_warn_no_more_often_for_nothing() -> None:
    found = json.loads((RESULTS / "watch_every5.json").read_text(encoding="utf-8"))["summary"]
    for line, (part, whole) in OFTEN.items():
        cells = " | ".join(f"{found[half][part]} of {found[half][whole]}" for half in HALVES)
        assert f"| {line} | {cells} |" in PAGE
    leads = " | ".join(f"{found[half]['median lead of the first alarm']:.0f}" for half in HALVES)
    assert f"| median lead of the first alarm before the fall, in steps | {leads} |" in PAGE
    assert sum(found[half]["healthy that were warned of"] for half in HALVES) == 0


def test_what_readings_at_every_step_see_of_broken_trainings_is_on_the_page() -> None:
    found = json.loads((RESULTS / "watch_every1_broken.json").read_text(encoding="utf-8"))
    half, page = found["summary"]["rule"], " ".join(PAGE.split())
    # Of those whose quality does not fall, "of these warned of" counts.
    seen = half["warned of"] + half["of these warned of"]
    assert f"only the {len(found['runs'])} of the first column were read at every step: {seen} had an alarm." in page
    falls, early = half["broken with a fall"], half["warned of before or at the fall"]
    told = half["warned of"]
    assert f"Of the {falls} whose quality falls, {told} had one, {early} of them not after the fall" in page
    late = [-lead for lead in half["leads of the first alarm"] if lead < 0]
    assert late == [245, 56, 42, 5]
    assert all(f"({steps}" in page for steps in late)


def test_what_readings_that_are_far_apart_miss_is_on_the_page() -> None:
    found = json.loads((RESULTS / "watch_every100.json").read_text(encoding="utf-8"))["summary"].values()
    names = ("broken with a fall", "warned of", "warned of before or at the fall", "healthy that were warned of")
    falls, seen, early, false = (sum(half[name] for half in found) for name in names)
    said = f"of the {falls} in the first two columns whose quality falls {seen} had an alarm, and {early} of these not"
    assert said in " ".join(PAGE.split())
    assert false == 0


def test_the_file_of_closer_readings_is_what_the_rules_say_of_the_fresh_trainings() -> None:
    runs = RULE["traces"](RESULTS / "watch_fresh.json.gz", every=5)[::4]  # all of them take two minutes
    rows = [RULE["judged"](run, grace=Rules().grace) for run in runs]
    found = RULE["summary"](rows)
    assert found["healthy that were warned of"] == 0 < found["healthy"]
    assert found["warned of"] == found["broken with a fall"] > 0


def test_a_reading_at_every_step_warns_of_no_healthy_training_of_any_domain() -> None:
    found = json.loads((RESULTS / "watch_every1.json").read_text(encoding="utf-8"))
    page = PAGE[PAGE.index("| `every=1` |") :]
    for line in ("healthy, with a warning", "healthy, with a failure"):
        part, whole = OFTEN[line]
        cells = " | ".join(f"{found['summary'][half][part]} of {found['summary'][half][whole]}" for half in HALVES)
        assert f"| {line} | {cells} |" in page
    assert [run["every"] for run in found["runs"]] == [1] * (14 + 12 + 26)
    assert len({run["domain"] for run in found["runs"]}) == 6


def test_the_file_of_every_step_is_what_the_rules_say() -> None:
    kept = RULE["traces"](RESULTS / "watch_every1.json.gz", every=1)
    assert len({run["domain"] for run in kept}) == len(kept) == 6
    for run in kept[3:5]:  # a recommender and a graph; all of them take half a minute
        assert {len(columns["n"]) for columns in run["layers"].values()} == {700}
        assert RULE["judged"](run, grace=Rules().grace)["false"] == []
