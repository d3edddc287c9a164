"""A detection that was killed goes on as if it had not been."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import fullrank
from fullrank.cli import main
from fullrank.detection.models import Detector
from fullrank.detection.predict import find_all
from fullrank.runs import read_json, read_rows, write_json
from tests.detection.sets import changed, coco
from tests.detection.test_detect import FLAGS, TINY
from tests.killing import killed

KEPT = ("detector.safetensors", "predictions.json")
FULLRANK = [sys.executable, "-m", "fullrank.cli"]


def environment() -> dict[str, str]:
    root = Path(__file__).parent.parent.parent
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}


def flags_for(path: Path, *more: str) -> list[str]:
    return ["detect", *FLAGS, "--train", str(path), "--val", str(path), *more]


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in KEPT)


@pytest.mark.slow
def test_a_run_that_was_asked_to_stop_equals_one_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks, mirrored images, precise batch norm and worker processes included."""
    path = coco(tmp_path, "train", 6)
    flags = TINY | {"steps": 6, "precise_bn": 2, "masks": True, "short_side": (48, 64), "checkpoint_every": 2}
    whole = fullrank.detect(train=path, val=path, out=tmp_path / "whole", **flags)
    run = tmp_path / "stopped"
    from fullrank.detection.record import Record

    class Failing(Record):
        def on_train_batch_end(self, trainer: Any, *others: Any) -> None:
            super().on_train_batch_end(trainer, *others)
            if trainer.global_step == 5:
                raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr("fullrank.detection.fit.Record", Failing)
        with pytest.raises(RuntimeError, match="power cut"):
            fullrank.detect(train=path, val=path, out=run, **flags)
    assert not (run / "result.json").exists()
    assert main(["detect", "--resume", str(run), "--voc-first", "1"]) == 2  # which does not act on COCO's
    assert main(["detect", "--resume", str(run)]) == 0
    assert same(run, whole.path)
    kinds = [[(row["kind"], row["step"]) for row in read_rows(one / "metrics.jsonl")] for one in (run, whole.path)]
    assert kinds[0] == kinds[1]
    assert not (run / "checkpoints" / "previous.ckpt").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    path = coco(tmp_path, "train", 6)
    flags = flags_for(path, "--steps", "40", "--checkpoint-every", "7", "--workers", "1")
    dead, whole = tmp_path / "killed", tmp_path / "whole"
    killed([*FULLRANK, *flags, "--out", str(dead)], dead, environment())
    for arguments in (["detect", "--resume", str(dead)], [*flags, "--out", str(whole)]):
        assert main(arguments) == 0
    assert same(dead, whole)


@pytest.mark.slow
def test_a_run_that_was_killed_before_its_result_is_scored_on_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: torch.device
) -> None:
    path = coco(tmp_path, "train", 4)
    run = fullrank.detect(train=path, val=path, out=tmp_path / "run", **TINY, precise_bn=2).path
    before = {name: (run / name).read_bytes() for name in KEPT}
    for name in ("result.json", *KEPT):
        (run / name).unlink()
    seen: list[str] = []

    def noted(detector: Detector, *images: Any, device: torch.device, **settings: Any) -> Any:
        seen.extend((device.type, next(detector.parameters()).device.type))
        return find_all(detector, *images, device=device, **settings)

    monkeypatch.setattr("fullrank.detection.fit.find_all", noted)
    assert main(["detect", "--resume", str(run)]) == 0
    assert seen == [device.type, device.type]
    assert {name: (run / name).read_bytes() for name in KEPT} == before


@pytest.mark.slow
def test_what_was_changed_since_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = coco(tmp_path, "train", 4)
    run = tmp_path / "run"
    fullrank.detect(train=path, val=path, out=run, **TINY)
    (run / "result.json").unlink()
    before = read_json(run / "config.json")
    write_json(run / "config.json", before | {"settings": before["settings"] | {"lr": 1.0}})
    assert main(["detect", "--resume", str(run)]) == 2
    assert "was trained with another lr than its config.json names" in capsys.readouterr().err
    write_json(run / "config.json", before)
    other = changed(coco(tmp_path / "moved", "train", 4), annotations=lambda entries: entries[:-1])
    assert main(["detect", "--resume", str(run), "--train", str(other)]) == 2
    assert "The annotations are not those that" in capsys.readouterr().err
    moved = coco(tmp_path / "again", "train", 4)
    assert main(["detect", "--resume", str(run), "--train", str(moved), "--val", str(moved)]) == 0
    assert (run / "result.json").exists()
    assert main(["detect", "--resume", str(tmp_path)]) == 2
    capsys.readouterr()
    shared = "batches of 4 cannot be shared by 3 processes: go on with 2, by so many GPUs in CUDA_VISIBLE_DEVICES"
    with monkeypatch.context() as patch:
        patch.setattr("torch.cuda.device_count", lambda: 3)
        assert main(["detect", "--resume", str(run)]) == 2
    assert shared in capsys.readouterr().err
    write_json(run / "config.json", before | {"run": before["run"] | {"devices": 4}})  # as its launcher said then
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "3", "WORLD_SIZE": "3", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert main(["detect", "--resume", str(run)]) == 2
    assert shared in capsys.readouterr().err
