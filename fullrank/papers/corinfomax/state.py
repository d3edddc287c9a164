"""Ozsoy et al. 2022, without an encoder: the forgetting factor, and the mutual information that is approximated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import mean

import torch
from torch import Tensor

from fullrank.losses import CorInfoMax, log_determinant_mutual_information
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import EXACT, Margin, Part, Table
from fullrank.stats import moments, normalize

WIDTH = 16
MEMORIES = (0.0, 0.01, 0.1, 0.5, 0.9)
_OFFICIAL = 0.01  # the authors' factor for CIFAR and ImageNet-100
_BATCH = 256
Line = tuple[float, ...]


def forgetting(settings: Settings, steps: int | None = None) -> Outcome:
    """Feed batches of one distribution to the running covariance, and look at its error and at its gradient."""
    count = steps or (1000 if settings.full else 200)
    error: dict[float, list[float]] = {}
    push: dict[float, list[float]] = {}
    for done, memory in enumerate(MEMORIES, 1):
        runs = [_run(memory, seed, count) for seed in settings.each_seed]
        error[memory], push[memory] = [run[0] for run in runs], [run[1] for run in runs]
        settings.progress(done / len(MEMORIES))
    ratio, kept = (
        {memory: [a / b for a, b in zip(values, found[0.0], strict=True)] for memory, values in found.items()}
        for found in (error, push)
    )
    means = ", ".join(f"{memory:g}: {mean(ratio[memory]):.2f} and {mean(kept[memory]):.2f}" for memory in MEMORIES[1:])
    return Outcome(
        measured=f"Error of the running covariance, and gradient of the log-determinant, as a share of those of single "
        f"batches, by the factor: {means} ({_OFFICIAL:g} is the authors' for CIFAR and ImageNet-100; means of "
        f"{settings.seeds} seeds, {_BATCH} samples in {WIDTH} dimensions).",
        panels=(
            _by_memory(
                "Noise of the covariance", "error, as a share of one batch's", ratio, noise, "√((1 − λ) / (1 + λ))"
            ),
            _by_memory(
                "Gradient of the log-determinant",
                "as a share of that at factor 0",
                kept,
                lambda m: 1 - m,
                "1 − λ, of one covariance",
            ),
            _memory_of_the_start(),
        ),
        rows=tuple(
            {"factor": memory, "seed": seed, "error": error[memory][seed], "gradient": push[memory][seed]}
            for memory in MEMORIES
            for seed in range(settings.seeds)
        ),
    )


def noise(memory: float) -> float:
    """Standard deviation of a running mean of independent batches, as a share of that of one.

    >>> noise(0.0), round(noise(0.01), 2), round(noise(0.9), 2)
    (1.0, 0.99, 0.23)
    """
    return math.sqrt((1 - memory) / (1 + memory))


def drawn(n: int, generator: torch.Generator) -> Tensor:
    """Two views (2, N, D) of unit rows that spread more in some dimensions than in others."""
    width = torch.logspace(0, -0.5, WIDTH, dtype=torch.float64)
    return normalize(width * torch.randn(2, n, WIDTH, generator=generator, dtype=torch.float64))


def _run(memory: float, seed: int, steps: int) -> tuple[float, float]:
    """Root mean square error of the covariances after the first quarter; mean norm of the gradient."""
    generator = torch.Generator().manual_seed(seed)
    true = moments(drawn(50_000, generator)[0]).covariance
    loss = CorInfoMax(WIDTH, covariance_memory=memory, mean_memory=memory)
    squares, norms = [], []
    for _ in range(steps):
        z = drawn(_BATCH, generator).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(z)["log_determinant"], z)
        squares.append(float((loss.covariance - true).square().sum()))
        norms.append(float(gradient.norm()))
    late = steps // 4
    return math.sqrt(mean(squares[late:])), mean(norms[late:])


def _by_memory(
    title: str, y_label: str, found: Mapping[float, Sequence[float]], form: Callable[[float], float], label: str
) -> Panel:
    grid = tuple(at / 50 for at in range(48))
    points = [(memory, value) for memory, values in found.items() for value in values]
    return Panel(
        title=title,
        x_label="forgetting factor λ (weight of the past)",
        y_label=y_label,
        series=(
            Series(label="seeds", x=tuple(x for x, _ in points), y=tuple(y for _, y in points), style="points"),
            Series(label=label, x=grid, y=tuple(map(form, grid)), style="expected"),
        ),
    )


def _memory_of_the_start(steps: int = 20) -> Panel:
    """The same batch at every step: what is left of the start shrinks by the factor each time."""
    z = drawn(_BATCH, torch.Generator().manual_seed(0))
    once = CorInfoMax(WIDTH, covariance_memory=0.0, mean_memory=0.0)
    once(z)
    own = float(once.spectra()["covariance_of_view_1"][0])
    x = tuple(map(float, range(1, steps + 1)))
    series: list[Series] = []
    for memory in MEMORIES[1:]:
        loss = CorInfoMax(WIDTH, covariance_memory=memory, mean_memory=0.0)
        left = []
        for _ in x:
            loss(z)
            left.append(float(loss.spectra()["covariance_of_view_1"][0]) - own)
        exact = [memory**step * (1 - own) for step in x]
        seen = [a if b > 1e-13 else math.nan for a, b in zip(left, exact, strict=True)]
        shown = [b if b > 1e-13 else math.nan for b in exact]
        series.append(Series(label=f"factor {memory:g}", x=x, y=tuple(seen)))
        series.append(Series(label="closed form", x=x, y=tuple(shown), style="expected"))
    return Panel(
        title="How long the start R = I is remembered",
        x_label="step",
        y_label="largest eigenvalue above that of the batch",
        series=tuple(series),
        log_y=True,
    )


ALPHA = 250.0  # weight of the invariance, the authors' for CIFAR-10


def mutual_information(settings: Settings, steps: int | None = None) -> Outcome:
    """Descend on CorInfoMax with free embeddings, and follow the mutual information that it stands for."""
    count = steps or (1000 if settings.full else 200)
    runs = []
    for done, seed in enumerate(settings.each_seed, 1):
        runs.append(_optimize(seed, count))
        settings.progress(done / settings.seeds)
    information, bound, loss, at = (
        [[record[name] for record in run] for run in runs] for name in ("information", "bound", "loss", "step")
    )
    gap = [a[-1] - b[-1] for a, b in zip(information, bound, strict=True)]
    return Outcome(
        measured=f"While the loss falls from {mean(line[0] for line in loss):.2f} to "
        f"{mean(line[-1] for line in loss):.2f}, the mutual information rises from "
        f"{mean(line[0] for line in information):.2f} to {mean(line[-1] for line in information):.2f} nats; the lower "
        f"bound that the loss amounts to ends {mean(gap):.2f} below it ({settings.averaged}, weight "
        f"{ALPHA:g}).",
        panels=_over_steps(tuple(at[0]), _mean(information), _mean(bound), _mean(loss)),
        rows=tuple({"seed": seed, **record} for seed, run in enumerate(runs) for record in run),
    )


def _over_steps(x: Line, information: Line, bound: Line, loss: Line) -> tuple[Panel, Panel]:
    least = 2 * math.log(WIDTH)
    return (
        Panel(
            title="Mutual information and its lower bound",
            x_label="step",
            y_label="nats",
            series=(
                Series(label="log-determinant mutual information", x=x, y=information),
                Series(label="bound: D/2 log(α/2) − D/4 loss", x=x, y=bound, style="expected"),
            ),
        ),
        Panel(
            title="CorInfoMax",
            x_label="step",
            y_label="loss (no unit)",
            series=(
                Series(label="mean of the seeds", x=x, y=loss),
                Series(label="least, 2 log D", x=(x[0], x[-1]), y=(least, least), style="expected"),
            ),
        ),
    )


def _optimize(seed: int, steps: int) -> list[dict[str, float]]:
    """Adam on the two views (2, N, D) themselves, from a narrow, correlated cloud off the center."""
    generator = torch.Generator().manual_seed(seed)
    width = torch.logspace(0, -1, WIDTH, dtype=torch.float64)
    shared, own = (torch.randn(count, _BATCH, WIDTH, generator=generator, dtype=torch.float64) for count in (1, 2))
    z = (1 + width * (shared + own)).requires_grad_()
    training = CorInfoMax(WIDTH, invariance=ALPHA, covariance_memory=_OFFICIAL, mean_memory=_OFFICIAL)
    batch_alone = CorInfoMax(WIDTH, invariance=ALPHA, covariance_memory=0.0, mean_memory=0.0)
    optimizer = torch.optim.Adam([z], lr=0.02)
    records = []
    for step in range(steps + 1):
        if step % max(1, steps // 40) == 0:
            loss = float(batch_alone(z.detach())["loss"])
            exact = log_determinant_mutual_information(z.detach(), eps=1 / ALPHA)["loss"]
            bound = WIDTH / 2 * math.log(ALPHA / 2) - WIDTH / 4 * loss
            records.append(
                {"step": float(step), "loss": loss, "information": -WIDTH / 4 * float(exact), "bound": bound}
            )
        optimizer.zero_grad()
        training(z)["loss"].backward()
        optimizer.step()
    return records


def _mean(lines: Sequence[Sequence[float]]) -> Line:
    return tuple(mean(values) for values in zip(*lines, strict=True))


_TENTH = Margin(0.1, "share of one batch's", "what carries information over batches is less noisy by a tenth")
_NAT = Margin(1.0, "nats", "of the 15 or so between the start and the end")


_THEIRS = (_OFFICIAL, 0.1)  # the authors' factors


def _steadied(memory: float) -> Part:
    def less(table: Table) -> list[float]:
        pairs = zip(table.of("error", 0.0), table.of("error", memory), strict=True)
        return [1 - noisy / alone for alone, noisy in pairs]

    says = f"at the factor {memory:g} the covariance is less noisy than that of one batch"
    return Part(says=says, effect=less, margin=_TENTH, source="code" if memory in _THEIRS else "ours")


def _records(table: Table, column: str) -> list[list[float]]:
    """A column's numbers by step, for each seed."""
    seeds = sorted({float(row["seed"] or 0) for row in table.rows})
    return [[float(row[column] or 0) for row in table.rows if row["seed"] == seed] for seed in seeds]


