"""Weng et al. 2024, without training: how far T Newton steps whiten, and where the published order goes wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean

import torch
from torch import Tensor

from fullrank.losses import intl
from fullrank.papers.intl.collapse import newton_eigenvalue, trace_floor
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import EXACT, Part
from fullrank.stats import newton

SIZES = (8, 16, 32, 64, 128, 256)  # of the covariance that is whitened
STEPS = (1, 2, 3, 4, 5, 7, 9)
_USUAL = 4  # Newton steps in the authors' code
_WHITE = 0.9  # of unit variance: above, an embedding counts as whitened. Ours


def isotropic(size: int, seed: int) -> Tensor:
    """(2 size, size) rows of mean 0 whose covariance is a multiple of I, in a random basis, float64."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(2 * size + 1, size, generator=generator, dtype=torch.float64)
    basis: Tensor = torch.linalg.qr(z - z.mean(0)).Q
    return basis


def steps_needed(size: int, share: float = 0.99) -> int:
    """Newton steps until equal eigenvalues 1 / size have this share of unit variance, by the closed form.

    >>> [steps_needed(size) for size in (2, 8, 64, 256, 2048)]
    [3, 5, 8, 9, 12]
    """
    return next(steps for steps in range(100) if newton_eigenvalue(1 / size, steps) >= share)


def output_variance(settings: Settings, sizes: Sequence[int] = SIZES) -> Outcome:
    """Whiten embeddings whose eigenvalues are equal, the best case, and random ones, by T steps."""
    variance: dict[tuple[int, int], list[float]] = {}
    trace: dict[int, list[float]] = {}
    for done, size in enumerate(sizes, 1):
        best = [isotropic(size, seed) for seed in settings.each_seed]
        for steps in STEPS:
            variance[size, steps] = [float(newton(z, steps, axis="batch").var(0).mean()) for z in best]
        drawn = [_gaussian(8 * size, size, seed) for seed in settings.each_seed]
        trace[size] = [float(intl(torch.stack([z, z]), axis="batch")["trace"]) / 2 for z in drawn]
        settings.progress(done / len(sizes))
    above = [[value - trace_floor(size, _USUAL) for value in trace[size]] for size in sizes]
    means = ", ".join(f"{mean(variance[size, _USUAL]):.3f} of {size}" for size in sizes)
    last = sizes[-1]
    return Outcome(
        measured=f"After {_USUAL} steps equal eigenvalues have the variance {means} dimensions, not 1; 99 % at {last} "
        f"take {steps_needed(last)}. The trace loss of random embeddings is "
        f"{'never' if min(map(min, above)) > 0 else 'in places'} below its floor: {mean(trace[last]):.1f} for "
        f"{trace_floor(last, _USUAL):.1f} at {last}.",
        panels=(_variances(variance, sizes), _needed(sizes), _traces(trace)),
        rows=tuple(
            {"d": size, **{f"T = {steps}": mean(variance[size, steps]) for steps in STEPS}, "T for 99 %": needed}
            for size in sizes
            for needed in [float(steps_needed(size))]
        ),
    )


def _gaussian(n: int, size: int, seed: int) -> Tensor:
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _variances(variance: dict[tuple[int, int], list[float]], sizes: Sequence[int]) -> Panel:
    series: list[Series] = []
    x = tuple(map(float, sizes))
    for steps in STEPS:
        y, exact = (
            tuple(mean(variance[size, steps]) for size in sizes),
            [newton_eigenvalue(1 / d, steps) for d in sizes],
        )
        series.append(Series(label=f"T = {steps}", x=x, y=y, style="points"))
        series.append(Series(label="closed form", x=x, y=tuple(exact), style="expected"))
    return Panel(
        title="Variance where all eigenvalues are equal",
        x_label="size d of the covariance",
        y_label="variance after whitening (no unit)",
        series=tuple(series),
        log_x=True,
    )


