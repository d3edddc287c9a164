"""All sources, and a few synthetic ones for a test of seconds."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from . import fifth, fourth, images, models, runs, second, seventh, sixth, tables, text, third
from .source import Source


def population() -> list[Source]:
    """Every source; a name stands once."""
    found = list(
        chain(
            *(images.sources(), text.sources(), tables.sources(), models.sources(), runs.sources()),
            *(second.sources(), third.sources(), fourth.sources(), fifth.sources(), sixth.sources()),
            seventh.sources(),
        )
    )
    names = [source.name for source in found]
    assert len(names) == len(set(names)), "a name stands twice"
    return found


def chosen(only: Iterable[str]) -> list[Source]:
    """The sources of which a domain, the name, or the half is among these; all without any."""
    wanted = set(only)
    return [source for source in population() if not wanted or {source.domain, source.name, source.half} & wanted]