FORGETTING = Experiment(
    name="corinfomax/forgetting",
    paper="Ozsoy et al. 2022, the authors' code (recursive covariance)",
    title="What the running covariance remembers",
    claim="Estimated recursively with a forgetting factor, the covariance carries information across batches.",
    minutes=0.16,
    full="1,000 steps",
    run=forgetting,
    parts=(_steadied(_OFFICIAL), *(_steadied(memory) for memory in MEMORIES if memory > _OFFICIAL)),
)

MUTUAL_INFORMATION = Experiment(
    name="corinfomax/mutual-information",
    paper="Ozsoy et al. 2022, the authors' code (supplement L is what it names)",
    title="Mutual information while its approximation is optimized",
    claim="Optimizing CorInfoMax raises the log-determinant mutual information that it approximates.",
    minutes=0.049,
    full="1,000 steps",
    run=mutual_information,
    parts=(
        Part(
            says="the mutual information rises while the loss is minimized",
            effect=lambda table: [line[-1] - line[0] for line in _records(table, "information")],
            margin=_NAT,
            source="code",
        ),
        Part(
            says="the bound that the loss amounts to is below it at every step",
            effect=lambda table: [
                min(a - b for a, b in zip(*lines, strict=True))
                for lines in zip(_records(table, "information"), _records(table, "bound"), strict=True)
            ],
            margin=EXACT,
            source="ours",
            kind="exact",
        ),
    ),
)
