"""Progress: nothing of what is quick, a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator

import pytest
import torch
from rich.console import Console
from torch import Tensor

from fullrank import terminal


def chunks() -> Iterator[Tensor]:
    for _ in range(4):
        yield torch.zeros(2, 25, 3)


def watched(console: Console) -> Generator[Tensor, None, None]:
    return terminal.watched(chunks(), 100, "Reading z.npy", "rows", console=console, size=lambda chunk: chunk.shape[1])


def said(*, drawn: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=drawn, width=80)
    assert sum(chunk.shape[1] for chunk in watched(console)) == 100
    return out.getvalue()


def test_a_quick_file_is_silent() -> None:
    assert said(drawn=True) == said(drawn=False) == ""


def test_a_slow_file_has_a_bar_or_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "QUIET", -1.0)
    monkeypatch.setattr(terminal, "PLAIN_EVERY", -1.0)
    plain = said(drawn=False).splitlines()
    assert plain[0] == "Reading z.npy: 25 of 100 rows, 0 s left"
    assert len(plain) == 4
    bar = said(drawn=True)
    assert "Reading z.npy" in bar
    assert "100 rows" in bar


def test_what_was_there_at_the_start_tells_nothing_of_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """60 of 100 were found done at once; the next 10 took 20 seconds, so that the last 30 take 60."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    lines: list[str] = []
    with terminal.progress(Console(quiet=True), "w2/cost", 100, "%", lines.append) as show:
        show(60)
        clock[0] = 20.0
        show(70)
    assert lines == ["w2/cost: 70 of 100 %, 60 s left"]


def test_an_error_ends_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "QUIET", -1.0)
    console = Console(file=io.StringIO(), force_terminal=True)
    shown = watched(console)
    next(shown)
    next(shown)
    with pytest.raises(ZeroDivisionError):
        shown.throw(ZeroDivisionError())
    with console.status("the next"):  # would fail beside a live bar
        pass
