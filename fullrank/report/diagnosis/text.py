"""A diagnosis for a terminal, and as JUnit XML for continuous integration; from its JSON alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fullrank.errors import printable
from fullrank.report.diagnosis.page import measurement_cells, size, which, without_intervals
from fullrank.report.numbers import NONE
from fullrank.report.words import sentence

_STYLES = {"collapsed": "bold red", "healthy": "bold green"}
_SHOWN = (
    *("relative_spread", "mean_cosine", "effective_rank", "rankme_centered", "participation_ratio", "decay_exponent"),
    *("dead_dimensions", "duplicate_rows", "hub_skewness", "two_nn", "view_retrieval", "gap_ratio", "label_gain"),
)  # rows of the table; what a finding names comes first


def print_diagnosis(content: Mapping[str, Any], console: Console) -> None:
    """The verdict, each finding with cause and remedy, and a table of the numbers behind them."""
    _say(console, f"{content['source']}: {size(content)}")
    console.print(Text(printable(content["sentence"]), _STYLES.get(content["verdict"], "bold yellow")), soft_wrap=True)
    if lacking := without_intervals(content):
        _say(console, lacking)
    if "beside" in content:
        _say(console, f"Beside it, the {content['beside']['where']}: {content['beside']['sentence']}")
    for finding in content.get("findings", ()):
        _finding(finding, console, which(finding, content))
    console.print()
    _numbers(content, console)


def print_training(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """The steps of a training at which the verdict changed, and the last."""
    last = len(rows) - 1
    for at, row in enumerate(rows):
        if at in (0, last) or row["verdict"] != rows[at - 1]["verdict"]:
            _say(console, f"  step {row['step']:>7,}  {row['sentence']}")


def junit(content: Mapping[str, Any], *, fail_on: str) -> str:
    """JUnit XML: a test case a finding, failed from `fail_on` ("warn" or "fail") on; one that passes if there is none.

    >>> text = junit({"source": "z.npy", "verdict": "healthy", "kind": None, "sentence": "No collapse.",
    ...     "findings": []}, fail_on="fail")
    >>> ElementTree.fromstring(text).attrib["failures"]
    '0'
    """
    counted = ("fail", "warn") if fail_on == "warn" else ("fail",)
    cases = []
    for finding in content.get("findings", ()):
        case = ElementTree.Element("testcase", classname="fullrank.diagnose", name=finding["rule"])
        if finding["severity"] in counted:
            tried = (filter(None, (item["text"], item.get("code"))) for item in finding["remedies"])
            remedies = "\n".join(map(": ".join, tried))
            ElementTree.SubElement(case, "failure", message=xml_text(finding["sentence"])).text = xml_text(remedies)
        cases.append(case)
    verdict = ElementTree.Element("testcase", classname="fullrank.diagnose", name="verdict")
    if content["verdict"] in ("undetermined", "early"):
        ElementTree.SubElement(verdict, "error", message=xml_text(content["sentence"]))
    elif content["verdict"] == "collapsed" or (content["verdict"] == "degraded" and fail_on == "warn"):
        ElementTree.SubElement(verdict, "failure", message=xml_text(content["sentence"]))
    return suite(xml_text(content["source"]), [verdict, *cases])


def suite(name: str, cases: Sequence[ElementTree.Element]) -> str:
    """JUnit XML of test cases."""
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    root = ElementTree.Element("testsuite", name=name, attrib=counts)
    root.extend(cases)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _finding(finding: Mapping[str, Any], console: Console, named: str) -> None:
    console.print()
    _say(console, f"{finding['severity'].upper()}  {sentence(finding['sentence'])}")
    if named:
        _say(console, f"  which   {named}.")
    for cause in finding["causes"]:  # all of them: the right one may be the last
        tell = f" How to tell: {cause['test']}." if cause.get("test") else ""
        _say(console, f"  cause?  {sentence(cause['cause'])}{tell}")
    for remedy in finding["remedies"][:3]:
        _say(console, f"  try     {sentence(remedy['text'])}")
        for line in (remedy.get("code") or "").splitlines():
            _say(console, f"          {line}")


def _numbers(content: Mapping[str, Any], console: Console) -> None:
    cells = measurement_cells(content)
    named = [name for finding in content.get("findings", ()) for name in finding["evidence"]]
    table = Table(box=None, pad_edge=False)
    for heading in ("measured", "value", "95 % interval", "perfect data"):
        table.add_column(heading, justify="left" if heading == "measured" else "right")
    for name in dict.fromkeys([*named, *_SHOWN]):
        if name in cells:
            cell = cells[name]
            table.add_row(Text(cell.title), cell.value, cell.interval.replace(NONE, ""), cell.null.replace(NONE, ""))
    if table.row_count:
        console.print(table)


def _say(console: Console, text: str) -> None:
    """A line with anyone's names: no markup, nothing that a terminal obeys, and wrapped by it only."""
    console.print(Text(printable(text)), soft_wrap=True)


def xml_text(text: str) -> str:
    """Without what XML cannot hold: the two that are no characters are left out, the others become an escape."""
    return re.sub("[\ufffe\uffff]", "", printable(text, lines=True))
