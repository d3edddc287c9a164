"""How well a number orders trainings as another does: Kendall's tau-b, across recipes and within them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2000  # resamplings of the recipes
FEWEST = 5  # recipes that tell anything; drawing fewer again makes no interval


def _signs(values: Sequence[float]) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    return np.sign(x[:, None] - x[None, :])


def _tau(weights: Floats, products: Floats, x: Floats, y: Floats) -> Floats:
    """Tau-b for each row of weights (B, n), from signs (n, n); a pair with itself counts nowhere, nor does a tie."""

    def weighed(matrix: Floats) -> Floats:
        total: Floats = np.einsum("bi,ij,bj->b", weights, matrix, weights)
        return total

    below = np.sqrt(weighed(np.abs(x)) * weighed(np.abs(y)))
    tau: Floats = np.divide(weighed(products), below, out=np.full_like(below, np.nan), where=below > 0)
    return tau


def agreement(
    x: Sequence[float], y: Sequence[float], recipes: Sequence[str], *, within: bool
) -> tuple[float, float, float]:
    """Tau-b of two numbers of trainings, and the 95 % interval of drawing the recipes again.

    Across recipes each counts once, by its means. Within, only pairs of trainings of one recipe count, all together;
    NaN where fewer than five recipes have a pair without a tie.

    >>> agreement([1, 2, 3, 4], [1, 2, 3, 4], ["a", "b", "c", "d"], within=False)[0]
    1.0
    >>> agreement([1, 2] * 5 + [9, 8] * 5, [1, 2] * 10, [str(at // 2) for at in range(20)], within=True)[0]
    0.0
    """
    names = sorted(set(recipes))
    member = np.array([[recipe == name for recipe in recipes] for name in names], dtype=np.float64)  # (R, n)
    draws = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    weights = np.concatenate([np.ones((1, len(names))), draws])
    if within:
        same = member.T @ member
        signs = _signs(x) * same, _signs(y) * same
        spread = np.sqrt(weights) @ member  # so that a pair of a recipe counts as often as the recipe is drawn
    else:
        means = member / member.sum(1, keepdims=True)
        signs = _signs((means @ np.asarray(x)).tolist()), _signs((means @ np.asarray(y)).tolist())
        spread = weights
    products = signs[0] * signs[1]
    if within and int((np.einsum("ri,ij,rj->r", member, np.abs(products), member) > 0).sum()) < FEWEST:
        return math.nan, math.nan, math.nan
    found = _tau(spread, products, *signs)
    low, high = np.nanquantile(found[1:], (0.025, 0.975)) if np.isfinite(found[1:]).any() else (np.nan, np.nan)
    return float(found[0]), float(low), float(high)
