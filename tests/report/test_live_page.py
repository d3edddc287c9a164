from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fullrank.report.runs.live import LivePage

KILLED = Path(__file__).parents[1] / "runs" / "data" / "killed-0.1.0"


def test_a_page_is_read_again_while_a_training_goes_on_and_not_after_it(tmp_path: Path) -> None:
    run = shutil.copytree(KILLED, tmp_path / "run")
    live = LivePage(run, first=0.0)
    live.show({"kind": "train"})
    assert not live.page.exists()
    live.show({"kind": "monitor"})
    assert '<meta http-equiv="refresh" content="30">' in live.page.read_text()
    live.end()
    assert 'http-equiv="refresh"' not in live.page.read_text()


def test_a_page_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, clock = [], iter((0.0, 10.0, 31.0, 32.0, 32.0, 81.0, 83.0, 84.0, 84.0))
    monkeypatch.setattr("fullrank.report.runs.live.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("fullrank.report.runs.live.write_report", lambda *args, **flags: written.append(args))
    live = LivePage(tmp_path)
    for count in (0, 1, 1, 2):  # at 10, 31, 81 and 83 seconds; a page takes one
        live.show({"kind": "monitor"})
        assert len(written) == count


def test_a_run_that_cannot_be_shown_is_trained_all_the_same(tmp_path: Path) -> None:
    live = LivePage(tmp_path, first=0.0)
    live.show({"kind": "monitor"})
    assert not live.page.exists()