def _needed(sizes: Sequence[int]) -> Panel:
    """Steps to 99 % by running the iteration, and those that its closed form says."""
    measured = []
    for size in sizes:
        z = isotropic(size, 0)
        measured.append(next(t for t in range(1, 30) if float(newton(z, t, axis="batch").var(0).min()) >= 0.99))
    x = tuple(map(float, sizes))
    return Panel(
        title="Newton steps to 99 % of unit variance",
        x_label="size d of the covariance",
        y_label="steps T",
        series=(
            Series(label="measured", x=x, y=tuple(map(float, measured)), style="points"),
            Series(label="closed form", x=x, y=tuple(float(steps_needed(d)) for d in sizes), style="expected"),
            Series(label="the authors' T", x=(x[0], x[-1]), y=(_USUAL, _USUAL)),
        ),
        log_x=True,
    )


def _traces(trace: dict[int, list[float]]) -> Panel:
    x = tuple(map(float, trace))
    return Panel(
        title=f"Trace loss of random embeddings, T = {_USUAL}",
        x_label="size d of the covariance",
        y_label="trace loss of a view (no unit)",
        series=(
            Series(label="N(0, I), 8 d rows", x=x, y=tuple(map(mean, trace.values())), style="points"),
            Series(label="floor", x=x, y=tuple(trace_floor(d, _USUAL) for d in trace), style="expected"),
        ),
        log_x=True,
        log_y=True,
    )


CONDITIONS = (2.0, 10.0, 100.0, 1000.0)
_LONGEST = 20
_CUT = 1e6  # of errors
_WIDTH = 16


def published_newton(covariance: Tensor, iterations: int) -> Tensor:
    """The whitening matrix (K, K) by the published order P <- (3 P - P^3 S) / 2, S the covariance over its trace."""
    trace = covariance.trace()
    shares = covariance / trace
    p = torch.eye(len(shares), dtype=shares.dtype)
    for _ in range(iterations):
        p = 1.5 * p - 0.5 * p @ p @ p @ shares
    whitening: Tensor = p / trace.sqrt()
    return whitening


def conditioned(condition: float, seed: int) -> Tensor:
    """(4 K, K) rows of mean 0 and of a covariance with this condition number, in a random basis."""
    rows = isotropic(2 * _WIDTH, seed)[:, :_WIDTH]
    generator = torch.Generator().manual_seed(seed + 1000)
    basis = torch.linalg.qr(torch.randn(_WIDTH, _WIDTH, generator=generator, dtype=torch.float64)).Q
    roots = torch.logspace(0, -math.log10(condition) / 2, _WIDTH, dtype=torch.float64)
    rotated: Tensor = (rows * roots) @ basis
    return rotated


def newton_order(settings: Settings) -> Outcome:
    """Whiten ill-conditioned embeddings by the published order of the products, and by one that stays stable."""
    found: dict[str, dict[float, list[list[float]]]] = {"published": {}, "stable": {}}
    for done, condition in enumerate(CONDITIONS, 1):
        for errors in found.values():
            errors[condition] = []
        for seed in settings.each_seed:
            z = conditioned(condition, seed).float()
            published, stable = zip(*(_errors(z, steps) for steps in range(1, _LONGEST + 1)), strict=True)
            found["published"][condition].append(list(published))
            found["stable"][condition].append(list(stable))
        settings.progress(done / len(CONDITIONS))
    ends = {name: {c: [line[-1] for line in lines] for c, lines in errors.items()} for name, errors in found.items()}
    usual = [
        abs(a[_USUAL - 1] - b[_USUAL - 1])
        for c in CONDITIONS
        for a, b in zip(*(found[n][c] for n in found), strict=True)
    ]
    words = [f"{name} {', '.join(f'{_short(mean(ends[name][c]))} at {c:g}' for c in CONDITIONS)}" for name in found]
    return Outcome(
        measured=f"Distance of the covariance from I after {_LONGEST} steps in float32, by condition number: "
        f"{'; '.join(words)} ({settings.averaged}). After the authors' {_USUAL} steps they differ by at "
        f"most {max(usual):.0e}.",
        panels=tuple(_error_panel(name, found[name]) for name in found),
        rows=tuple(
            {"order": name, "condition": c, "seed": seed, **{f"T = {t}": line[t - 1] for t in (4, 8, 12, 16, 20)}}
            for name, errors in found.items()
            for c, lines in errors.items()
            for seed, line in enumerate(lines)
        ),
    )


