"""The colors of the page can be read on its paper, and be told apart by color-blind readers."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import fullrank.report

Vector = NDArray[np.float64]

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
}
TO_CONES = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_OKLAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def schemes() -> dict[str, dict[str, str]]:
    """The CSS variables of the light and of the dark page."""
    text = Path(fullrank.report.__file__).with_name("style.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in text.split(":root {")[1:3])
    return {"light": light, "dark": {**light, **dark}}


def linear(color: str) -> Vector:
    """Linear RGB (3,) of "#rrggbb"."""
    srgb = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    rgb: Vector = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return rgb


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    low, high = sorted(float(linear(color) @ np.array([0.2126, 0.7152, 0.0722])) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def oklab(rgb: Vector) -> Vector:
    """Oklab (Ottosson, 2020) of linear RGB: distances are as people see them."""
    lab: Vector = TO_OKLAB @ np.cbrt(TO_CONES @ rgb.clip(0, 1))
    return lab


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_from_the_paper(scheme: str) -> None:
    colors = schemes()[scheme]
    for paper in (colors["paper"], colors["card"]):
        assert min(contrast(colors[name], paper) for name in ("ink", "soft", "good", "bad", "open")) >= 4.5
        assert min(contrast(colors[f"s{number}"], paper) for number in range(1, 9)) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("eyes", EYES)
def test_any_two_runs_differ_in_color(scheme: str, eyes: str) -> None:
    colors = schemes()[scheme]
    seen = [oklab(EYES[eyes] @ linear(colors[f"s{number}"])) for number in range(1, 9)]
    assert min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2)) > 0.1
