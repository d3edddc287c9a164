"""The page about a diagnosis, its lines in a terminal, and its JUnit XML."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from fullrank.errors import UserError
from fullrank.report.diagnosis.page import diagnosis_page, write_diagnosis
from fullrank.report.diagnosis.text import junit, print_diagnosis, print_training
from tests.report.browser import browser
from tests.report.diagnosed import FINDING, diagnosis
from tests.report.test_browser import OVERFLOW, SMALLEST, _brightness
from tests.report.test_page import HOSTILE

FIGURES = ["spectrum", "cosines", "hill", "dimensions", "projection", "hubness"]
REACHED = """(() => [...document.querySelectorAll("a[href], summary, [tabindex='0']")].map(item => {
    item.focus(); return document.activeElement === item && item.tabIndex === 0 }).every(Boolean))()"""
TARGETS = """[...document.querySelectorAll("a[href^='#']")].filter(
    item => !document.getElementById(item.getAttribute("href").slice(1))).length"""


@pytest.mark.slow
def test_it_says_what_was_found_and_what_to_do() -> None:
    page = diagnosis_page(diagnosis("collapsed"))
    body = page[page.index("<body>") :]
    order = ["Collapsed: dimensional", "3.9 (3.7 to 4.1)", "Why this matters", "No term spreads", "--w2 0.5",
             "<pre", "rises above 12.", 'id="figures"', 'id="numbers"', '<th scope="col">blind to']  # fmt: skip
    assert [body.index(words) for words in order] == sorted(body.index(words) for words in order)
    assert re.findall(r'<figure id="(\w+)"', page) == FIGURES
    assert "loss = loss + 0.5 * w2(z)[&#34;loss&#34;]" in page
    assert "Hubs: what is left is noise." in page
    assert 'id="findings"' not in diagnosis_page(diagnosis())


def test_it_shows_what_there_is_only() -> None:
    content = diagnosis() | {"figures": {}, "measurements": []}
    page = diagnosis_page(content)
    assert "<figure" not in page
    assert "No collapse found." in page
    assert "Healthy is not trained" in page
    assert "Healthy is not trained" not in diagnosis_page(diagnosis("collapsed"))


@pytest.mark.slow
def test_the_verdicts_over_training_are_a_table() -> None:
    rows = [{"step": 1000, "verdict": "healthy", "relative_spread": 0.9, "mean_cosine": 0.1, "effective_rank": 5.0}]
    assert '<th scope="row">1,000</th><td>healthy</td><td>0.9</td>' in diagnosis_page(diagnosis() | {"training": rows})


@pytest.mark.slow
def test_text_of_others_stays_text() -> None:
    hostile = diagnosis("collapsed") | {"source": HOSTILE, "sentence": HOSTILE, "classes": [HOSTILE] * 3}
    hostile["findings"] = [FINDING | {"sentence": HOSTILE, "remedies": [{"text": HOSTILE, "code": HOSTILE}]}]
    page = diagnosis_page(hostile)
    assert "<img" not in page
    assert ElementTree.fromstring(junit(hostile, fail_on="fail")).attrib["name"] == HOSTILE


@pytest.mark.parametrize("evil", [0xD800, 0xDCE9, 0xFFFE, 0xFFFF, 0, 0x1B, 0x85, 0x0D, 0x1FFFF])
def test_text_that_xml_cannot_hold_makes_no_junit_that_cannot_be_read(evil: int) -> None:
    words = f"caf{chr(evil)}\n像"
    content = diagnosis("collapsed") | {"source": words, "sentence": words}
    remedies = [{"text": words, "code": words}]
    content["findings"] = [FINDING | {"severity": "fail", "sentence": words, "remedies": remedies}]
    root = ElementTree.fromstring(junit(content, fail_on="fail").encode())
    assert [re.sub(r"\\\w+|\U0001ffff", "", root.attrib["name"])] == ["caf\n像"]
    assert root.attrib["failures"] == "2"


def test_embeddings_without_variance_have_a_page() -> None:
    content = diagnosis("collapsed")
    content["figures"]["spectrum"]["eigenvalue"] = [0.0] * 24
    content["figures"]["hill"]["value"] = [0.0] * 4
    assert "no variance at all" in diagnosis_page(content)


@pytest.mark.slow
def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in a folder that exists"):
        write_diagnosis(diagnosis(), tmp_path / "none" / "report.html")


@pytest.mark.slow
@pytest.mark.debian("chromium")
@pytest.mark.parametrize("verdict", ["healthy", "collapsed"])
def test_the_page_in_chromium(verdict: str, tmp_path: Path) -> None:
    page = write_diagnosis(diagnosis(verdict), tmp_path / "report.html")
    with browser(tmp_path / "profile") as tab:
        tab.open(page)
        assert tab.ask('[...document.querySelectorAll("figure")].map(item => item.id)') == FIGURES
        for width in (1200, 390):
            tab.resize(width)
            assert tab.ask(SMALLEST) > 15
            assert tab.ask(OVERFLOW) <= 0
        assert tab.ask(REACHED)
        assert tab.ask(TARGETS) == 0
        assert _brightness(tab, "light") > 200
        assert _brightness(tab, "dark") < 60
        assert tab.paper().startswith(b"%PDF")
        assert [address for address in tab.requests() if not address.startswith("data:")] == [page.as_uri()]
        assert tab.complaints() == []


def said(content: dict[str, Any], **settings: Any) -> str:
    out = io.StringIO()
    print_diagnosis(content, Console(file=out, width=100, **settings))
    return out.getvalue()


def test_the_terminal_has_verdict_cause_and_remedy_in_few_lines() -> None:
    text = said(diagnosis("collapsed"))
    assert "Collapsed to few dimensions: 3.9 of 24." in text
    assert "cause?  No term spreads the dimensions. How to tell: train an epoch with --w2 0.5." in text
    assert "try     Add W2 uniformity to the loss." in text
    assert re.search(r"effective rank +3\.9 +3\.7 to 4\.1 +23\.1", text)
    assert "\x1b" not in text
    assert "\x1b" in said(diagnosis("collapsed"), force_terminal=True)
    assert text.count("\n") < 20


def test_the_terminal_cuts_no_cause() -> None:
    content = diagnosis("collapsed")
    content["findings"][0]["causes"] = [{"cause": f"cause {at}", "test": "try"} for at in range(9)]
    assert [f"Cause {at}. How to tell: try." in said(content) for at in range(9)] == [True] * 9


def test_markup_of_others_stays_text_in_the_terminal() -> None:
    assert "[red]x[/red]" in said(diagnosis() | {"source": "[red]x[/red]"})


def test_only_changes_over_training_are_lines() -> None:
    rows = [{"step": step, "verdict": word, "sentence": word} for step, word in enumerate("aabbb")]
    out = io.StringIO()
    print_training(rows, Console(file=out))
    assert [line.split()[1] for line in out.getvalue().splitlines()] == ["0", "2", "4"]


@pytest.mark.parametrize(
    ("verdict", "severity", "fail_on", "expected"),
    [
        ("healthy", "note", "fail", ("0", "0")),
        ("degraded", "warn", "fail", ("0", "0")),
        ("degraded", "warn", "warn", ("2", "0")),
        ("collapsed", "fail", "fail", ("2", "0")),
        ("undetermined", "note", "fail", ("0", "1")),
    ],
)
def test_junit_fails_as_the_exit_code_does(
    verdict: str, severity: str, fail_on: str, expected: tuple[str, str]
) -> None:
    content = diagnosis() | {"verdict": verdict, "findings": [FINDING | {"severity": severity}]}
    root = ElementTree.fromstring(junit(json.loads(json.dumps(content)), fail_on=fail_on))
    assert (root.attrib["failures"], root.attrib["errors"]) == expected
    assert [case.attrib["name"] for case in root] == ["verdict", "dimensional collapse"]
