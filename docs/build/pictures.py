"""One picture a kind of collapse, for docs/diagnosis.md: `python -m docs.build.pictures`.

Left a sketch in the plane, right what is measured on a cloud of tests/diagnosis/clouds.py: gray the healthy one, in
color the collapsed one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.axes import Axes
from torch import Tensor

from fullrank.report.draw.svg import OTHER, SERIES, svg
from fullrank.stats import normalize, spectrum
from tests.diagnosis.clouds import CASES
from tests.metrics.clouds import gaussian

FOLDER = Path(__file__).parents[1] / "pictures"
N, DIMS, POINTS = 600, 64, 60
LIGHT = "--ink:#1a1a1a;--grid:#8a8a8a;--other:#9a9a9a;--s1:#c2410c"
DARK = "--ink:#e8e8e8;--grid:#8a8a8a;--other:#8a8a8a;--s1:#fb923c"

Measure = Callable[[Axes, Tensor, str, str], None]  # axes, rows (N, D), color, label


@dataclass(frozen=True)
class Picture:
    """The name of the file, the cloud of `CASES` that is measured, the sketch (n, 2) -> (n, 2), and the measure."""

    name: str
    case: str
    sketch: Callable[[Tensor], Tensor]
    measure: Measure


def cosines(axes: Axes, z: Tensor, color: str, label: str) -> None:
    """Histogram of the cosines of pairs of rows."""
    unit = normalize(z[:200])
    _steps(axes, (unit @ unit.T)[*torch.triu_indices(200, 200, 1)], color, label, -0.6, 1.05)
    axes.set_xlabel("cosine of two embeddings")


def eigenvalues(axes: Axes, z: Tensor, color: str, label: str) -> None:
    """Eigenvalues of the covariance, as shares, on logarithmic axes."""
    values = spectrum(z)
    axes.loglog(torch.arange(1, len(values) + 1), (values / values.sum()).clamp_min(1e-7), color=color, label=label)
    axes.set_ylim(1e-6, 2)
    axes.set_xticks([1, 10, 60], ["1", "10", "60"])
    axes.set_yticks([1, 1e-2, 1e-4, 1e-6], ["1", "0.01", "0.0001", "0.000001"])
    axes.minorticks_off()
    axes.set_xlabel("direction")
    axes.set_ylabel("share of the variance")


def nearest(axes: Axes, z: Tensor, color: str, label: str) -> None:
    """Histogram of the distance to the nearest neighbor, over the mean distance."""
    distance = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    least = (distance + torch.eye(len(z)) * distance.max()).amin(1)
    _steps(axes, least / distance.mean(), color, label, -0.03, 1.0)
    axes.set_xlabel("distance to the nearest, of the mean one")


def found(axes: Axes, z: Tensor, color: str, label: str) -> None:
    """How many rows have a row among their ten nearest, most found first."""
    distance = torch.cdist(z, z)
    distance.fill_diagonal_(torch.inf)
    count = distance.topk(10, largest=False).indices.flatten().bincount(minlength=len(z))
    axes.semilogx(torch.arange(1, len(z) + 1), count.sort(descending=True).values, color=color, label=label)
    axes.set_xticks([1, 10, 100], ["1", "10", "100"])
    axes.minorticks_off()
    axes.set_xlabel("embedding, most found first")
    axes.set_ylabel("times found")


def first_direction(axes: Axes, z: Tensor, color: str, label: str) -> None:
    """Histogram along the first principal direction, in its standard deviations."""
    x = z - z.mean(0)
    along = x @ torch.linalg.svd(x, full_matrices=False).Vh[0]
    _steps(axes, along / along.std(), color, label, -3, 3)
    axes.set_xlabel("position along the first direction")


def deviations(axes: Axes, z: Tensor, color: str, label: str) -> None:
    """Standard deviation of each dimension."""
    axes.plot(torch.arange(1, z.shape[1] + 1), z.std(0), color=color, label=label)
    axes.set_ylim(-0.1, 1.4)
    axes.set_xlabel("dimension")
    axes.set_ylabel("standard deviation")


def _steps(axes: Axes, values: Tensor, color: str, label: str, low: float, high: float) -> None:
    counts, edges = torch.histogram(values.double(), bins=40, range=(low, high))
    axes.stairs(counts / counts.max(), edges, color=color, label=label)
    axes.set_yticks([])


def _corners(z: Tensor) -> Tensor:
    corners = torch.tensor([[1.4, 1.0], [-1.2, 1.3], [-0.9, -1.4], [1.1, -1.1]], dtype=torch.float64)
    return corners.repeat(len(z) // 4 + 1, 1)[: len(z)] + 0.07 * z


def _halves(z: Tensor) -> Tensor:
    return 0.45 * z + torch.tensor([[1.6, 0.3], [-1.6, -0.3]], dtype=torch.float64).repeat(len(z) // 2, 1)


def _few(z: Tensor) -> Tensor:
    return z[: len(z) // 6].repeat(6, 1)


PICTURES = (
    Picture("complete", "point with noise", lambda z: 1.2 + 0.03 * z, cosines),
    Picture("dimensional", "rank 8", lambda z: z[:, :1] * torch.tensor([1.2, 0.7]) + 0.03 * z, eigenvalues),
    Picture("cluster", "10 clusters", _corners, nearest),
    Picture("cone", "cone, cosine 0.95", lambda z: 0.3 * z + 1.9, cosines),
    Picture("head-dominated", "rogue dimension x 30", lambda z: z * torch.tensor([1.4, 0.15]), eigenvalues),
    Picture("duplicates", "a third of the rows constant", _few, nearest),
    Picture("hubs", "hubs", lambda z: z * torch.exp(0.9 * z[:, :1]) * 0.6, found),
    Picture("modality-gap", "two groups", _halves, first_direction),
    Picture("dead-dimensions", "half of the dimensions dead", lambda z: z * torch.tensor([1.0, 0.0]), deviations),
)


def draw(picture: Picture) -> str:
    """The picture as SVG that follows a light or dark page."""
    (case,) = (case for case in CASES if case.name == picture.case)

    def both(axes: Axes) -> None:
        plane = gaussian(POINTS, 2, 1)
        axes.set_position((0.02, 0.12, 0.36, 0.84))
        axes.plot(*plane.T, ".", color=OTHER, markersize=3)
        axes.plot(*picture.sketch(plane).T, ".", color=SERIES[0], markersize=4)
        axes.plot([0], [0], "+", color=OTHER, markersize=9)
        axes.set(xlim=(-3.4, 3.4), ylim=(-3.4, 3.4), xticks=[], yticks=[], aspect="equal", xlabel="in the plane")
        measured = axes.figure.add_axes((0.52, 0.22, 0.46, 0.64))
        picture.measure(measured, gaussian(N, DIMS, 0), OTHER, "healthy")
        picture.measure(measured, case.cloud(N, DIMS, 0), SERIES[0], picture.name.replace("-", " "))
        measured.legend(frameon=False, fontsize=8, ncol=2, loc="lower left", bbox_to_anchor=(0, 1))

    drawn = str(svg(both, prefix=picture.name, label=f"{picture.name}: {picture.case}", size=(6.2, 2.3)))
    return on_its_own(drawn)


def on_its_own(drawn: str) -> str:
    """An inline SVG as a file of its own, whose colors follow a light or dark page."""
    style = f"<style>svg{{{LIGHT}}}@media(prefers-color-scheme:dark){{svg{{{DARK}}}}}text{{fill:var(--ink)}}</style>"
    head, rest = drawn.split(">", 1)
    return f'{head} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'


def main() -> None:
    """Write all pictures."""
    FOLDER.mkdir(exist_ok=True)
    for picture in PICTURES:
        (FOLDER / f"{picture.name}.svg").write_text(draw(picture), encoding="utf-8")


if __name__ == "__main__":
    main()
