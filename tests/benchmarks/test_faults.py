"""The harness of faults in its short form, and the page that it fills."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from pathlib import Path

import pytest

from benchmarks.faults.damages import flipped
from benchmarks.faults.rows import Row, Table
from benchmarks.faults.strikes import struck
from benchmarks.faults.trainings import Whole
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


def test_a_table_is_gone_on_with(tmp_path: Path) -> None:
    begun = Table(tmp_path / "faults.json", go_on=False)
    begun.row("a kill").count(None)
    begun.row("a kill").count("hung")
    begun.keep()
    again = Table(begun.path, go_on=True)
    again.row("a kill").count(None)
    assert again.rows == [Row("a kill", 3, 2, ("hung",))]


@pytest.mark.slow
def test_a_kill_a_signal_and_a_flipped_bit_are_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setitem(os.environ, "TMPDIR", str(tmp_path / "tmp"))
    one, two = Whole(tmp_path, 1), Whole(tmp_path, 2)
    rows = [Row("kill"), Row("stop"), Row("kill of two"), Row("stop of two"), Row("bit")]
    struck(rows[0], signal.SIGKILL, one)
    struck(rows[1], signal.SIGTERM, one)
    struck(rows[2], signal.SIGKILL, two, (1,))
    struck(rows[3], signal.SIGTERM, two, (0, 1))
    flipped(rows[4], last_checkpoint(one.folder / "byol"), 5, is_sealed)
    assert [(row.survived, row.failures) for row in rows] == [(1, ())] * 4 + [(5, ())]
