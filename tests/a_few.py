"""Which cases of a long list the quick suite asks; the long form asks all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def one_in(every: int, cases: Iterable[Any]) -> list[Any]:
    """The cases, of which only each so many-th, from the first, is not marked slow."""
    return quick_where(lambda at, _: at % every == 0, cases)


def quick_where(quick: Callable[[int, Any], bool], cases: Iterable[Any]) -> list[Any]:
    """The cases, of which those that do not pass this test of number and case are marked slow."""
    return [case if quick(at, case) else pytest.param(case, marks=pytest.mark.slow) for at, case in enumerate(cases)]