def _errors(z: Tensor, steps: int) -> tuple[float, float]:
    """Spectral distance of the whitened covariance from I: by the published order of products, and by ours."""
    x = z - z.mean(0)
    published = x @ published_newton(x.T @ x / (len(x) - 1), steps)
    return distance_from_white(published), distance_from_white(newton(z, steps, axis="batch"))


def distance_from_white(z: Tensor) -> float:
    """Largest |eigenvalue| of the covariance of z (N, K) minus I, at most 1e6, which also stands for overflow."""
    difference = z.double().T.cov() - torch.eye(z.shape[1])
    return min(float(torch.linalg.matrix_norm(difference, ord=2)), _CUT) if difference.isfinite().all() else _CUT


def _error_panel(name: str, errors: dict[float, list[list[float]]]) -> Panel:
    x = tuple(float(steps) for steps in range(1, _LONGEST + 1))
    series: list[Series] = []
    for condition, lines in errors.items():
        y = tuple(mean(values) for values in zip(*lines, strict=True))
        series.append(Series(label=f"condition {condition:g}", x=x, y=y))
        roots = torch.logspace(0, -math.log10(condition), _WIDTH, dtype=torch.float64)
        share = float(roots.min() / roots.sum())
        exact = tuple(max(1 - newton_eigenvalue(share, int(steps)), 1e-8) for steps in x)
        series.append(Series(label="closed form", x=x, y=exact, style="expected"))
    return Panel(
        title=f"Newton, {name} order of products",
        x_label="steps T",
        y_label="spectral norm of covariance − I (cut at 1e6)",
        series=tuple(series),
        log_y=True,
    )


def _short(value: float) -> str:
    return f"{value:.0e}" if value < _CUT else "over 1e6"


def _whitened(size: int) -> Part:
    return Part(
        says=f"after T = {_USUAL} steps {size} equal eigenvalues have {_WHITE:g} of unit variance",
        effect=lambda table: [value - _WHITE for value in table.of(f"T = {_USUAL}", size)],
        margin=EXACT,
        source="ours",
        kind="exact",
    )


def _converged(order: str, condition: float) -> Part:
    return Part(
        says=f"{order} order, condition {condition:g}: after {_LONGEST} steps the covariance is within 0.01 of I",
        effect=lambda table: [1e-2 - error for error in table.of(f"T = {_LONGEST}", order, condition)],
        margin=EXACT,
        source="ours",
        kind="exact",
    )


OUTPUT_VARIANCE = Experiment(
    name="intl/output-variance",
    paper="Weng et al. 2024, the authors' code (T = 4)",
    title="How far T Newton steps whiten d dimensions",
    claim="A few Newton steps approximate whitening, which gives every dimension unit variance.",
    minutes=0.065,
    run=output_variance,
    parts=tuple(_whitened(size) for size in (256, *SIZES[:-1])),
)

NEWTON_ORDER = Experiment(
    name="intl/condition",
    paper="Weng et al. 2024, the authors' code",
    title="More Newton steps, in two orders of the products",
    claim="With more steps Newton's iteration comes closer to whitening.",
    minutes=0.011,
    run=newton_order,
    parts=(
        _converged("published", 100.0),
        *(_converged("published", condition) for condition in (2.0, 10.0, 1000.0)),
        *(_converged("stable", condition) for condition in CONDITIONS),
    ),
)
