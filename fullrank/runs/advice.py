"""What result.json says about what was found at the end of a run: what it costs, possible causes, what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """A finding; `causes` are pairs of cause and test, `remedies` pairs of words and code."""

    sentence: str
    why: str
    causes: tuple[tuple[str, str], ...]
    remedies: tuple[tuple[str, str], ...]


def read_advice(value: object) -> tuple[Advice, ...]:
    """The findings as result.json has them; what is written otherwise is left out.

    >>> found = {"sentence": "it fills 3 of 64.", "remedies": [{"text": "spread", "code": "--w2 0.5"}]}
    >>> read_advice([found, 7])[0].remedies
    (('spread', '--w2 0.5'),)
    """
    return tuple(_one(item) for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _one(found: Mapping[str, object]) -> Advice:
    return Advice(
        sentence=str(found.get("sentence", "")),
        why=str(found.get("why", "")),
        causes=_pairs(found.get("causes"), "cause", "test"),
        remedies=_pairs(found.get("remedies"), "text", "code"),
    )


def _pairs(items: object, first: str, second: str) -> tuple[tuple[str, str], ...]:
    mappings = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return tuple((str(item.get(first, "")), str(item.get(second, ""))) for item in mappings)
