"""Progress while a file is read: nothing for small ones, a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import torch
from rich.console import Console
from torch import Tensor

from fullrank.commands import _reading as reading


def chunks() -> Iterator[Tensor]:
    for _ in range(4):
        yield torch.zeros(2, 25, 3)


def said(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=80)
    assert sum(chunk.shape[1] for chunk in reading.watched(chunks(), 100, console, "Reading z.npy")) == 100
    return out.getvalue()


def test_a_quick_file_is_silent() -> None:
    assert said(terminal=True) == said(terminal=False) == ""


def test_a_slow_file_has_a_bar_or_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_QUIET", -1.0)
    monkeypatch.setattr(reading, "_PLAIN_EVERY", -1.0)
    plain = said(terminal=False).splitlines()
    assert plain[0] == "Reading z.npy: 25 of 100 rows, 0 s left"
    assert len(plain) == 4
    bar = said(terminal=True)
    assert "Reading z.npy" in bar
    assert "100 rows" in bar


def test_an_error_ends_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_QUIET", -1.0)
    console = Console(file=io.StringIO(), force_terminal=True)
    shown = reading.watched(chunks(), 100, console, "Reading")
    next(shown)
    next(shown)
    with pytest.raises(ZeroDivisionError):
        shown.throw(ZeroDivisionError())
    with console.status("the next"):  # would fail beside a live bar
        pass
