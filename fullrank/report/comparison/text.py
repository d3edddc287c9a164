"""A comparison for a terminal, and as JUnit XML; from its JSON alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fullrank.report.diagnosis.text import suite, xml_text
from fullrank.report.numbers import number

_STYLES = {"regressed": "bold red", "same": "bold green", "better": "bold green", "undetermined": "bold yellow"}


def print_comparison(content: Mapping[str, Any], console: Console) -> None:
    """The verdict, and what has a limit or has surely changed."""
    for side in ("old", "new"):
        one = content[side]
        console.print(
            Text(f"{side}: {one['source']}: {one['n']:,} x {one['dims']:,}, {one['verdict']}"), soft_wrap=True
        )
    console.print(Text(content["sentence"], _STYLES[content["verdict"]]), soft_wrap=True)
    console.print()
    table = Table(box=None, pad_edge=False)
    for heading in ("measured", "old", "new", "change", "95 % interval", "limit", "verdict"):
        table.add_column(heading, justify="left" if heading in ("measured", "verdict") else "right")
    for change in content["changes"]:
        if change["limit"] is not None or _surely(change):
            table.add_row(Text(change["title"]), *cells(change))
    console.print(table)
    if content["paired"]:
        console.print(alike(content), highlight=False, soft_wrap=True)


def comparison_junit(content: Mapping[str, Any]) -> str:
    """JUnit XML with a test case for the whole and for each limit."""
    judged = [(change["name"], change["verdict"], " ".join(cells(change))) for change in content["changes"]]
    cases = []
    for name, verdict, words in [("verdict", content["verdict"], content["sentence"]), *judged]:
        if verdict is not None:
            case = ElementTree.Element("testcase", classname="fullrank.compare", name=name)
            kind = {"regressed": "failure", "undetermined": "error"}.get(verdict)
            if kind is not None:
                ElementTree.SubElement(case, kind, message=xml_text(words))
            cases.append(case)
    return suite("fullrank compare", cases)


def alike(content: Mapping[str, Any]) -> str:
    """How alike old and new are, sample by sample; nothing where the rows are not the same samples."""
    if not content["paired"]:
        return ""
    numbers = f"CKA {number(content['cka'])} (debiased), shared neighbors {number(content['knn_overlap'])}"
    return f"The same rows in old and new: {numbers}; 1 is the same."


def _surely(change: Mapping[str, Any]) -> bool:
    """Whether it has changed beyond its interval, and beyond rounding."""
    beyond = change["low"] is not None and (change["low"] > 0 or change["high"] < 0)
    return beyond and abs(change["difference"]) > 1e-6 * max(abs(change["old"]), abs(change["new"]))


def cells(change: Mapping[str, Any]) -> list[str]:
    """Old, new, change, interval, limit and verdict of one number in words."""
    interval = "" if change["low"] is None else f"{number(change['low'])} to {number(change['high'])}"
    limit = "" if change["limit"] is None else f"{change['limit']:+.2g}"
    values = [number(change[name]) for name in ("old", "new", "difference")]
    return [*values, interval, limit, change["verdict"] or ""]
