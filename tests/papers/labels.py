"""The labels of an outcome that was run at a reduced size, from its rows, as the command judges them."""

from __future__ import annotations

from fullrank.papers import Outcome, load
from fullrank.papers.kit.parts import judged


def labels(name: str, outcome: Outcome) -> list[str]:
    """Of every part, the headline first."""
    return [str(part["label"]) for part in judged(load(name).parts, outcome.rows)]
