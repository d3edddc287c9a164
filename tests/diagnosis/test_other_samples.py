"""Comparisons of other samples of one distribution: chance is no regression, of few rows or of few groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fullrank
from fullrank.cli import main


def donors(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """20 rows (N, D) of each donor, who differ more than their rows do, and whose they are (N,)."""
    rng = np.random.default_rng(seed)
    units = np.arange(count).repeat(20)
    return rng.normal(size=(count, 16))[units] + 0.3 * rng.normal(size=(len(units), 16)), units


@pytest.mark.parametrize("n", [60, 100])
def test_what_has_no_interval_is_no_regression_at_equal_numbers_of_rows_either(n: int) -> None:
    """The effective rank alone broke its limit in every fifth of such comparisons."""
    rng = np.random.default_rng(0)
    outcomes, spared = [], []
    for _ in range(10):
        old, new = (rng.normal(size=(n, 64)) * np.arange(1, 65) ** -0.5 for _ in "ab")
        found = fullrank.compare(old, new, expect="same-distribution")
        outcomes.append(found.outcome)
        spared += [title for title, why in found.unasked if why == "it has no interval, and the samples are others"]
    assert outcomes == ["same"] * 10
    assert set(spared) == {"effective rank D1"}
    collapsed = old * (np.arange(64) < 4)
    assert fullrank.compare(old, collapsed, expect="same-distribution").outcome == "regressed"
    asked = fullrank.compare(old, new, expect="same-distribution", max_drop={"effective_rank": "0%"})
    assert asked.changes[0].outcome in ("regressed", "same", "better")  # a limit that was passed is held to


def test_ranks_of_other_numbers_of_groups_are_no_regression() -> None:
    """The participation ratio is that of rows of different groups, and the effective rank has no interval."""
    for seed in range(4):
        sides = [donors(100, 2 * seed), donors(10, 2 * seed + 1)]
        reports = [fullrank.diagnose(z, groups=units) for z, units in sides]
        found = fullrank.compare(*reports, expect="same-distribution")
        assert found.outcome == "same", found.sentence
        unasked = dict(found.unasked)
        assert "participation ratio D2" not in unasked
        assert unasked["effective rank D1"].startswith("it ")


def test_each_side_has_groups_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, count in (("old", 50), ("new", 20)):
        z, units = donors(count, count + 1)
        np.save(tmp_path / f"{name}.npy", z)
        (tmp_path / f"{name}.csv").write_text("donor\n" + "".join(f"d{unit}\n" for unit in units))
    files = [str(tmp_path / "old.npy"), str(tmp_path / "new.npy")]
    groups = [f"{tmp_path / name}.csv::donor" for name in ("old", "new")]
    assert main(["compare", *files]) == 1  # every row is taken for news
    assert main(["compare", *files, "--groups", groups[0], "--new-groups", groups[1]]) == 0
    assert main(["compare", *files, "--new-groups", groups[1]]) == 2
    assert "pass both" in capsys.readouterr().err
