"""The doctor names the right kind for every cloud; docs/results/diagnosis/confusion.md has ten seeds."""

from __future__ import annotations

import pytest

from tests.diagnosis.clouds import CASES, Case
from tests.diagnosis.confusion import SEEDS, said, table

SMALL = [size for size in SEEDS if size[0] < 10_000]


@pytest.mark.parametrize("size", SMALL, ids=str)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_kind_is_right(case: Case, size: tuple[int, int]) -> None:
    assert said(case, size, seed=100) == case.expected(*size)  # a seed that the table does not have


def test_there_are_enough_clouds() -> None:
    assert sum(case.kind == "healthy" for case in CASES) >= 3
    assert sum(case.kind != "healthy" for case in CASES) >= 16
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_table_shows_what_was_said_instead() -> None:
    from collections import Counter

    found = {(number, size): Counter({"cone": SEEDS[size]}) for number in range(len(CASES)) for size in SEEDS}
    lines = list(table(found))
    assert "| isotropic | healthy 0/10, **cone: 10** | healthy 0/10, **cone: 10** | healthy 0/1, **cone: 1** |" in lines
    assert lines[-1].startswith(f"{2 * 21} of {len(CASES) * 21} ")
