"""How much memory a piece of code takes at its peak, by the system's own account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SELF = Path("/proc/self")


@contextmanager
def takes_less_than(size: int) -> Iterator[None]:
    """Assert that during the body the memory of this process never grew by so many bytes."""
    if not (_SELF / "clear_refs").exists():
        pytest.skip("the peak of memory is read as Linux tells it")
    (_SELF / "clear_refs").write_text("5")  # the peak is what is taken now
    before = _peak()
    yield
    assert _peak() - before < size


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", (_SELF / "status").read_text())
    assert found
    return int(found[1]) * 1024
