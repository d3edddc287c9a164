"""A comparison for a terminal, and as JUnit XML; from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fullrank.errors import printable
from fullrank.report.diagnosis.text import suite, xml_text
from fullrank.report.numbers import number

CHECKED = ("measured", "value", "by chance", "limit", "outcome")
CHANGED = ("measured", "old", "new", "change", "95 % interval", "limit", "outcome")
_LIMITS = {"low": "at most", "high": "at least"}
_STYLES = {
    **dict.fromkeys(("different", "regressed"), "bold red"),
    **dict.fromkeys(("same", "better"), "bold green"),
    "undecided": "bold yellow",
}
_WORDS = ("measured", "outcome")  # headings over words; the others stand over numbers


def print_comparison(content: Mapping[str, Any], console: Console) -> None:
    """The outcome, what was asked of the rows, and what of the reports has a limit or has surely changed."""
    for side in ("old", "new"):
        one = content[side]
        line = f"{side}: {one['source']}: {one['n']:,} x {one['dims']:,}, {one['verdict']}"
        console.print(Text(printable(line)), soft_wrap=True)
    console.print(Text(printable(content["sentence"]), _STYLES[content["outcome"]]), soft_wrap=True)
    if content["checks"]:
        console.print()
        console.print(_table(CHECKED, [[check["title"], *check_cells(check)] for check in content["checks"]]))
    console.print()
    shown = [one for one in content["changes"] if one["limit"] is not None or _surely(one)]
    console.print(_table(CHANGED, [[change["title"], *cells(change)] for change in shown]))
    for line in unasked(content):
        console.print(Text(printable(line)), soft_wrap=True)


def comparison_junit(content: Mapping[str, Any]) -> str:
    """JUnit XML with a test case for the whole and for each limit."""
    judged = [(one["name"], one["outcome"], " ".join(check_cells(one))) for one in content["checks"]]
    judged += [(one["name"], one["outcome"], " ".join(cells(one))) for one in content["changes"]]
    cases = []
    for name, outcome, words in [("outcome", content["outcome"], content["sentence"]), *judged]:
        if outcome is not None:
            case = ElementTree.Element("testcase", classname="fullrank.compare", name=name)
            kind = {"different": "failure", "regressed": "failure", "undecided": "error"}.get(outcome)
            if kind is not None:
                ElementTree.SubElement(case, kind, message=xml_text(words))
            cases.append(case)
    return suite("fullrank compare", cases)


def unasked(content: Mapping[str, Any]) -> list[str]:
    """A sentence for each reason why questions were not asked."""
    by_reason: dict[str, list[str]] = {}
    for one in content["unasked"]:
        by_reason.setdefault(one["because"], []).append(one["question"])
    return [f"Not checked: {' and '.join(some)}, because {because}." for because, some in by_reason.items()]


def check_cells(check: Mapping[str, Any]) -> list[str]:
    """Value, what chance gives, limit and outcome of one check in words."""
    chance = "" if check["chance"] is None else number(check["chance"])
    limit = "" if check["limit"] is None else f"{_LIMITS[check['better']]} {number(check['limit'])}"
    if check["p"] is not None:
        chance, limit = f"up to {number(check['high'])} (p {check['p']:.3f})", limit and f"p {limit}"
    value = "infinite" if check["value"] is None else number(check["value"])
    return [value, chance, limit, check["outcome"] or ""]


def cells(change: Mapping[str, Any]) -> list[str]:
    """Old, new, change, interval, limit and outcome of one number in words."""
    interval = "" if change["low"] is None else f"{number(change['low'])} to {number(change['high'])}"
    limit = "" if change["limit"] is None else f"{change['limit']:+.2g}"
    values = [number(change[name]) for name in ("old", "new", "difference")]
    return [*values, interval, limit, change["outcome"] or ""]


def _table(headings: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _WORDS else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _surely(change: Mapping[str, Any]) -> bool:
    """Whether it has changed beyond its interval, and beyond rounding."""
    beyond = change["low"] is not None and (change["low"] > 0 or change["high"] < 0)
    return beyond and abs(change["difference"]) > 1e-6 * max(abs(change["old"]), abs(change["new"]))
