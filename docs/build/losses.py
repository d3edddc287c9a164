"""Writes docs/losses.md, from the losses' own files and the contract's numbers: `python -m docs.build.losses`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES, Terms
from fullrank.losses.declaration import declaration
from fullrank.losses.pairs import Queue
from fullrank.testing.clouds import aligned, few_clusters, few_dimensions, noise, one_point, spread_cloud
from fullrank.testing.loss_values import Loss, gradient, revival, value
from tests.losses.declared import NAMED

RESULTS = Path(__file__).parents[1] / "results"
MEASURED = RESULTS / "losses.json"
SAMPLES, FEATURES, SEEDS = 64, 16, 5
ZERO = 1e-3  # rates below this are rounding, or as good as none

HEADER = """# Losses

Every public loss of `fullrank.losses`, as data and as numbers. `make docs` writes this page (`docs/build/losses.py`),
and a test holds it to the code. The docstring of each loss says whose formula and weights it has.

## What they are

In the formulas, u and v are rows of two views, scaled to length 1, and c is their cosine (c⁺ of two views of one image,
c⁻ of two images). C is the centered covariance over the samples, l are its eigenvalues, p the eigenvalues over their
sum, and T is a temperature. There are V views, N samples and D features, and K = min(N, D). The cost is that of one
value for two views, up to a constant.
"""

NUMBERS = """## What they do about collapse

All computed, on two equal views of 64 samples with 16 features of mean square 1, in float64.

- **value**: of a cloud with equal variance in all dimensions, and of one point.
- **costs more**: the collapses that cost more than that cloud: to a point, to 4 dimensions, to 4 clusters, or to a
  small norm.
- **escape** κ: the rate of log(relative spread) under gradient flow of the free embeddings, each sample by N times its
  gradient of the loss, from a ratio of noise to norm of 0.1 and of 0.001 around one point. Positive leaves, 0 is
  neutral, and a rate that grows as the ratio falls is a push that does not fade.
- **revival**: the same rate for the energy in 12 of 16 dimensions that are left with such noise.

Rates are the slowest of five random starts. Only their sign and order carry over to the training of a network, whose
optimizer rescales them. The losses of predictions and targets, from `byol` on, stand here without what keeps some of
them from collapse, their predictor and teacher: prediction and target are equal, a queue holds the same samples, and
a center is their mean.
A row that the first table lacks is a loss with another setting, named in `tests/losses/declared.py`.
"""

EXACT = """## How exact they are

Measured by `python -m benchmarks.loss_references` ([results/losses.json](results/losses.json)) on float64 noise of
several shapes, with fewer samples than features and with more.

- **compared with**: a reference that is written out beside the test, `tests/losses/test_*.py`: what the authors' code
  computes, or the paper's formula without its shortcuts. The largest differences of value and gradient are shares of
  the largest number.
- **second derivative**: right, an error in a sentence, or what it is instead.
- **torch.func.grad**: whether it works.
- **one graph** and **compiled**: whether `torch.compile(fullgraph=True)` takes value and gradient as one graph and
  gives the same numbers: as they are (backend `aot_eager`), and compiled to C++ by the default backend, `inductor`, on
  a CPU. Losses that are classes hold a state, and their graph is not measured.

Two processes give the loss and the gradient of one with all the samples: `tests/test_world.py` for the losses of
embeddings, `tests/methods/test_world.py` for those of predictions and targets, with their methods.
"""

SPEED = """## How fast they are

Measured by `python -m benchmarks.losses` ([json](results/benchmarks/losses.json)): one forward and backward of
two views in float32, one thread, contenders alternating in one process on a busy machine, best CPU-seconds. The shapes
are samples x features; a number above 1 says how many times longer the other package takes than ours. Where a package
refuses a shape, the file has its reason. It also has losses beside their clear form, with the D x D matrix or all
pairs.

Only `w_mse` is below 1, where samples are many: it whitens in float64, in which a product takes 2.2 times as long as in
lightly's float32 (1,024 and 4,096 samples; at 4,096 x 128 five products per view are two thirds of its time). Float32
would give a wrong gradient: where the standard deviations of the features span a factor of 100, the gradient of lightly
is 2e-4 away from that in float64, at 1,000 it is 1 % and at 10,000 it means nothing; ours is 3e-7 away at all of them
(the same file). Where the ratio is about 1, what is from 0.93 to 1.06
differs from run to run: both do the same products. `mmcr` of lightly also decomposes each sample's views.

Losses over all pairs keep nothing of N x N numbers: `python -m benchmarks.pairs` has them beside the whole matrix, and
what they take of 16,384 samples ([json](results/benchmarks/pairs.json)). Several processes share them: the CPU-seconds
of each of 1, 2 and 4 processes, whole and shared, are by `python -m benchmarks.shares`
([json](results/benchmarks/shares.json)).
"""

CHECKS = """## Zeros that train

`w_mse`, `spectral_transformation` and `zero_cl` are neutral where the views agree; it is the noise between views that
keeps the rank up, as their trainings show ([results](results/fashion-mnist/README.md)). `hill_entropy`, `vibcreg` and
`intl_batch` cannot see the size of a cloud around one point. Where the last column is negative, a missing dimension may
be lost further before it is won back.

## Where a paper's numbers did not hold

