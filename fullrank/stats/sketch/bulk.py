"""Moments in groups, for more rows than are kept; the largest and the smallest rows stay apart from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.stats.moments import Moments, merge
from fullrank.stats.sketch.apart import HELD, Samples, extremes, norms_of
from fullrank.stats.sketch.few_rows import zero_rows
from fullrank.stats.sketch.memory import require_memory
from fullrank.stats.sketch.twins import RunningTwin, Twin, twin

_AT_ONCE, _ROWS = 2**23, 4096  # numbers in float64 at a time, but no fewer rows


@dataclass(frozen=True, eq=False)
class Bulk:
    """Moments in G groups of the rows as they are and at length 1, without those of the samples that are held apart."""

    groups: tuple[Twin, ...]
    held: Samples


def group_count(dims: int) -> int:
    """How many groups of moments there are, fewer where each costs a large matrix; it divides the 20 groups of samples.

    >>> group_count(256), group_count(768), group_count(2048)
    (20, 10, 5)
    """
    return 20 if dims <= 256 else 10 if dims <= 1024 else 5


def moments_bytes(dims: int) -> int:
    """Memory of all groups' moments."""
    return group_count(dims) * (dims + 1) * dims * 8


def units_of(rows: Tensor) -> Tensor:
    """Rows (n, D) at length 1, in float64; zeros stay zeros."""
    wide = rows.double()
    return wide.div(torch.linalg.vector_norm(wide, dim=-1, keepdim=True).clamp_min(1e-300))


class RunningBulk:
    """A `Bulk` that grows in place."""

    def __init__(self, views: int, dims: int, device: torch.device) -> None:
        require_memory(
            moments_bytes(dims),
            f"The moments of {dims:,} dimensions",
            "pass fewer dimensions, by PCA for example, or fewer rows than dimensions and at most 8,192, of which only "
            "products of rows are taken",
            device,
        )
        self._groups = group_count(dims)
        self._running = [RunningTwin(dims, device) for _ in range(self._groups)]
        nothing = torch.zeros(0, dtype=torch.int64)
        self._held = Samples(nothing, torch.zeros(0, views, dims, device=device), nothing)

    def add(self, some: Samples) -> None:
        """Add samples, none of which is zero."""
        views, dims = some.rows.shape[1:]
        step = max(_AT_ONCE // (views * dims), _ROWS // views, 1)
        most = (min(step, len(some.index)) + 2 * HELD) * views + 1
        room = torch.empty(most, dims, dtype=torch.float64, device=some.rows.device)  # new memory for each costs more
        for start in range(0, len(some.index), step):
            self._add(Samples(*(part[start : start + step] for part in vars(some).values())), room)

    def result(self) -> Bulk:
        """The moments of all samples, after the last."""
        return Bulk(tuple(one.result() for one in self._running), self._held)

    def _add(self, some: Samples, room: Tensor) -> None:
        lengths = torch.linalg.vector_norm(some.rows, dim=2, keepdim=True, dtype=torch.float64)
        flat = lengths[:, :, 0].cpu()
        own = norms_of(self._held.rows)
        high, low = torch.cat([own[0], flat.amax(1)]), torch.cat([own[1], flat.amin(1)])
        stays = extremes(high, low, torch.cat([self._held.index, some.index]))
        before = len(self._held.index)
        was, new = stays[:before], stays[before:]
        displaced = self._held.take(~was)
        self._held = self._held.take(was) + some.take(new) if bool(new.any()) else self._held
        group = (some.units % self._groups).masked_fill(new, self._groups)
        parts = group.argsort(stable=True).to(lengths.device).split(group.bincount(minlength=self._groups + 1).tolist())
        for number, which in enumerate(parts[: self._groups]):
            back = displaced.rows[(displaced.units % self._groups == number).to(which.device)].double().flatten(0, 1)
            rows = some.rows[which].flatten(0, 1).double()
            rows = torch.cat([rows, back]) if len(back) else rows
            norms = torch.cat([lengths[which].flatten(0, 1), torch.linalg.vector_norm(back, dim=1, keepdim=True)])
            running = self._running[number]
            running.raw.add(rows, room)
            running.unit.add(rows.div_(norms.clamp_min_(1e-300)), room)


def merge_bulks(a: Bulk, b: Bulk) -> Bulk:
    """The moments of the samples of both."""
    both = a.held + b.held
    stays = extremes(*norms_of(both.rows), both.index)
    displaced = both.take(~stays)
    count = len(a.groups)
    groups = (
        twin(*(_merged(x, y, displaced, number, count, at_length_one=one) for one in (False, True)))
        for number, (x, y) in enumerate(zip(a.groups, b.groups, strict=True))
    )
    return Bulk(tuple(groups), both.take(stays))


def _merged(x: Twin, y: Twin, more: Samples, number: int, count: int, *, at_length_one: bool) -> Moments:
    both = merge(x.open(at_length_one=at_length_one), y.open(at_length_one=at_length_one), in_place=True)
    return with_samples(both, more, number, count, at_length_one=at_length_one)


def with_samples(group: Moments, some: Samples, number: int, groups: int, *, at_length_one: bool) -> Moments:
    """The moments of group `number`, which are of no use afterwards, with those of the samples that belong to it."""
    rows = some.rows[(some.units % groups == number).to(some.rows.device)].flatten(0, 1).to(group.mean.device)
    return group.add(units_of(rows) if at_length_one else rows, in_place=True)


def with_zeros(group: Moments, count: int) -> Moments:
    """The moments of a group, which are of no use afterwards, with `count` zero vectors."""
    return merge(group, zero_rows(count, group), in_place=True) if count else group
