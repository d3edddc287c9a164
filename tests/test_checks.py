"""docs/checks.md names tests that exist, and every test that is named after a check of a paper."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIST = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
SOURCES = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
TESTS = {name for source in SOURCES for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}
NAMED_AFTER_A_CHECK = re.compile(r"test_(w2|intl|corinfomax|directclr|hsr)_(check|behavior)_")


def test_every_test_of_the_list_exists() -> None:
    listed = set(re.findall(r"`(test_\w+)`", LIST))
    assert len(listed) > 100
    assert listed - TESTS == set()


def test_every_check_is_in_the_list() -> None:
    named = {name for name in TESTS if NAMED_AFTER_A_CHECK.match(name)}
    assert {name for name in named if f"`{name}`" not in LIST} == set()


def test_no_number_is_left_out() -> None:
    numbers = re.findall(r"^\| (E\d+|B\d+|\d+) \|", LIST, re.MULTILINE)
    expected = [str(n) for n in range(1, 17)] * 2  # W2, INTL
    expected += [f"E{n}" for n in range(1, 15)] * 2 + [f"B{n}" for n in range(1, 6)]  # CorInfoMax, DirectCLR
    expected += [f"E{n}" for n in range(1, 13)]  # HSR-BYOL
    assert sorted(numbers) == sorted(expected)