[checks.md](checks.md) lists every numeric check of the five papers; "differently" marks those that did not hold as
demanded, and says what holds instead, and why.
"""


def pair_loss(loss: Callable[..., Callable[..., Terms] | Terms], z: Tensor) -> Terms:
    """A loss of predictions and targets where both are z (V, N, D), and so is its queue, or its center."""
    if not isinstance(loss, type):
        return cast(Terms, loss(z, z.detach()))
    settings = {"size": z.shape[1]} if issubclass(loss, Queue) else {"momentum": 0.0}  # the center follows at once
    state = cast(nn.Module, loss(z.shape[2], **settings))
    state(z.detach(), z.detach())
    return cast(Terms, state.eval()(z, z.detach()))


PAIRS: dict[str, Loss] = {loss.__name__: partial(pair_loss, loss) for loss in PAIR_LOSSES}


def page() -> str:
    """The whole of docs/losses.md."""
    facts = [("loss", "formula", "cost", "source", "blind to")]
    for loss in public():
        told = declaration(loss)
        facts.append((f"`{loss.__name__}`", told.formula, told.cost, source(loss), told.blind_to))
    tables = [HEADER, markdown(facts), NUMBERS, markdown(list(numbers())), EXACT, markdown(list(exactness()))]
    return "\n".join([*tables, SPEED, markdown(list(speed())), CHECKS]).rstrip("\n") + "\n"


def public() -> list[Callable[..., object]]:
    """Every public loss, in the order of the page."""
    return [*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES]


def source(loss: Callable[..., object]) -> str:
    """Paper and number: the first line of the loss's file."""
    line = (sys.modules[loss.__module__].__doc__ or "").splitlines()[0]
    return line.partition(". V views")[0].partition(". z (V")[0].rstrip(".")


def numbers() -> Iterator[tuple[str, ...]]:
    """Rows of what is computed, the names of the columns first."""
    yield ("loss", "value spread", "one point", "costs more", "κ 0.1", "κ 0.001", "revival 0.1", "revival 0.001")
    for name, loss in (NAMED | PAIRS).items():
        cloud = spread_cloud(SAMPLES, FEATURES)
        values = [value(loss, aligned(cloud)), value(loss, aligned(one_point(cloud)))]
        rates = [slowest(partial(rate, loss, ratio=ratio)) for rate in (escape, revival) for ratio in (0.1, 0.001)]
        yield (f"`{name}`", *(digits(number, 4, 1e-6) for number in values), seen(loss), *rates)


def exactness() -> Iterator[tuple[str, ...]]:
    """Rows of what was measured of value, gradient, second derivative and graph, the names of the columns first."""
    yield (
        "loss",
        "compared with",
        "value",
        "gradient",
        "second derivative",
        "torch.func.grad",
        "one graph",
        "compiled",
    )
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))["losses"]
    for loss in public():
        one, name = measured[loss.__name__], loss.__name__
        known = one["reference"] or {"with": "", "value": "", "gradient": ""}
        compared = [str(known[key]) for key in ("with", "value", "gradient")]
        second = declaration(loss).breaks.get("second derivative", one["second"])
        graphs = ("", "") if isinstance(loss, type) else (one["graph"], one.get("compiled", "not measured"))
        yield (f"`{name}`", *compared, second, one["func"], *graphs)


def speed() -> Iterator[tuple[str, ...]]:
    """Rows of how many times longer other packages take, the shapes first."""
    measured = json.loads((RESULTS / "benchmarks" / "losses.json").read_text(encoding="utf-8"))["losses"]
    shapes = list(dict.fromkeys(shape for rows in measured.values() for shape in rows))
    yield ("loss", "beside", *shapes)
    for name, rows in measured.items():
        packages = dict.fromkeys(who for row in rows.values() for who in row["cpu_seconds"] if who != "ours")
        for package in packages:
            seconds = [rows[shape]["cpu_seconds"] for shape in shapes]
            ratios = [f"{one[package] / one['ours']:.2f}" if package in one else "" for one in seconds]
            yield (f"`{name}`", package, *ratios)


def seen(loss: Loss) -> str:
    """The collapses that cost more than a spread cloud."""
    cloud = spread_cloud(SAMPLES, FEATURES)
    clouds = {
        "point": one_point(cloud),
        "dimensions": few_dimensions(cloud),
        "clusters": few_clusters(cloud),
        "norm": 1e-4 * cloud,
    }
    healthy = value(loss, aligned(cloud))
    return ", ".join(name for name, z in clouds.items() if value(loss, aligned(z)) > healthy + 1e-3) or "none"


def escape(loss: Loss, seed: int, *, ratio: float) -> float:
    """Rate of log(relative spread) as 64 samples descend, each by its own gradient, from `ratio` around one point.

    The samples are free, and the same in both views; 16 features of mean square 1.
    """
    point = noise(1, 16, seed=seed)
    z = 4 * point / point.norm() + ratio * noise(64, 16, seed=seed + 100)
    force, x = -64 * gradient(loss, aligned(z)).sum(0), z - z.mean(0)
    return float((force * x).sum() / x.square().sum() - (force * z).sum() / z.square().sum())


def slowest(rate: Callable[[int], float]) -> str:
    return digits(min(rate(seed) for seed in range(SEEDS)), 2, ZERO)


def digits(number: float, count: int, zero: float) -> str:
    """So few significant digits that machines agree; 0 below `zero`.

    >>> digits(123456.0, 2, 1e-3), digits(-1e-9, 2, 1e-3), digits(4.158, 3, 1e-6)
    ('120000', '0', '4.16')
    """
    return "0" if abs(number) < zero else f"{float(f'{number:.{count}g}'):g}"


def markdown(rows: Sequence[tuple[str, ...]]) -> str:
    """A table, its first row the header."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:], ""])


if __name__ == "__main__":
    sys.stdout.write(page())
