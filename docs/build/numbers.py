"""Numbers as the tables of the documentation write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from fullrank.papers.kit.parts import interval


def with_interval(values: Sequence[float], digits: int) -> str:
    """The mean, and the 95 % interval over the seeds where there are two or more.

    >>> with_interval([0.5], 2), with_interval([0.5, 0.6, 0.7], 2)
    ('0.50', '0.60 [0.35, 0.85]')
    """
    ends = interval(values)
    return f"{mean(values):.{digits}f}" + (f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]" if ends else "")


def verdicts(known: Sequence[Mapping[str, Any]]) -> str:
    """What `fullrank diagnose` said of the embeddings of all seeds, each with its kind.

    >>> verdicts([{"verdict": "healthy", "kind": None}, {"verdict": "collapsed", "kind": "complete"}])
    'collapsed (complete), healthy'
    """
    return ", ".join(sorted({f"{one['verdict']} ({one['kind']})" if one["kind"] else one["verdict"] for one in known}))
