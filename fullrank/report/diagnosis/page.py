"""The page about one diagnosis, from its JSON alone: verdict, findings with cause and remedy, numbers, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fullrank.report.diagnosis.figures import diagnosis_figures
from fullrank.report.html import render, write_html
from fullrank.report.numbers import NONE, interval, number
from fullrank.report.words import sentence, verdict_words

_KEY_NUMBERS = ("relative_spread", "mean_cosine", "effective_rank", "participation_ratio")
_MOST = 20  # numbers in the JSON
_ONE = {"rows": "row", "dimensions": "dimension", "classes": "class"}
_GROUPS = 5  # of rows, for intervals
_DIRECTIONS = {"high": "higher is healthier", "low": "lower is healthier", "none": "no direction is healthier"}


@dataclass(frozen=True)
class Cell:
    """One measurement in words."""

    name: str
    title: str
    value: str
    interval: str
    null: str
    direction: str
    conventions: str
    blind_to: str


def write_diagnosis(content: Mapping[str, Any], out: Path) -> Path:
    """Write the page about a diagnosis, complete or not at all, from the JSON of its report; returns its path."""
    return write_html(diagnosis_page(content), out)


def diagnosis_page(content: Mapping[str, Any]) -> str:
    """The HTML of a diagnosis, self-contained and without scripts, from the JSON of a report (schema 1).

    >>> page = diagnosis_page({"source": "z.npy", "verdict": "healthy", "kind": None, "sentence": "No collapse.",
    ...     "n": 9, "dims": 4, "views": 1, "profile": "generic", "where": "embeddings", "fullrank": "0.1.0"})
    >>> "No collapse." in page, "<script" in page
    (True, False)
    """
    cells = measurement_cells(content)
    shown = {
        "content": content,
        "word": verdict_words(content["verdict"], content["kind"]),
        "facts": facts(content, cells),
        "sureness": sureness(content, cells),
        "findings": content.get("findings", ()),
        "titles": {name: cell.title for name, cell in cells.items()},
        "cells": cells,
        "groups": _groups(content, cells),
        "silenced": content.get("silenced", ()),
        "training": content.get("training", ()),
        "figures": diagnosis_figures(content.get("figures", {}), content.get("classes", [])),
        "number": number,
        "sentence": sentence,
        "which": {one["rule"]: which(one, content) for one in content.get("findings", ())},
        "severities": {"fail": "Collapse", "warn": "Warning", "note": "Note"},
    }
    return render("diagnosis/page.html.j2", shown)


def measurement_cells(content: Mapping[str, Any]) -> dict[str, Cell]:
    """The measurements of a report in words, by name."""
    return {
        row["name"]: Cell(
            row["name"],
            row["title"],
            number(row["value"]),
            interval(row),
            number(row.get("null")),
            _DIRECTIONS.get(row.get("direction") or "none", NONE),
            _how(row),
            ", ".join(row.get("blind_to") or ()) or NONE,
        )
        for row in content.get("measurements", ())
    }


def which(finding: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """The rows, dimensions or classes that a finding is about, classes by their names where they are known.

    >>> which({"which": [5, 17], "which_are": "rows"}, {}), which({"which": [5], "which_are": "rows"}, {})
    ('Rows 5, 17', 'Row 5')
    """
    numbers, names = finding.get("which") or [], content.get("classes") or []
    if not numbers:
        return ""
    classes = finding["which_are"] == "classes" and max(numbers) < len(names)
    shown = [str(names[number]) if classes else str(number) for number in numbers]
    what = finding["which_are"] if len(shown) > 1 else _ONE[finding["which_are"]]
    return f"{what.capitalize()} {', '.join(shown)}" + (" and others" if len(shown) == _MOST else "")


def size(content: Mapping[str, Any]) -> str:
    """How many rows and dimensions, and how many of the rows were left out.

    >>> size({"n": 599, "left_out": 1, "dims": 32})
    '600 rows, 32 dimensions; judged without 1 row of zeros, exploded or near-empty'
    """
    out = content.get("left_out", 0)
    without = f"; judged without {out:,} row{'s' * (out > 1)} of zeros, exploded or near-empty" if out else ""
    rows, dims = content["n"] + out, content["dims"]
    return f"{rows:,} row{'s' * (rows != 1)}, {dims:,} dimension{'s' * (dims != 1)}{without}"


def facts(content: Mapping[str, Any], cells: Mapping[str, Cell]) -> list[tuple[str, str]]:
    """What was looked at, and the numbers that decide most, with their 95 % intervals."""
    found = [
        ("rows and dimensions", f"{content['n']:,} x {content['dims']:,}"),
        *([("left out as zero, exploded, near-empty", f"{out:,}")] if (out := content.get("left_out", 0)) else []),
        *([("views of each sample", str(content["views"]))] if content["views"] > 1 else []),
        ("measured at", str(content["where"])),
        ("judged as", str(content["profile"])),
    ]
    for name in _KEY_NUMBERS:
        if name in cells:
            between = f" ({cells[name].interval})" if cells[name].interval != NONE else ""
            found.append((cells[name].title, cells[name].value + between))
    return found


def sureness(content: Mapping[str, Any], cells: Mapping[str, Cell]) -> str:
    """How sure the verdict is, in one or two sentences."""
    bracketed = any(name in cells and cells[name].interval != NONE for name in _KEY_NUMBERS)
    how = "In brackets are 95 % intervals, found by leaving out groups of rows in turn and corrected for their number."
    known = how if bracketed else ""
    few = content["n"] <= content["dims"]
    unseen = f"With {content['n']:,} rows a rank above {content['n'] - 1:,} cannot be seen." if few else ""
    return " ".join(part for part in (known or without_intervals(content), unseen) if part) or "There are no intervals."


def without_intervals(content: Mapping[str, Any]) -> str:
    """Why there are no intervals, where the groups of rows are too few for any.

    >>> without_intervals({"groups": 3})
    'There are no 95 % intervals: they need 5 groups of rows to leave out in turn, and there are 3.'
    """
    groups = content.get("groups", _GROUPS)
    if groups >= _GROUPS:
        return ""
    return (
        f"There are no 95 % intervals: they need {_GROUPS} groups of rows to leave out in turn, and there are {groups}."
    )


def _how(row: Mapping[str, Any]) -> str:
    sampled = f" (of a sample of {row['sampled']:,} rows)" if row.get("sampled") else ""
    return (row.get("conventions") or NONE) + sampled


def _groups(content: Mapping[str, Any], cells: Mapping[str, Cell]) -> dict[str, list[Cell]]:
    groups: dict[str, list[Cell]] = {}
    for row in content.get("measurements", ()):
        groups.setdefault(row.get("group") or "others", []).append(cells[row["name"]])
    return groups
