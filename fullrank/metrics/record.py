"""What a measurement is: one record beside its function, from which everything else about it is derived."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import torch

from fullrank.metrics.cloud import Cloud

Collapse = Literal["complete", "cone", "dimensional", "cluster", "dead", "duplicate"]
Of = Literal["moments", "directions", "sketch", "counts", "rows", "pair", "views", "modalities", "labels", "derived"]
Group = Literal["spread", "spectrum", "dimensions", "pairs", "views", "modalities", "labels"]

ALL: frozenset[Collapse] = frozenset({"complete", "cone", "dimensional", "cluster", "dead", "duplicate"})
WITHIN: frozenset[Collapse] = frozenset({"dimensional", "cluster", "dead", "duplicate"})
MEAN: frozenset[Collapse] = frozenset({"complete", "cone"})
OF_COVARIANCE = "centered, not normalized, divisor N, no eps"
OF_UNIT = "rows scaled to length 1"
SHARED = "rows share neighbors"
MOST = 20  # rows, dimensions or classes that a measurement names
_DRAWS = 4  # of the null of a number without a formula for it


@dataclass(frozen=True)
class Measured:
    """One number about the embeddings; its `Measurement` says what it is called and how it was computed.

    Attributes:
        value: Of all rows, or of a sample of `sampled` rows; where there is an interval, without the bias of order
            1/N.
        low, high: 95 % interval of the distribution's value, or of what samples of `sampled` rows give on average;
            None where there is no valid one.
        null: What perfect data of this size would give; for hubs and contrast, Gaussian data of the same spectrum.
        healthy: The ideal value, None where there is none.
        which: Numbers of the rows, dimensions or classes that it is about, worst first, at most 20.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    null: float | None = None
    healthy: float | None = None
    sampled: int | None = None
    which: tuple[int, ...] = ()


Measurements = Mapping[str, Measured]


@dataclass(frozen=True)
class Measurement:
    """One number about embeddings of N rows in D dimensions: how it is computed, named, judged and shown.

    Attributes:
        function: The function of what `of` names.
        of: "moments": a `Cloud` of rows or of their moments; "directions": the same of rows at length 1; "sketch": a
            `Sketch`; "counts": a cloud of rows, where a sketch counts all of them; "rows": a cloud of rows; "pair",
            "modalities": two clouds of the same samples; "views": rows (V, N, D); "labels": a cloud of rows with
            labels; "derived": the `Measurements` so far, N and D, from which it returns a `Measured` or None. NaN is
            left out.
        title, group, conventions: What it is called, where a report shows it (None: nowhere), and how it was computed.
        direction: The healthy direction.
        ideal, collapsed: The best value, and that of one point; None where there is none.
        times_dims: Whether `ideal` is a share of D, and D the largest value.
        range: The least and the largest value.
        interval: "jackknife" leaves out groups of rows, "pairs" has its own formula, and "none" says why in
            `no_interval`.
        biased: Whether it has a bias in N, so that the jackknife is valid only from N = 8 D on.
        blind_to: Collapses under which it keeps most of its healthy value; None where it does not measure collapse.
        expected: The value of perfect data by N and D.
        beside: The value to compare with, a function of the same arguments.
        follows: The value as a function of those of others, N and D, NaN without them: for a monitor row that lacks
            it, and so that a bias is corrected where the numbers are smooth.
        which: The numbers, worst first, of the rows, dimensions or classes (`which_are`) that it is about.
        rotates: Whether a rotation leaves it unchanged.
        scales: Whether it is in the unit of the rows.
        per_dim: Rows per dimension from which it is measured.
        way: How large a difference is large, where `collapsed` is a floor against infinity.
        of_pairs: Whether a copied row counts as a near pair.
    """

    name: str
    function: Callable[..., Any]
    title: str = ""
    conventions: str = ""
    group: Group | None = None
    _: KW_ONLY
    of: Of
    direction: Literal["high", "low", "none"] = "none"
    ideal: float | None = None
    collapsed: float | None = None
    times_dims: bool = False
    range: tuple[float, float] = (-math.inf, math.inf)
    interval: Literal["jackknife", "pairs", "none"] = "none"
    biased: bool = False
    no_interval: str = ""
    blind_to: frozenset[Collapse] | None = None
    expected: Callable[[int, int], float] | None = None
    beside: Callable[..., float] | None = None
    follows: Callable[[Mapping[str, float], int, int], float] | None = None
    which: Callable[..., torch.Tensor] | None = None
    which_are: Literal["rows", "dimensions", "classes"] | None = None
    rotates: bool = True
    scales: bool = False
    per_dim: float = 0.0
    way: float | None = None
    of_pairs: bool = False

    @property
    def grades(self) -> bool:
        """Whether it tells a collapse of rows from health, so that it must be ordered over graded collapses."""
        if self.of not in ("moments", "directions", "counts", "rows") or self.direction == "none":
            return False
        return None not in (self.blind_to, self.ideal, self.collapsed)

    @property
    def how(self) -> str:
        """The conventions, and why there is no interval."""
        return "; ".join(
            part for part in (self.conventions, self.no_interval and f"no interval: {self.no_interval}") if part
        )

    def healthy(self, dims: int) -> float | None:
        """The ideal value in `dims` dimensions."""
        return self.ideal * dims if self.ideal is not None and self.times_dims else self.ideal

    def most(self, dims: int) -> float:
        """The largest possible value in `dims` dimensions."""
        return dims if self.times_dims else self.range[1]

    def null(self, n: int, dims: int, *, seed: int = 0) -> float:
        """The value for n isotropic Gaussian rows, perfect data of this size: by formula, or the mean of draws."""
        if self.expected is not None:
            return self.expected(n, dims)
        generator = torch.Generator().manual_seed(seed)
        draws = [Cloud(torch.randn(n, dims, generator=generator, dtype=torch.float64)) for _ in range(_DRAWS)]
        return sum(float(self.function(draw)) for draw in draws) / _DRAWS


def rank_record(
    name: str,
    function: Callable[..., float],
    title: str,
    conventions: str,
    *,
    expected: Callable[[int, int], float],
    blind_to: frozenset[Collapse],
    ideal: float = 1.0,
    group: Group | None = "spectrum",
    interval: Literal["jackknife", "none"] = "jackknife",
    biased: bool = False,
) -> Measurement:
    """The record of a metric that counts directions: from 1 at total collapse to `ideal` x D."""
    return Measurement(
        *(name, function, title, conventions, group),
        of="moments",
        direction="high",
        ideal=ideal,
        collapsed=1.0,
        times_dims=True,
        range=(1.0, math.inf),
        interval=interval,
        biased=biased,
        blind_to=blind_to,
        expected=expected,
    )
