"""`fullrank.diagnose`: from embeddings, or a sketch of them, to a report."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral

from torch import Tensor

from fullrank.diagnosis.judge import judge
from fullrank.diagnosis.known import NOTHING, Known, known_of
from fullrank.diagnosis.loss_plateau import SETTINGS, LossValue
from fullrank.diagnosis.profiles import find_profile
from fullrank.diagnosis.report import Report
from fullrank.embeddings.arrays import as_views, chunked, codes, require_classes
from fullrank.errors import UserError
from fullrank.metrics.measure import measure
from fullrank.metrics.rank import effective_rank
from fullrank.metrics.spread import relative_spread
from fullrank.stats.sketch import Sketch, sketch

_POINT = 1e-5  # relative spread below which float32's rounding is a part of what varies


def diagnose(
    z: object,
    *,
    views: object = None,
    labels: object = None,
    groups: object = None,
    before: object = None,
    profile: str = "generic",
    where: str = "embeddings",
    source: str = "array",
    seed: int = 0,
    loss: tuple[str, float] | None = None,
    batch_size: int | None = None,
    local_batch: int | None = None,
    prototypes: int | None = None,
    margin: float | None = None,
) -> Report:
    """Diagnose embeddings: are they collapsed, of which kind, how sure is that, why, and what can be done?

    Args:
        z: Embeddings (N, D), or V views of N samples (V, N, D); numpy, torch on any device, or anything with DLPack or
            __array__.
        views: How many views z (N, D) holds one after the other, or another view (N, D), or several of them. With
            profile "clip" two views are two modalities, and the gap between them is measured.
        labels: Classes (N,), whole numbers or names.
        groups: What was sampled together (N,) (the donor of a cell, the track of a clip), so that the intervals are
            honest: the participation ratio is that of rows of different groups, and other ranks, which read low while
            groups are few, have no interval below 8 groups a dimension.
        before: Embeddings (N, D0) of the same inputs by the network before training, or the inputs themselves, which
            vary in several dimensions: a low rank that they have as well is the data's.
        profile: What made the embeddings, from `fullrank.diagnosis.profiles.PROFILES`; it decides what may fail.
        where: The layer, for the report.
        source: The name of the embeddings, for the report.
        loss: Name and value of the loss, such as ("infonce", 5.545), to see whether it stands at that of a collapse.
        batch_size, local_batch, prototypes, margin: What the value of a collapse needs of the loss; local_batch is
            the share of the batch that one process has, of a loss with negatives.
        seed: Decides every random draw.

    Returns:
        The report: `verdict`, `kind`, `sentence`, `findings` with causes and remedies, and every measurement.

    Raises:
        UserError: Anything else was passed, labels hold no class of several rows, the embeddings have NaN, or those
            from before training are one point, one dimension or hold an index.

    >>> import torch, fullrank
    >>> z = torch.randn(500, 32, generator=torch.Generator().manual_seed(0))
    >>> report = fullrank.diagnose(z)
    >>> report.verdict, fullrank.diagnose(100 + 0.01 * z).kind
    ('healthy', 'complete')
    """
    if not isinstance(seed, Integral):
        raise UserError(f"seed is {seed!r}: pass a whole number.")
    x = as_views(z, views)
    units = None if groups is None else codes(groups, x.shape[1], "groups")
    named = None if labels is None else codes(labels, x.shape[1], "labels")
    if named is not None:
        require_classes(named, "The array of labels", "labels=")
    known = NOTHING
    if loss is not None:
        if not (isinstance(loss, tuple | list) and len(loss) == 2):
            raise UserError(f"loss is {loss!r}: pass its name and value, as in loss=('infonce', 5.545).")
        name, value = loss
        value = value.item() if getattr(value, "ndim", None) == 0 else value  # of torch, NumPy or JAX
        known = known_of(LossValue(name, value, batch_size, local_batch, prototypes, margin, x.shape[2]))
    elif any(setting is not None for setting in (batch_size, local_batch, prototypes, margin)):
        raise UserError(f"{', '.join(SETTINGS)} are those of a loss: pass its name and value too, as loss=.")
    found = sketch(chunked(x), n=x.shape[1], units=units, seed=seed)
    earlier = None if before is None else sketch(chunked(as_views(before, None)), seed=seed)
    return diagnose_sketch(
        *(found, earlier), labels=named, profile=profile, where=where, source=source, seed=seed, known=known
    )


_ROWS_OF_INDEX = 32  # fewer may rise by chance


def diagnose_sketch(
    found: Sketch,
    before: Sketch | None = None,
    *,
    labels: Tensor | None = None,
    profile: str = "generic",
    where: str = "embeddings",
    source: str = "sketch",
    read_as: str = "",
    seed: int = 0,
    known: Known = NOTHING,
) -> Report:
    """`diagnose` of a sketch, such as of a file that was read in chunks; labels are codes (N,) of all samples.

    before: a sketch of the same samples before training, one view of them.
    read_as: a sentence about what was read, for the report. A dimension that counts the rows raises a UserError.
    """
    objective = find_profile(profile)
    _refuse_index(found, source)
    views, dims = found.sample.rows.shape[1:]
    n = found.n // views
    if before is not None:
        known, compared = _since(before, found, known)
        read_as = f"{read_as} {compared}".strip()
    measurements = measure(found, labels=labels, modalities=profile == "clip" and views == 2, seed=seed)
    seen = judge(measurements, objective, n=n, dims=dims, known=known)
    return Report(
        verdict=seen.state,
        kind=seen.kind,
        sentence=seen.sentence,
        findings=seen.findings,
        silenced=seen.silenced,
        unasked=seen.unasked,
        measurements=measurements,
        source=source,
        read_as=read_as,
        where=where,
        profile=profile,
        n=n,
        dims=dims,
        views=views,
        left_out=found.left_out,
        sketch=found,
        labels=labels,
        seed=seed,
    )


def _since(before: Sketch, found: Sketch, known: Known) -> tuple[Known, str]:
    """What is known with the rank since before training, and a sentence about it; a UserError for other rows, and for
    one point or one dimension, which have no rank that could fall.
    """
    of_before, now = (one.n // one.sample.rows.shape[1] + one.left_out for one in (before, found))
    if of_before != now:
        raise UserError(
            f"There are {of_before:,} rows from before training and {now:,} after it: pass those of the same inputs."
        )
    _refuse_index(before, "the rows from before training")
    rank, dims = effective_rank(before.total), before.sample.rows.shape[2]
    if dims == 1 or relative_spread(before.total) < _POINT:
        have = "have one dimension" if dims == 1 else "are one point"
        raise UserError(f"The rows from before training {have}, so that there is no rank to compare: leave them out.")
    told = f"Before training they had {dims:,} dimensions, of effective rank {rank:.3g}."
    return replace(known, numbers={**known.numbers, "rank_since_start": effective_rank(found.total) / rank}), told


def _refuse_index(found: Sketch, source: str) -> None:
    """Raise a UserError if a dimension holds whole numbers that rise with every row, as an index does."""
    rows = found.sample.rows[:, 0]
    if len(rows) < _ROWS_OF_INDEX:
        return
    first = rows[:_ROWS_OF_INDEX]  # which hardly any column of embeddings passes
    rising = (first[1:] > first[:-1]).all(0).nonzero()[:, 0]
    for dimension in rising.tolist():
        column = rows[:, dimension]
        if bool((column[1:] > column[:-1]).all() and (column == column.round()).all()):
            raise UserError(
                f"Dimension {dimension} of {source} holds whole numbers that rise with every row, from "
                f"{float(column[0]):,.0f} to {float(column[-1]):,.0f}, so it is an index and not a dimension: "
                f"leave it out, as with np.delete(z, {dimension}, axis=1)."
            )
