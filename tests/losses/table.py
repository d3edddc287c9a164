"""Writes docs/losses.md, from the losses' own files and the contract's numbers: `python -m tests.losses.table`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

from torch import Tensor, nn

from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES, Terms
from fullrank.losses.pairs import Queue
from tests.losses.contract import COLLAPSES, Loss, aligned, escape, one_point, revival, spread_cloud, value
from tests.losses.declared import NAMED

SAMPLES, FEATURES, SEEDS = 64, 16, 5
ZERO = 1e-3  # rates below this are rounding, or as good as none

# Formula and cost of a pair of views. z: embedding, u, v: unit rows of two views, C: centered covariance over the
# samples, l: its eigenvalues, p: eigenvalues over their sum, c: cosine, X: features of unit length, K = min(N, D).
FACTS = {
    "alignment": ("mean ‖u − v‖²", "ND"),
    "barlow_twins": ("Σ (1 − Rᵢᵢ)² + λ Σ Rᵢⱼ², R: correlation of features across views", "NDK"),
    "coding_rate": ("−200 c(u, mean view) − ½ log det(I + D/(Nε) UᵀU)", "NDK"),
    "dcl": ("−c⁺/T + log Σ exp(c⁻/T), without the positive in the sum", "N²D"),
    "frossl": ("Σ log ‖C‖²/(tr C)² of X, uncentered + V D · mean squared distance to the mean view", "NDK"),
    "hill_entropy": ("−log D_q(p), D_q = (Σ p^q)^(1/(1−q))", "NDK + K³"),
    "infonce": ("−c⁺/T + log Σ exp(c/T) over the other view", "N²D"),
    "intl": ("2 − 2c + β Σ (1 − variance)², after T Newton steps of whitening", "NDK + TK³"),
    "koleo": ("−mean log min ‖uᵢ − uⱼ‖", "N²D"),
    "log_determinant_mutual_information": (
        "2/D (log det of both views' joint C − of each view's), of C + εI",
        "ND² + D³",
    ),
    "matrix_ssl": ("`mec` + (−log det(Uᵀ J V/N + ½ I))/D", "NDK + K³"),
    "mec": ("−ε log det(I + U Vᵀ/(Nε))", "NDK + K³"),
    "mmcr": ("−‖mean of the views' u‖ nuclear", "NDK + K³"),
    "nt_xent": ("−c⁺/T + log Σ exp(c/T) over both views", "N²D"),
    "sigreg": ("invariance + λ N mean over slices ∫ |φ(t) − e^(−t²/2)|² e^(−t²/2) dt", "N S (D + 17), S slices"),
    "ssl_hsic": ("−HSIC(Z, sample) + 3 √HSIC(Z, Z), inverse multiquadric kernel", "N²D"),
    "spectral_contrastive": ("−2 ⟨z, z⁺⟩ + mean ⟨z, z⁻⟩²", "NDK"),
    "spectral_transformation": ("2 − 2c after U g(l) Uᵀ, or g(l) Uᵀ (PCA)", "NDK + K³"),
    "uniformity": ("log mean exp(−2 ‖uᵢ − uⱼ‖²)", "N²D"),
    "vibcreg": ("VICReg of Newton-whitened views, 200 mean correlation² for Σ Cᵢⱼ²/D", "NDK + TK³"),
    "vicreg": ("25 mean squared difference + 25 mean max(0, 1 − std) + Σ Cᵢⱼ²/D", "NDK"),
    "visreg": ("invariance + λ (mean² + (1 − std)² + sorted slices to normal quantiles)", "N S (D + log N), S slices"),
    "vne": ("−4.16 c + Σ p log p of UᵀU/N", "NDK + K³"),
    "w2": ("√(2 − 2 tr C^½/√D) on all u: distance of Gaussians", "NDK + K³"),
    "w_mse": ("2 − 2c after Cholesky whitening", "ND² + D³"),
    "zero_cl": ("−tr AᵀB of whitened samples, and of whitened features", "NDK + K³"),
    "CorInfoMax": ("500 mean squared difference − Σ log det(R + εI)/D, R: running covariance", "ND² + D³"),
    "SwAV": ("cross-entropy with Sinkhorn's codes of the other view, over P prototypes", "NDP"),
    "TiCo": ("1 − c + 8 mean uᵀMu, M: running second moment", "ND²"),
    "byol": ("2 − 2c of prediction and target, both directions", "ND"),
    "intl_with_teacher": ("INTL with whitened targets that get no gradient", "NDK + TK³"),
    "DINO": ("cross-entropy of the student's softmax with the teacher's, centered and sharpened", "ND"),
    "MoCo": ("cross-entropy of the key among a queue of Q, both directions", "NQD"),
    "NNCLR": ("InfoNCE with the queue's nearest neighbor of the target", "NQD + N²D"),
    "moco_v3": ("4T cross-entropy of the key among those of the batch", "N²D"),
    "simdino": ("−c of prediction and target − (D + M)/(2DM) log det(I + D/(Mε) SᵀS), S: all M predictions", "NDK"),
    "simsiam": ("−c of prediction and target", "ND"),
}

HEADER = """# Losses

