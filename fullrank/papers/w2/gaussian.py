"""Fang et al. (2024), figures 2, 8 and 9: is a coordinate of a point on the sphere Gaussian?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean

import torch
from scipy.special import ndtr, ndtri
from torch import Tensor

from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import BOUND, Margin, Part, lower
from fullrank.papers.w2.theory import coordinate_below, coordinate_kl, coordinate_wasserstein, sphere

DIMS = (2, 4, 8, 16, 32, 64, 128, 256)
SHOWN = (2, 8, 32)
PAIR = 32  # dimensions of figure 9
BINS = 51
_CLOSE = 0.05  # of the Gaussian's standard deviation. Ours: the paper says "reasonable"
_BLOCK = 10_000  # rows drawn at a time
_DISTANCES = ("KL", "W1", "W2")


def coordinates(n: int, dims: int, seed: int) -> Tensor:
    """The first two coordinates (n, 2) of points that are uniform on the sphere."""
    blocks = [sphere(min(_BLOCK, n - start), dims, dims, seed + 1000 * start)[:, :2] for start in range(0, n, _BLOCK)]
    return torch.cat(blocks)


def distances(y: Tensor, dims: int) -> dict[str, float]:
    """Distances of the samples y (N,) from N(0, 1 / dims): KL by 51 bins on [-1, 1], W1 and W2 by quantiles."""
    edges = torch.linspace(-1, 1, BINS + 1, dtype=torch.float64)
    share = histogram(y, edges)
    gaussian = torch.from_numpy(ndtr((edges * math.sqrt(dims)).numpy())).diff()
    seen = share > 0
    kl = float((share[seen] * (share[seen] / gaussian[seen]).log()).sum())
    at = (torch.arange(len(y), dtype=torch.float64) + 0.5) / len(y)
    gap = y.sort().values - torch.from_numpy(ndtri(at.numpy())) / math.sqrt(dims)
    return {"KL": kl, "W1": float(gap.abs().mean()), "W2": float(gap.square().mean().sqrt())}


def histogram(y: Tensor, edges: Tensor) -> Tensor:
    """Share of y (N,) in each bin; what lies outside is in none."""
    return torch.histogram(y, edges).hist / len(y)


def gaussian_coordinates(settings: Settings, samples: int | None = None) -> Outcome:
    """Samples of a coordinate against N(0, 1 / m), and both against the exact density."""
    n = samples or (2_000_000 if settings.full else 200_000)  # of figure 9, and of figures 2 and 8
    found: dict[str, dict[int, list[float]]] = {name: {m: [] for m in DIMS} for name in _DISTANCES}
    for at, m in enumerate(DIMS, 1):
        for seed in settings.each_seed:
            for name, value in distances(coordinates(n, m, seed)[:, 0], m).items():
                found[name][m].append(value)
        settings.progress(at / len(DIMS))
    relative = {m: [value * math.sqrt(m) for value in found["W2"][m]] for m in DIMS}
    apart = max(abs(mean(found["W2"][m]) - coordinate_wasserstein(m, 2)) for m in DIMS)
    return Outcome(
        measured=f"W2 of a coordinate from N(0, 1/m), in standard deviations, at m = 2, 8, 16 and 256: "
        f"{', '.join(f'{mean(relative[m]):.3f}' for m in (2, 8, 16, 256))}; at most {apart:.4f} from the exact value "
        f"({settings.averaged}, {n:,} samples).",
        panels=(_by_dimension(found, n), *(_density(n, m) for m in SHOWN), _pair(n)),
        rows=tuple(
            {"m": m, "seed": seed, **{name: found[name][m][seed] for name in _DISTANCES}}
            for m in DIMS
            for seed in range(settings.seeds)
        ),
    )


def _by_dimension(found: Mapping[str, Mapping[int, Sequence[float]]], n: int) -> Panel:
    x = tuple(map(float, DIMS))
    exact = {
        "KL": tuple(coordinate_kl(m) for m in DIMS),
        "W1": tuple(coordinate_wasserstein(m, 1) for m in DIMS),
        "W2": tuple(coordinate_wasserstein(m, 2) for m in DIMS),
    }
    series: list[Series] = []
    for name, values in found.items():
        series.append(Series(label=name, x=x, y=tuple(mean(values[m]) for m in DIMS)))
        series.append(Series(label="exact", x=x, y=exact[name], style="expected"))
    bias = (BINS - 1) / (2 * n)  # of the plug-in estimate
    return Panel(
        title="Distance of a coordinate from N(0, 1/m)",
        x_label="dimensions m",
        y_label=f"KL (nats; {bias:.0e} is sampling), W1, W2",
        series=tuple(series),
        log_x=True,
        log_y=True,
    )


def _density(n: int, dims: int) -> Panel:
    """Figure 8: samples, the exact density and the Gaussian."""
    edges = torch.linspace(-1, 1, BINS + 1, dtype=torch.float64)
    middle = (edges[1:] + edges[:-1]) / 2
    measured = histogram(coordinates(n, dims, 0)[:, 0], edges) / (2 / BINS)
    exact = coordinate_below(edges, dims).diff() / (2 / BINS)
    normal = math.sqrt(dims / (2 * math.pi)) * torch.exp(-dims * middle.square() / 2)
    x = tuple(middle.tolist())
    return Panel(
        title=f"Density of a coordinate, m = {dims}",
        x_label="coordinate",
        y_label="density (per unit)",
        series=(
            Series(label="samples", x=x, y=tuple(measured.tolist()), style="points"),
            Series(label="exact, lemma 4", x=x, y=tuple(exact.tolist()), style="expected"),
            Series(label="N(0, 1/m)", x=x, y=tuple(normal.tolist())),
        ),
    )


def _pair(n: int) -> Panel:
    """Figure 9 for eyes that see one axis: two coordinates have a density that depends on their distance from 0."""
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)
    area = math.pi * edges.square().diff()
    middle = ((edges[1:].square() + edges[:-1].square()) / 2).sqrt()
    radius = coordinates(n, PAIR, 0).norm(dim=1)
    exact = -((1 - edges.square()) ** (PAIR / 2 - 1)).diff() / area  # the squared radius is Beta(1, (m - 2) / 2)
    normal = -torch.exp(-PAIR * edges.square() / 2).diff() / area
    x, kept = tuple(middle.tolist()), normal > 1e-3
    measured = (histogram(radius, edges) / area).where(kept, torch.nan)
    return Panel(
        title=f"Density of two coordinates, m = {PAIR}",
        x_label="distance of the two from 0",
        y_label="density (per unit of area)",
        series=(
            Series(label="samples", x=x, y=tuple(measured.tolist()), style="points"),
            Series(label="exact", x=x, y=tuple(exact.tolist()), style="expected"),
            Series(label="N(0, 1/m) of both", x=x, y=tuple(normal.tolist())),
        ),
    )


_NEARER = Margin(0.003, "W2", "a hundredth of the distance at m = 2")


def _close(m: int) -> Part:
    return Part(
        says=f"m = {m}: W2 is below {_CLOSE:g} standard deviations",
        effect=lambda table: [_CLOSE - value * math.sqrt(m) for value in table.of("W2", m)],
        margin=BOUND,
        source="paper",
        kind="above",
    )


GAUSSIAN_COORDINATES = Experiment(
    name="w2/gaussian-coordinates",
    paper="Fang et al. 2024, theorem 2, figures 2, 8 and 9",
    title="A coordinate of the sphere against a Gaussian",
    claim="A coordinate of a uniform point on the sphere of m dimensions comes close to N(0, 1/m), reasonably from "
    "m = 16 on.",
    minutes=0.37,
    full="2,000,000 samples",
    run=gaussian_coordinates,
    parts=(
        _close(16),
        *(_close(m) for m in DIMS if m > 16),
        # Further on, both distances are below what this many samples can show.
        *(lower("W2", 2 * m, m, _NEARER, "paper") for m in (2, 4, 8, 16)),
    ),
)
