"""The page about scale holds what was measured, and what is simulated grows as it must."""

from __future__ import annotations

from benchmarks.scale import SPREADS, WORLDS, stragglers
from docs.build import scale


def test_the_page_is_that_of_its_results() -> None:
    assert scale.page() == scale.PAGE.read_text(encoding="utf-8")


def test_more_processes_and_more_spread_wait_longer() -> None:
    found = {(row["spread"], row["processes"]): row["slower"] for row in stragglers()}
    for spread in SPREADS:
        waits = [found[spread, world] for world in WORLDS]
        assert waits == sorted(waits)
        assert waits[0] > 1
    assert all(found[SPREADS[1], world] > found[SPREADS[0], world] for world in WORLDS)
