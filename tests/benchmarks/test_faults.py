"""The harness of faults in its short form, and the page that it fills."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from pathlib import Path

import pytest

from benchmarks.faults import RECIPES, Row, command, ended, flipped, forked, struck
from docs.build import faults
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import is_sealed


def test_the_page_is_that_of_its_results() -> None:
    assert faults.page() == faults.PAGE.read_text(encoding="utf-8")


def test_the_commands_on_the_page_are_of_flags_that_are_there() -> None:
    shown = faults.PAGE.read_text(encoding="utf-8")
    scripts = re.findall(r"```bash\n(.*?)```", shown, re.DOTALL)
    assert len(scripts) == 2
    assert "torchrun --nnodes 2 --nproc-per-node 8" in scripts[0]
    for line in ("--requeue", "--signal=USR1@120", "--ntasks-per-node=8", "fullrank train --resume runs/vicreg"):
        assert line in scripts[1]


def test_what_is_not_noticed_is_counted_as_such(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    path.write_bytes(bytes(100))
    row = Row("a bit")
    flipped(row, path, 3, lambda path: None)
    assert (row.tries, row.survived, len(row.failures)) == (3, 0, 3)


@pytest.mark.slow
def test_a_kill_a_signal_and_a_flipped_bit_are_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setitem(os.environ, "TMPDIR", str(tmp_path / "tmp"))
    recipe = next(iter(RECIPES))
    assert ended(forked(command(recipe, tmp_path / recipe), tmp_path / "log")) == 0
    known = [(recipe, (tmp_path / recipe / "encoder.safetensors").read_bytes(), 5.0)]
    rows = [Row("kill"), Row("stop"), Row("bit")]
    struck(signal.SIGKILL, rows[0], 0, known, tmp_path)
    struck(signal.SIGTERM, rows[1], 0, known, tmp_path)
    flipped(rows[2], last_checkpoint(tmp_path / recipe), 5, is_sealed)
    assert [(row.survived, row.failures) for row in rows] == [(1, ()), (1, ()), (5, ())]
