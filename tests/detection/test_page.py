"""The page about detection: its commands run, and its table is what the benchmark's result says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fullrank
from benchmarks.detection import ENCODERS, KINDS, RESULT
from docs.build.transfer import pages
from fullrank.cli import main
from fullrank.detection.presets import presets
from tests.detection.sets import coco, voc
from tests.test_docs import commands

PAGE = (Path(__file__).parent.parent.parent / "docs" / "detection.md").read_text(encoding="utf-8")
SMALL = [
    "--short-side",
    "64",
    "--long-side",
    "64",
    "--test-side",
    "64",
    "--rois",
    "8",
    "--workers",
    "0",
]
SHORT = [*SMALL, "--batch-size", "2", "--steps", "1", "--decay-at", "1", "--warmup", "1", "--precise-bn", "1"]


@pytest.mark.slow
def test_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On sets that are made up, with trainings of one small step."""
    monkeypatch.chdir(tmp_path)
    Path("shapes").mkdir()
    coco(tmp_path / "shapes", "train", 2)
    coco(tmp_path / "shapes", "val", 2, start=10)
    voc(tmp_path / "voc", 2)
    flags: dict[str, Any] = {"backbone": "resnet18", "stem": "imagenet", "image_size": 32, "steps": 1, "batch_size": 2}
    fullrank.train("simclr", data=str(tmp_path / "shapes" / "train"), out="runs/x", projector=(8,), **flags)
    for command in commands(PAGE):
        trains = "--train" in command
        width = [] if "--preset" in command else ["--width", "16"]  # the presets have no pyramid
        assert main([*command[1:], *([*SHORT, *width] if trains else [])]) == 0, command
    made = {"x", "detector", "detect-fpn-1", "detect-c4-1"}
    assert {path.name for path in Path("runs").iterdir()} == made
    assert Path("runs/detector/control/result.json").is_file()


def test_the_page_names_every_preset() -> None:
    assert [name for name in presets() if f"`{name}`" not in PAGE] == []
    for preset in presets().values():
        assert preset.settings["lr"].value == 0.02
        assert all(setting.source for setting in preset.settings.values())


def test_the_tables_of_the_pages_are_what_the_benchmarks_measured() -> None:
    """Here and in docs/transfer.md."""
    assert {page: page.read_text(encoding="utf-8") for page in pages()} == pages()
    rows = json.loads(RESULT.read_text(encoding="utf-8"))["rows"]
    every = [(name, encoder, seed) for name in KINDS for encoder in ENCODERS for seed in range(3)]
    assert sorted((row["set"], row["encoder"], row["seed"]) for row in rows) == sorted(every)
