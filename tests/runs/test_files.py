from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fullrank.errors import UserError
from fullrank.runs import append_row, new_run, read_json, read_rows, refuse_used, replace, write_json, write_rows


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"a": 1})

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"No space left on the disk while writing .*result\.json"):
        replace(path, fail)
    assert read_json(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_a_pipe_is_written_to_and_a_link_replaced(tmp_path: Path) -> None:
    pipe, link, target = (tmp_path / name for name in ("pipe", "link.json", "target.json"))
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_text)
        write_json(pipe, {"a": 1})
        assert read.result(timeout=60) == '{\n  "a": 1\n}\n'
    assert pipe.is_fifo()
    target.write_text("kept")
    link.symlink_to(target)
    write_json(link, {"a": 1})
    assert (read_json(link), target.read_text()) == ({"a": 1}, "kept")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="There is no /dev/stdout here.")
def test_standard_output_is_written_to_where_it_is_a_file(tmp_path: Path) -> None:
    code = "from pathlib import Path; from fullrank.runs import write_json; write_json(Path('/dev/stdout'), {'a': 1})"
    with (tmp_path / "said.json").open("w") as said:
        subprocess.run([sys.executable, "-c", code], stdout=said, check=True)
    assert read_json(tmp_path / "said.json") == {"a": 1}
    assert Path("/dev/stdout").is_symlink()


def test_a_result_with_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "result.json", {"loss": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_half_written_last_row_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    rows: list[dict[str, Any]] = [{"kind": "train", "step": step, "terms": {}} for step in (1, 2)]
    write_rows(path, rows[:1])
    append_row(path, rows[1])
    with path.open("a") as file:
        file.write('{"step": 3, "lo')
    assert read_rows(path) == rows
    assert read_rows(tmp_path / "none.jsonl") == []


def test_the_epochs_of_a_fine_tuning_are_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    row = {"kind": "epoch", "step": 8, "epoch": 1.0, "seconds": 2.5, "top1": 0.5, "top5": None, "balanced": 0.5}
    write_rows(path, [row, {"kind": "epoch", "step": 9}, {"kind": "other", "step": 10}])
    assert read_rows(path) == [row]


def test_runs_are_numbered_and_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [new_run(None, "intl-digits").name for _ in range(3)] == ["intl-digits-1", "intl-digits-2", "intl-digits-3"]
    used = tmp_path / "used"
    used.mkdir()
    assert new_run(used, "x") == used  # an empty folder is free
    (used / "file").write_text("mine")
    with pytest.raises(UserError, match="exists already: pass another --out"):
        new_run(used, "x")
    with pytest.raises(UserError, match="exists already"):
        new_run(used / "file", "x")


@pytest.mark.parametrize(
    ("config", "again"),
    [
        ({"recipe": "intl"}, ", or go on with `fullrank train --resume used`"),
        ({"kind": "finetuning"}, ", or go on with `fullrank finetune --resume used`"),
        ({"kind": "detection"}, ", or go on with `fullrank detect --resume used`"),
        ({"experiment": "intl/toy"}, ""),
        ({"of": "somebody else"}, ""),
        (None, ""),
    ],
)
def test_what_goes_on_with_a_folder_that_is_used_is_said_by_what_is_in_it(
    config: dict[str, Any] | None, again: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    used = Path("used")
    used.mkdir()
    (used / "fullrank.json" if config is None else used / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=re.escape(f"used exists already: pass another --out{again}.")):
        refuse_used(used)
    (used / "result.json").write_text("{}")  # a finished one does not go on
    with pytest.raises(UserError, match=r"^used exists already: pass another --out\.$"):
        refuse_used(used)


def test_reading_what_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run folder"):
        read_json(tmp_path / "config.json")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="cannot be read"):
        read_json(tmp_path / "config.json")
