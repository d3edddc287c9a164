"""What one pass over embeddings keeps: moments in groups, a sample, hashes and single rows, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import torch
from numpy.typing import NDArray
from torch import Tensor

from fullrank.runs import write_npz
from fullrank.stats import Distinct, Moments, Reservoir, distinct_rows, merge, merge_distinct, merge_samples
from fullrank.stats.sketch.apart import Outliers, Samples, left_out, norms_of, own_spread
from fullrank.stats.sketch.bulk import Bulk, group_count, moments_bytes, with_samples, with_zeros
from fullrank.stats.sketch.few_rows import in_few_axes, row_groups, turn
from fullrank.stats.sketch.memory import require_memory
from fullrank.stats.sketch.twins import Twin
from fullrank.stats.sketch.zeros import GROUPS, Zeros

VERSION = 3  # of the file; those of version 0.1.0 of FullRank say none
VECTORS = ("mean", "cubic", "quartic")  # of moments, beside their scatter


@dataclass(frozen=True, eq=False)
class Sketch:
    """Moments of V views of N samples with D features, of the rows as they are and at length 1, in G groups.

    A sample is left out as a whole if it is zero, or if one of its views is exploded or near-empty by the rule of
    `apart.outlying`; only `zero_index`, `heavy` and `light` tell of it. Where half of the samples are zero they are the
    data, and stay. The views of a sample are always in the same group, so that leaving out a group leaves out whole
    samples. The sample holds whole samples too: rows (k, V, D) and their numbers, and sample_units (k,) says which were
    sampled together, sample_groups (k,) in which of 20 groups each is. `distinct` counts how many samples differ in
    their first view: equal images that were augmented at random differ in every view, and a text may go with many
    images.
    """

    drawn: Reservoir  # of the samples that are not zero
    drawn_units: Tensor
    bulk: Bulk | None  # None while `drawn` holds all of them, and they are fewer rows than dimensions
    zeros: Zeros
    hashes: Distinct  # of the samples that are not zero
    met: Tensor | None = None  # which units (U,) have samples that are not zero, by number, where units were given
    memo: dict[object, object] = field(default_factory=dict, repr=False)  # what was computed of it once

    @property
    def n(self) -> int:
        """Number of rows: samples times views, without those left out."""
        return (self.hashes.n + self.zeros.n - self.left_out) * self.drawn.rows.shape[1]

    @property
    def left_out(self) -> int:
        """Number of samples that were left out because they are zero, exploded or near-empty."""
        zeros = 0 if self.zeros_stay else self.zeros.n
        return zeros + sum(len(positions) for positions in self._outlying)

    @property
    def zeros_stay(self) -> bool:
        """Whether zero samples are in the moments and the sample: they are half of all samples, or of version 0.1.0."""
        return self.zeros.inside > 0 or (self.zeros.n > 0 and 2 * self.zeros.n >= self.zeros.n + self.hashes.n)

    @property
    def directed(self) -> bool:
        """Whether every row in the moments has a direction: none is zero."""
        unit = self.total_unit
        return unit.n * (1 - float(unit.variance.sum() + unit.center.square().sum())) < 0.5

    @property
    def zero_rows(self) -> int:
        """Number of zero samples."""
        return self.zeros.n + self.zeros.inside

    @property
    def zero_index(self) -> Tensor:
        """The first 20 numbers of zero samples."""
        return self.zeros.first

    @cached_property
    def heavy(self) -> Outliers:
        """The exploded samples that were left out, the largest first, by the largest norm of their views."""
        return self._outliers(0)

    @cached_property
    def light(self) -> Outliers:
        """The near-empty samples that were left out, the smallest first, by the smallest norm of their views."""
        return self._outliers(1)

    @property
    def raw(self) -> Sequence[Moments]:
        """Moments of the rows, in groups."""
        return _Groups(self._twins, self._beside, self._zero_counts, at_length_one=False)

    @property
    def unit(self) -> Sequence[Moments]:
        """Moments of the rows at length 1, in the same groups."""
        return _Groups(self._twins, self._beside, self._zero_counts, at_length_one=True)

    @property
    def groups(self) -> int:
        """How many of the groups have rows."""
        own = torch.tensor([group.n for group in self._twins])
        more = _by_group((self._beside.units % GROUPS).bincount(minlength=GROUPS) + self._zero_counts, len(own))
        return int((own + torch.tensor(more) > 0).sum())

    @cached_property
    def total(self) -> Moments:
        """Moments of all rows."""
        return self._whole(at_length_one=False)

    @cached_property
    def total_unit(self) -> Moments:
        """Moments of all rows at length 1."""
        return self._whole(at_length_one=True)

    def _whole(self, *, at_length_one: bool) -> Moments:
        """All groups as one, with what these lack."""
        first, *others = self._twins
        whole, room = first.open(at_length_one=at_length_one), torch.empty_like(first.triangles[1:])
        for one in others:
            whole = merge(whole, one.open(at_length_one=at_length_one, room=room), in_place=True)
        del room
        whole = with_samples(whole, self._beside, 0, 1, at_length_one=at_length_one)
        return with_zeros(whole, int(self._zero_counts.sum()))

    @property
    def sample(self) -> Reservoir:
        """The samples for metrics of pairs."""
        return self._sampled[0]

    @property
    def sample_units(self) -> Tensor:
        """The unit (k,) of each sample, of its own where none were given."""
        return self._sampled[1]

    @property
    def units(self) -> int | None:
        """How many units the samples are of; None where each is its own."""
        if self.met is None:  # none were given, or only the sample's are known
            count, samples = len(self.sample_units.unique()), len(self.sample_units)
        else:
            zeros = self.zeros.n * self.zeros_stay
            count = int(self.met.sum()) + int((~self.met[self.zeros.drawn.rows[:zeros].unique()]).sum())
            samples = self.hashes.n + zeros
        return count if count < samples else None

    @property
    def sample_groups(self) -> Tensor:
        """The group (k,), of 20, of each sample."""
        return self.sample_units % GROUPS

    @cached_property
    def distinct(self) -> Distinct:
        """The hashes of all samples except the zeros that were left out."""
        if not self.zeros_stay or not self.zeros.n:
            return self.hashes
        nothing = torch.zeros(1, self.drawn.rows.shape[2])
        of_zeros = distinct_rows(nothing, size=self.hashes.size, seed=self.hashes.seed, times=self.zeros.n)
        return merge_distinct(self.hashes, of_zeros)

    @property
    def all_drawn(self) -> Samples:
        """The sample with those that were left out, except zeros."""
        return Samples(self.drawn.index, self.drawn.rows, self.drawn_units)

    @property
    def _held(self) -> Samples:
        return self.all_drawn if self.bulk is None else self.bulk.held

    @cached_property
    def _outlying(self) -> tuple[Tensor, Tensor]:
        return left_out(self._held, self.drawn.rows, self.hashes.n)

    @cached_property
    def _stays(self) -> Samples:
        return self._held.take(_all_but(len(self._held.index), torch.cat(self._outlying)))

    @property
    def _zero_counts(self) -> Tensor:
        """Number of zero vectors (20,) that stay, by group."""
        return self.zeros.counts * self.drawn.rows.shape[1] * self.zeros_stay

    @property
    def _twins(self) -> tuple[Twin, ...]:
        return self._few if self.bulk is None else self.bulk.groups

    @property
    def _beside(self) -> Samples:
        """The samples that stay and are not among the moments in groups."""
        return self._stays.take(torch.zeros(0, dtype=torch.int64)) if self.bulk is None else self._stays

    @cached_property
    def _few(self) -> tuple[Twin, ...]:
        """Moments in groups, for fewer rows than dimensions, without zero vectors."""
        some, (views, dims) = self._stays, self.drawn.rows.shape[1:]
        axes = len(some.index) * views + 1
        count = group_count(axes)
        require_memory(
            moments_bytes(axes) + 3 * 8 * axes * dims, f"The moments of {axes - 1:,} rows", "pass fewer rows"
        )
        group = (some.units % count).repeat_interleave(views)
        return row_groups(some.rows.flatten(0, 1), group, count, self._turned)

    @cached_property
    def _turned(self) -> tuple[Tensor, Tensor]:
        return turn(self._stays.rows.detach().flatten(0, 1))

    def first_views(self, which: Tensor) -> Tensor:
        """First views (k, K) of the samples at these positions, in float64; in few axes where they are fewer than D."""
        if self.bulk is None and not self._zero_counts.any():
            about, mean = self._turned
            return about[which * self.drawn.rows.shape[1]] + mean
        return in_few_axes(self.sample.rows[:, 0][which.to(self.drawn.rows.device)])

    @cached_property
    def _sampled(self) -> tuple[Reservoir, Tensor]:
        gone = self._held.index[torch.cat(self._outlying)]
        drawn, units = self.drawn, self.drawn_units
        if len(gone):
            stays = ~torch.isin(drawn.index, gone)
            rows = drawn.rows[stays.to(drawn.rows.device)]
            drawn, units = replace(drawn, index=drawn.index[stays], rows=rows), units[stays]
        if not (self.zeros_stay and self.zeros.n):
            return drawn, units
        zeros = self.zeros.drawn
        nothing = drawn.rows.new_zeros(1, *drawn.rows.shape[1:]).expand(len(zeros.index), -1, -1)
        both = merge_samples(replace(drawn, rows=units), zeros).rows
        return merge_samples(drawn, replace(zeros, rows=nothing)), both

    def _outliers(self, end: int) -> Outliers:
        apart = [self._held.take(which) for which in self._outlying]
        energy = [some.rows.double().square().sum((1, 2)).cpu() for some in apart]
        whole = self.total
        rest = whole.n * float(whole.variance.sum() + whole.center.square().sum())
        every = max(rest + float(torch.cat(energy).sum()), torch.finfo(torch.float64).tiny)
        spread = (whole.n * float(whole.variance.sum()) / rest) ** 0.5 if rest > 0 else 0.0
        own, some = apart[end], own_spread(apart[end].rows.flatten(0, 1), spread)
        return Outliers(own.index, norms_of(own.rows)[end], energy[end] / every, some)

    def save(self, path: Path) -> None:
        """Write the sketch to an .npz file."""
        zeros, drawn, hashes = self.zeros, self.drawn, self.hashes
        arrays = {"index": drawn.index, "rows": drawn.rows.cpu(), "groups": self.drawn_units}
        arrays |= {"zero_counts": zeros.counts, "zero_first": zeros.first}
        arrays |= {"zero_index": zeros.drawn.index, "zero_groups": zeros.drawn.rows, "version": torch.tensor(VERSION)}
        if self.bulk is not None:
            held = self.bulk.held
            arrays |= {"held_index": held.index, "held_rows": held.rows.cpu(), "held_groups": held.units}
            groups = self.bulk.groups
            arrays["counts"] = torch.tensor([group.n for group in groups])
            arrays["triangles"] = torch.stack([group.triangles for group in groups]).cpu()
            for kind in ("raw", "unit"):
                for at, part in enumerate(VECTORS):
                    arrays[f"{kind}_{part}"] = torch.stack([getattr(group, kind)[at] for group in groups]).cpu()
        arrays["numbers"] = torch.tensor([drawn.size, drawn.seed, hashes.n, hashes.size, hashes.seed, zeros.inside])
        arrays |= {} if self.met is None else {"met": self.met}
        arrays |= {} if hashes.counts is None else {"hash_counts": torch.from_numpy(hashes.counts)}
        write_npz(path, {name: _array(x) for name, x in arrays.items()} | {"hashes": hashes.hashes})


class _Groups(Sequence[Moments]):
    """Moments with the held samples and the zeros that stay, put together when they are asked for."""

    def __init__(self, bulk: Sequence[Twin], stays: Samples, zeros: Tensor, *, at_length_one: bool) -> None:
        self._bulk, self._stays, self._zeros = bulk, stays, _by_group(zeros, len(bulk))
        self._at_length_one = at_length_one

    def __len__(self) -> int:
        return len(self._bulk)

    @overload
    def __getitem__(self, which: int) -> Moments: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Moments]: ...
    def __getitem__(self, which: int | slice) -> Moments | Sequence[Moments]:
        if isinstance(which, slice):
            return [self[number] for number in range(*which.indices(len(self)))]
        number = range(len(self))[which]
        whole = self._bulk[number].open(at_length_one=self._at_length_one)
        whole = with_samples(whole, self._stays, number, len(self), at_length_one=self._at_length_one)
        return with_zeros(whole, self._zeros[number])


def _by_group(counts: Tensor, groups: int) -> list[int]:
    """Sums (groups,) of counts that are in 20 groups."""
    total = torch.zeros(groups, dtype=torch.int64)
    return total.index_add_(0, torch.arange(len(counts)) % groups, counts).tolist()


def _all_but(count: int, which: Tensor) -> Tensor:
    mask = torch.ones(count, dtype=torch.bool)
    mask[which] = False
    return mask


def _array(x: Tensor) -> NDArray[Any]:
    """As numpy, which has no bfloat16: float32 takes its place, as it holds each of its values."""
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy()
