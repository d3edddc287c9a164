"""The thresholds that docs/diagnosis.md quotes are those of the rules, and every threshold of a kind is quoted."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from fullrank.diagnosis.kinds import RULES
from fullrank.diagnosis.profiles import PROFILES

PAGE = (Path(__file__).parents[2] / "docs" / "diagnosis.md").read_text(encoding="utf-8")
SECTIONS: dict[str, tuple[str, ...]] = {
    "Complete collapse": ("complete collapse",),
    "Dimensional collapse": ("dimensional collapse",),
    "Clusters": ("clusters",),
    "Cone": ("cone", "slight cone", "cone of positive features"),
    "Head-dominated spectrum": ("dimensions that outweigh the rest", "head-dominated spectrum"),
    "Duplicates": (
        *("one vector for many rows", "one vector for some rows"),
        *("duplicate rows", "some duplicate rows"),
    ),
    "Codebook": ("unused codes", "codes"),
    "Hubs": ("hubs",),
    "Modality gap": ("modality gap", "modality gap of two groups", "several groups"),
    "Dead dimensions": (
        "dead dimensions",
        "dimensions that a ReLU left dead",
        "copied dimensions",
        "dimensions that agree behind a ReLU",
    ),
    "Fewer directions than classes": ("fewer directions than classes",),
    "Single rows": (
        *("rows of zeros", "some rows of zeros", "near-empty rows"),
        *("exploded rows", "rows that make the first direction", "a far group"),
    ),
    "Scale": ("vanishing scale",),
}
HALF_NORMALS, HUBS = 2 / math.pi, 10 / 96  # hubs: all of the ten nearest of 96 rows are the same
EXPLAINED: dict[str, set[float]] = {  # what is not a threshold, by what it follows from
    "Clusters": {3.0},  # of evenly spread rows
    "Dimensional collapse": {1.0, 0.09, 0.2, 1.6, 2.0},  # of photographs
    "Cone": {round(x, 2) for x in (1.0, 1 / math.pi, HALF_NORMALS, HALF_NORMALS + 0.92 * (1 - HALF_NORMALS))},
    "Hubs": {96.0, round((1 - 2 * HUBS) / math.sqrt(HUBS * (1 - HUBS)), 1)},
    "Modality gap": {0.33},
    "Fewer directions than classes": {1.0},
    "Scale": {6e-8},
}
SECTION = pytest.mark.parametrize("section", SECTIONS)


def numbers(text: str) -> set[float]:
    """Every number of a text, percents as shares."""
    found = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)( ?%)?", text)
    return {float(number) / (100 if percent else 1) for number, percent in found}


def quoted(section: str) -> set[float]:
    text = " ".join(PAGE.split(f"\n### {section}\n")[1].split("\n## ")[0].split("\n### ")[0].split())
    return numbers(text.split("**Seen by**")[1].split("**What to do:**")[0])


def thresholds(section: str, *, gates: bool) -> set[float]:
    rules = [rule for rule in RULES if rule.name in SECTIONS[section]]
    evidence = [one for rule in rules for one in rule.evidence]
    values = {value for one in evidence for value in (one.graded.warn, one.graded.fail) if value is not None}
    if not gates:
        return values
    inside = [gate for one in evidence for gate in one.gates] + [one.gate for rule in rules for one in rule.excused]
    bands = {one.graded.band for one in evidence} | {gate.band for gate in inside}
    return values | bands | {gate.threshold for gate in inside}


@SECTION
def test_what_is_quoted_is_a_threshold(section: str) -> None:
    assert quoted(section) <= thresholds(section, gates=True) | EXPLAINED.get(section, set())


@SECTION
def test_every_threshold_is_quoted(section: str) -> None:
    assert thresholds(section, gates=False) <= quoted(section)


def test_every_kind_has_its_section() -> None:
    named = {name for names in SECTIONS.values() for name in names}
    assert {rule.name for rule in RULES if rule.kind is not None} - named == {"collapsed classes"}


@pytest.mark.parametrize("name", ["contrastive", "non-contrastive"])
def test_the_thresholds_of_profiles_are_quoted(name: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    own = PROFILES[name].thresholds
    assert numbers(row) == {warn for warn, _ in own.values()}
