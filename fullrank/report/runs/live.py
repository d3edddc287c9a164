"""The page of a run while it trains: report.html, written anew at a reading, in at most a fiftieth of the time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullrank.errors import UserError
from fullrank.report.runs.page import write_report

_FIRST = 30.0  # seconds of training without a page; a browser reads the page again as often
_SHARE = 50  # of the time that a page took, until the next one


class LivePage:
    """Takes the rows of metrics.jsonl, in the process that writes them."""

    def __init__(self, run: Path, *, first: float = _FIRST) -> None:
        self.page = run / "report.html"
        self._due = time.monotonic() + first

    def show(self, row: Mapping[str, Any]) -> None:
        """Write the page after a reading, if it is time."""
        begun = time.monotonic()
        if row["kind"] != "monitor" or begun < self._due:
            return
        self._write(refresh=round(_FIRST))
        self._due = time.monotonic() + _SHARE * (time.monotonic() - begun)

    def end(self) -> None:
        """The training has stopped: the page, where there is one, is not read again by itself any more."""
        if self.page.exists():
            self._write(refresh=None)

    def _write(self, refresh: int | None) -> None:
        try:
            write_report([self.page.parent], self.page, refresh=refresh)
        except UserError:  # a page must not stop a training, whose own files say what is wrong
            self.page.unlink(missing_ok=True)
