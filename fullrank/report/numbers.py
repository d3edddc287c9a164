"""Numbers as text, for every page and terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NONE = "–"  # what is not known


def number(value: float | None) -> str:
    """A number for people: of three digits, or whole from 100 to ten million.

    >>> number(12345.6), number(0.01234), number(None), number(768.0), number(390585691.0)
    ('12,346', '0.0123', '–', '768', '3.91e+08')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"


def interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a measurement in words.

    >>> interval({"low": 1.5, "high": 2.25}), interval({"low": None, "high": None})
    ('1.5 to 2.25', '–')
    """
    if row.get("low") is None or row.get("high") is None:
        return NONE
    return f"{number(row['low'])} to {number(row['high'])}"


def fixed(amount: float | None, places: int) -> str:
    """A number with so many places, or a dash.

    >>> fixed(0.12345, 3), fixed(None, 3), fixed(1234567.0, 0)
    ('0.123', '–', '1,234,567')
    """
    if amount is None:
        return NONE
    small = amount != 0 and abs(amount) < 10**-places
    text = f"{amount:.1e}" if small else f"{amount:,.{places}f}"
    return text.replace("-", "−")


def percent(share: float | None) -> str:
    """A share of one in percent.

    >>> percent(0.7123)
    '71.2 %'
    """
    return NONE if share is None else f"{100 * share:.1f} %"


def duration(seconds: float | None) -> str:
    """Seconds in words.

    >>> duration(42), duration(3725)
    ('42 s', '1 h 2 min')
    """
    if seconds is None:
        return NONE
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def cell(value: object) -> str:
    """A table's cell: four digits for a number.

    >>> cell(0.123456), cell(12345), cell("CW")
    ('0.1235', '12345', 'CW')
    """
    if value is None:
        return NONE
    return f"{value:.4g}" if isinstance(value, float) else str(value)
