"""The judge names the right kind for every cloud, and docs/diagnosis.md has what it says of several seeds."""

from __future__ import annotations

from random import Random

import pytest

from docs.build.confusion import CELLS, PAGE, SEEDS, Cell, kept, page, said, table
from tests.a_few import one_in
from tests.diagnosis.clouds import CASES, Case

SMALL = [size for size in SEEDS if size[0] < 10_000]


@pytest.mark.parametrize("size", SMALL, ids=str)
@pytest.mark.parametrize("case", one_in(3, CASES), ids=lambda case: case.name)
def test_the_kind_is_right(case: Case, size: tuple[int, int]) -> None:
    assert said((case.name, size, 100)) in case.right(*size)  # a seed that the table does not have


@pytest.mark.parametrize("cell", Random(0).sample([cell for cell in CELLS if cell[1] in SMALL], 20), ids=str)
@pytest.mark.slow
def test_the_record_is_what_the_doctor_says(cell: Cell) -> None:
    assert said(cell) == kept()[cell], "delete confusion.jsonl and run `make docs`"


def test_the_page_is_what_the_record_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, kept()) == text, "run `make docs`"
    assert list(table(kept()))[-1] in text


def test_there_are_enough_clouds() -> None:
    assert sum(case.kind == "healthy" for case in CASES) >= 3
    assert sum(case.kind != "healthy" for case in CASES) >= 16
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_table_shows_what_is_wrong() -> None:
    found = dict.fromkeys(CELLS, "cone")
    lines = list(table(found))
    counts = [f"cone {len(seeds)}" for seeds in SEEDS.values()]
    assert f"| isotropic | {' | '.join(f'**{count}**' for count in counts)} |" in lines
    assert f"| cone, cosine 0.95 | {' | '.join(counts)} |" in lines
    assert lines[-1] == f"{len(CELLS) // len(CASES)} of {len(CELLS)} verdicts are right."
    assert list(table(found | {CELLS[0]: "undetermined"}))[-1].endswith("; 1 say `undetermined` where it can be told.")
    text = page("a <!-- confusion: why -->\nold <!-- end of confusion --> b", found)
    assert text.startswith("a <!-- confusion: why -->\n\n| cloud |")
    assert text.endswith(" are right.\n\n<!-- end of confusion --> b")
