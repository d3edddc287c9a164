"""The command that asks a GPU everything, at a size of seconds and without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.trainings import RECIPES


def test_without_a_gpu_it_says_what_to_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "result.json")])
    assert "torch sees no GPU on this machine: pass --tiny" in capsys.readouterr().err


@pytest.mark.slow
def test_its_tiny_form_fills_every_part_of_the_result(tmp_path: Path) -> None:
    main(["--tiny", "--skip", "suite", "compile", "--out", str(tmp_path / "result.json")])
    result = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert set(result["trainings"]) == {f"{recipe} on digits" for recipe in RECIPES[:2]}
    assert all(row["steps"] == 2 and row["images_per_second"]["all"] > 0 for row in result["trainings"].values())
    (row,) = result["steps"]
    assert set(row["whole step in ready views"]) == {"bf16", "float32", "bf16, channels first"}
    assert row["waits of a whole step"] is None  # a CPU does not wait for itself
    assert result["losses"]