Every public loss of `fullrank.losses`, as data and as numbers. `make docs` writes this page (`tests/losses/table.py`),
and a test holds it to the code. Whose formula and weights a loss has stands in its docstring.

## What they are

u, v: unit rows of two views, c: their cosine (c⁺ of one image, c⁻ of two), C: centered covariance over samples,
l: its eigenvalues, p: eigenvalues over their sum, T: temperature, V views, N samples, D features, K = min(N, D). The
cost is that of one value for two views, up to a constant.
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
them from collapse, their predictor and teacher: prediction and target are equal, and a queue holds,
a center is the mean of, the same samples.
Rows that are not in the first table are a loss with another setting, as in `tests/losses/declared.py`.
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
    facts += [(f"`{loss.__name__}`", *FACTS[loss.__name__], source(loss), blind(loss)) for loss in public()]
    return "\n".join([HEADER, markdown(facts), NUMBERS, markdown(list(numbers())), CHECKS]).rstrip("\n") + "\n"


def public() -> list[Callable[..., object]]:
    """Every public loss, in the order of the page."""
    return [*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES]


def source(loss: Callable[..., object]) -> str:
    """Paper and number: the first line of the loss's file."""
    line = (sys.modules[loss.__module__].__doc__ or "").splitlines()[0]
    return line.partition(". V views")[0].partition(". z (V")[0].rstrip(".")


def blind(loss: Callable[..., object]) -> str:
    """What its docstring says it cannot see."""
    paragraph = next(part for part in (loss.__doc__ or "").split("\n\n") if "lind to:" in part)
    told = " ".join(paragraph.split()).partition("lind to:")[2].partition("UserError")[0].strip()
    return "weakly, " + told if "Nearly blind to:" in paragraph else told


def numbers() -> Iterator[tuple[str, ...]]:
    """Rows of what is computed, the names of the columns first."""
    yield ("loss", "value spread", "one point", "costs more", "κ 0.1", "κ 0.001", "revival 0.1", "revival 0.001")
    for name, loss in (NAMED | PAIRS).items():
        cloud = spread_cloud(SAMPLES, FEATURES)
        values = [value(loss, aligned(cloud)), value(loss, aligned(one_point(cloud)))]
        rates = [slowest(partial(rate, loss, ratio=ratio)) for rate in (escape, revival) for ratio in (0.1, 0.001)]
        yield (f"`{name}`", *(digits(number, 4, 1e-6) for number in values), seen(loss), *rates)


def seen(loss: Loss) -> str:
    """The collapses that cost more than a spread cloud."""
    cloud = spread_cloud(SAMPLES, FEATURES)
    names = dict(zip(("point", "dimensions", "clusters"), COLLAPSES, strict=True))
    clouds = {name: collapse(cloud) for name, collapse in names.items()} | {"norm": 1e-4 * cloud}
    healthy = value(loss, aligned(cloud))
    return ", ".join(name for name, z in clouds.items() if value(loss, aligned(z)) > healthy + 1e-3) or "none"


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
