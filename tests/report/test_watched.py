"""The figures of what only some runs have: mutual information, and eigenvalues that a loss keeps itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from fullrank.report import write_report
from fullrank.report.runs.figures import LINES
from tests.report.run_folders import STEPS


def figure(page: str, name: str) -> str:
    """The source of one figure of the page; empty where there is none."""
    found = re.search(rf'<figure id="{name}".*?</figure>', page, flags=re.DOTALL)
    return found[0] if found else ""


def drawn(page: str, name: str, color: str) -> int:
    """How many lines of this color a figure's drawings have, those of the legend not counted."""
    return len(re.findall(rf"<path [^>]*stroke: var\(--{color}\)", figure(page, name)))


@pytest.mark.slow
def test_eigenvalues_over_training_beside_their_isotropic_value(run: Path, tmp_path: Path) -> None:
    spectra = dict(np.load(run / "spectra.npz"))
    history = np.logspace(0, -3, 40) * np.ones((len(STEPS), 1))
    history[0] = np.nan  # a run that an older version began
    history[:, -1] = 0  # a dead dimension has no logarithm
    np.savez(run / "spectra.npz", **spectra, covariance_of_view_1=history, covariance_of_view_2=history[:, :5])
    page = write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert drawn(page, "watched0", "s1") == LINES - 1 + 5
    assert drawn(page, "watched0", "ink") == 2  # 1 / D in each panel
    source = figure(page, "watched0")
    for words in ("covariance of view 1", "covariance of view 2", "eigenvalue (variance)", ">step<", "1 / D"):
        assert words in source, words
    assert "nan" not in source


@pytest.mark.slow
def test_the_isotropic_value_is_drawn_where_it_belongs(run: Path, tmp_path: Path) -> None:
    spectra = dict(np.load(run / "spectra.npz"))
    flat = np.full((len(STEPS), 10), 0.1)  # isotropic: every line is the dashed one
    np.savez(run / "spectra.npz", **spectra, flat=flat)
    source = figure(write_report([run], tmp_path / "report.html").read_text(encoding="utf-8"), "watched0")
    paths = re.findall(r'd="M [\d.]+ ([\d.]+)\s+L [^"]+"[^>]*stroke: var\(--(s1|ink)\)', source)
    assert {color for _, color in paths} == {"s1", "ink"}
    assert len({height for height, _ in paths}) == 1


@pytest.mark.slow
def test_a_run_that_watches_nothing_else_has_neither_figure(run: Path, tmp_path: Path) -> None:
    page = write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert figure(page, "watched0") == figure(page, "ldmi") == ""


@pytest.mark.slow
def test_the_mutual_information_stands_beside_what_chance_shows(run: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        if row["kind"] == "monitor":
            row["embedding"] |= {"ldmi": 2.0 + row["step"] / 100, "ldmi_by_chance": 0.75}
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = json.loads((run / "result.json").read_text())
    result["collapse"]["embedding"] |= {"ldmi": 4.0, "ldmi_by_chance": 0.75}
    (run / "result.json").write_text(json.dumps(result))
    page = write_report([run], tmp_path / "report.html").read_text(encoding="utf-8")
    assert drawn(page, "ldmi", "s1") == 2
    assert "4 I / D (nats)" in figure(page, "ldmi")
    row = re.search(r"mutual information of views, embedding.*?<td>(.*?)</td>", page, flags=re.DOTALL)
    assert row is not None
    assert row[1] == "4.000"
