from __future__ import annotations

from pathlib import Path

from tests.losses import table

PAGE = Path(__file__).parents[2] / "docs" / "losses.md"


def test_every_public_loss_has_its_formula_and_cost() -> None:
    assert set(table.FACTS) == {loss.__name__ for loss in table.public()}


def test_the_page_is_what_the_generator_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == table.page(), "run `make docs`"
