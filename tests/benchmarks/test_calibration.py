"""The calibration runs end to end on a few synthetic sources, and its bookkeeping counts what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fullrank
from benchmarks.calibration.measuring import measured
from benchmarks.calibration.pages import END, START, tuning_page, write_page
from benchmarks.calibration.ruin import RUINS, ruins_for
from benchmarks.calibration.sets import Set, make, read
from benchmarks.calibration.source import Expected, Made, Source
from benchmarks.calibration.verdicts import Answer, judged, rates


def _source(name: str, expected: Expected, *, spread: float = 1.0) -> Source:
    def rows(root: Path) -> Made:
        z = torch.randn(160, 12, generator=torch.Generator().manual_seed(0))
        return 1 + spread * z, torch.arange(160) % 4

    return Source(name, "synthetic", "generic", expected, rows)


SOURCES = (_source("cloud", "healthy"), _source("point", "ruined", spread=1e-3), _source("other", "open"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calibration")
    make(path, SOURCES)
    return path


@pytest.mark.slow
def test_all_three_commands_work_on_synthetic_sources_and_the_page_has_their_rates(folder: Path) -> None:
    docs = folder / "docs"
    docs.mkdir()
    (docs / "calibration.md").write_text(
        f"before\n{START.format(name='calibration')}\nthe page before\n{END}\nafter\n", encoding="utf-8"
    )
    answers = judged(folder, read(folder), again=False)
    write_page(answers, docs)
    page = (docs / "calibration.md").read_text(encoding="utf-8")
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "the page before" not in page
    assert "| cloud |" in page
    written = json.loads((docs / "results" / "calibration" / "verdicts.json").read_text(encoding="utf-8"))
    assert len(written) == len(answers)
    write_page(judged(folder, read(folder), again=False), docs)
    assert (docs / "calibration.md").read_text(encoding="utf-8") == page


@pytest.mark.slow
def test_kept_measurements_give_the_verdict_of_diagnose(folder: Path) -> None:
    sets = [one for one in read(folder) if one.ruin in ("as it is", "point", "directions") and one.labels is None]
    for one in sets:
        measured(folder, one)
    for answer in judged(folder, sets, again=False):
        report = fullrank.diagnose(np.load(folder / answer.set.file), profile=answer.profile)
        assert (answer.state, answer.kind, answer.sentence) == (report.verdict, report.kind, report.sentence)


@pytest.mark.slow
def test_a_ruined_source_is_called_and_a_healthy_one_is_not(folder: Path) -> None:
    answers = {one.set.name: one for one in judged(folder, read(folder), again=False)}
    assert answers["cloud: as it is"].state == "healthy"
    assert answers["point: as it is"].state == "collapsed"
    assert not any(one.false_alarm or one.missed for one in answers.values() if one.set.source == "other")


def test_sets_are_made_once_and_the_same_again(folder: Path, tmp_path: Path) -> None:
    make(tmp_path, SOURCES[:1])
    for one in read(tmp_path):
        assert np.array_equal(np.load(tmp_path / one.file), np.load(folder / one.file), equal_nan=True)
    before = (tmp_path / "sets.jsonl").read_text(encoding="utf-8")
    make(tmp_path, SOURCES[:1])
    assert (tmp_path / "sets.jsonl").read_text(encoding="utf-8") == before


def _answer(duty: str, state: str, named: tuple[str, ...] = ()) -> Answer:
    one = Set("s", "s", "d", "generic", "tuning", duty, "ruin", "grade", ("cone",), 9, 9, "f")  # type: ignore[arg-type]
    return Answer(
        one, "generic", state, "cone" if state == "degraded" else None, "", "cone (warn): mean_cosine 0.9", named
    )


def test_rates_count_calls_misses_and_undetermined_apart() -> None:
    answers = [
        *(_answer("harmless", state) for state in ("healthy", "degraded", "undetermined", "early")),
        *(_answer("must", state) for state in ("collapsed", "degraded", "healthy", "undetermined")),
        _answer("may", "healthy"),
    ]
    one = rates(answers)
    assert (one.harmless, one.false_alarms, one.harmless_undetermined) == (4, 1, 1)
    assert (one.ruined, one.missed, one.ruined_undetermined) == (4, 1, 1)
    assert (one.kind_known, one.kind_right) == (2, 1)
    assert rates(answers, half="held-out").harmless == 0
    rows = rates([_answer("name", "healthy", named) for named in ((), ("cone",), ("hubs", "cone"))])
    assert (rows.ruined, rows.missed, rows.harmless, rows.kind_known) == (3, 1, 0, 0)
    page = tuning_page(answers)
    assert "false alarms: 1" in page
    assert "missed: 1" in page


def test_every_ruin_changes_the_rows_and_keeps_them_finite() -> None:
    z = torch.randn(120, 20, generator=torch.Generator().manual_seed(1)) + 0.5
    for ruin in RUINS:
        changed: Tensor = ruin.change(z.clone(), torch.Generator().manual_seed(2))
        assert changed.shape == z.shape
        assert bool(torch.isfinite(changed).all()), ruin
        assert not torch.equal(changed, z), ruin


def test_what_must_be_found_is_left_out_of_no_narrow_healthy_source_and_only_healthy_ones_are_ruined() -> None:
    made = {(ruin.name, ruin.grade) for ruin in ruins_for(SOURCES[0], 12)}
    assert {(ruin.name, ruin.grade) for ruin in RUINS if ruin.duty in ("must", "name")} <= made
    assert ruins_for(SOURCES[1], 12) == ruins_for(SOURCES[2], 12) == []
