"""docs/speed.md says what the result files of end_to_end and quality_per_minute say."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from docs.build.quality import PICTURE, RESULT, draw

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "speed.md").read_text(encoding="utf-8")


def result(name: str) -> Any:
    return json.loads((DOCS / "results" / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_table_of_files_to_weights_is_that_of_its_result() -> None:
    for parts in result("end_to_end").values():
        for each in parts.values():
            rates = [each[who]["per processor second"] for who in ("FullRank", "lightly", "torchvision")]
            digits = 2 if rates[0] < 10 else 1 if rates[0] < 100 else 0
            assert " | ".join(f"{rate:.{digits}f}" for rate in rates) in PAGE
    training = result("end_to_end")["color sprites, 32 px, tiny"]["training"]
    ours = training["FullRank"]["per processor second"]
    others = [f"{ours / training[who]['per processor second']:.2f} times" for who in ("lightly", "torchvision")]
    assert f"{others[0]} lightly, {others[1]} a plain torchvision pipeline" in PAGE


def test_the_accuracies_by_processor_second_are_those_of_their_result() -> None:
    races = json.loads(RESULT.read_text(encoding="utf-8"))["Fashion-MNIST"]
    last = [mean(race[who]["knn"][-1] for race in races) for who in ("FullRank", "lightly")]
    assert f"{last[0]:.3f} by FullRank, {last[1]:.3f} by lightly" in PAGE
    assert len(races) == 3


def test_the_picture_is_drawn_from_the_result() -> None:
    kept = PICTURE.read_text(encoding="utf-8")  # another matplotlib may round otherwise
    assert len(kept) == pytest.approx(len(draw()), rel=0.05), "run python -m docs.build.quality"
