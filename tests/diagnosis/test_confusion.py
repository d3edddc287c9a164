"""The doctor names the right kind for every cloud; docs/results/diagnosis/confusion.md has ten seeds."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.diagnosis.clouds import CASES, Case
from tests.diagnosis.confusion import SEEDS, said, table

SMALL = [size for size in SEEDS if size[0] < 10_000]


@pytest.mark.parametrize("size", SMALL, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_kind_is_right(case: Case, size: tuple[int, int]) -> None:
    assert said(case, size, seed=100) in case.right(*size)  # a seed that the table does not have


def test_there_are_enough_clouds() -> None:
    assert sum(case.kind == "healthy" for case in CASES) >= 3
    assert sum(case.kind != "healthy" for case in CASES) >= 16
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_table_shows_what_is_wrong() -> None:
    found = {(case.name, size): Counter({"cone": SEEDS[size]}) for case in CASES for size in SEEDS}
    lines = list(table(found))
    assert "| isotropic | **cone 10** | **cone 10** | **cone 1** |" in lines
    assert "| cone, cosine 0.7 | cone 10 | cone 10 | cone 1 |" in lines
    assert lines[-1].startswith(f"{2 * 21} of {len(CASES) * 21} ")
