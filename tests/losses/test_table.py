from __future__ import annotations

from pathlib import Path

import pytest

from docs.build import losses as table
from fullrank.losses.declaration import declaration

PAGE = Path(__file__).parents[2] / "docs" / "losses.md"


def test_every_public_loss_declares_its_formula_and_cost() -> None:
    for loss in table.public():
        assert declaration(loss).formula, loss
        assert declaration(loss).cost, loss


@pytest.mark.slow
def test_the_page_is_what_the_generator_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == table.page(), "run `make docs`"
