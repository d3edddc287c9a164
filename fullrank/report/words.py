"""The words of a verdict, the same in every report."""

from __future__ import annotations

STATES = {
    "collapsed": "Collapsed",
    "degraded": "Degraded",
    "healthy": "Healthy",
    "undetermined": "Undetermined",
    "early": "Too early to judge",
    "unfinished": "Unfinished",
}


def verdict_words(state: str, kind: str | None) -> str:
    """A state with its kind.

    >>> verdict_words("collapsed", "dimensional"), verdict_words("early", None)
    ('Collapsed: dimensional', 'Too early to judge')
    """
    word = STATES.get(state, state)
    return f"{word}: {kind}" if kind and state in ("collapsed", "degraded") else word


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop.

    >>> sentence("one direction carries 90 %")
    'One direction carries 90 %.'
    """
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
