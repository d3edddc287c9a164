"""Fang et al. 2024: W2 beside hosts that the paper does not have, on a toy task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean

from torch import Tensor

from fullrank.losses import Terms, alignment, nt_xent, spectral_contrastive, vicreg, w2
from fullrank.losses.terms import combine
from fullrank.metrics import w2_uniformity
from fullrank.papers.intl.sweep import train_toy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import DIMENSION, DISTANCE, higher, lower

_WIDTH = 16  # of the toy's embedding
HOSTS: Mapping[str, Callable[[Tensor], Terms]] = {
    "SimCLR": nt_xent,
    "VICReg": vicreg,
    "spectral contrastive": spectral_contrastive,
    "alignment alone": alignment,
}
_ADDED = " + W2"
_RANK, _W2 = "effective rank", "W2"


def more_hosts(settings: Settings, steps: int = 300) -> Outcome:
    """Each host alone, and with W2 at the weight 1, which is the paper's beside MoCo v2."""
    ways = {
        name: loss for host, alone in HOSTS.items() for name, loss in ((host, alone), (host + _ADDED, with_w2(alone)))
    }
    found: dict[str, dict[str, list[float]]] = {name: {case: [] for case in ways} for name in (_RANK, _W2)}
    for done, seed in enumerate(settings.each_seed, 1):
        for case, loss in ways.items():
            toy = train_toy(loss, lambda z: z, seed=seed, steps=steps)
            found[_RANK][case].append(toy.ranks[0])
            found[_W2][case].append(w2_uniformity(toy.z))
        settings.progress(done / settings.seeds)
    words = "; ".join(
        f"{host} {mean(found[_RANK][host]):.1f} and {mean(found[_RANK][host + _ADDED]):.1f}" for host in HOSTS
    )
    return Outcome(
        measured=f"Effective rank of the embedding, of {_WIDTH}, alone and with W2: {words} ({settings.averaged}).",
        panels=(
            by_case("effective rank of the embedding", f"dimensions of {_WIDTH}", found[_RANK]),
            by_case("W2 of the embedding", "W2 (0 uniform, 1.41 one point)", found[_W2]),
        ),
        rows=by_seed("training", found),
    )


def with_w2(host: Callable[[Tensor], Terms], weight: float = 1.0) -> Callable[[Tensor], Terms]:
    """The host's loss, and W2 of the embeddings (V, N, D) of all views together, as the authors' code has it."""

    def loss(z: Tensor) -> Terms:
        return combine({"host": (1.0, host(z)["loss"]), "w2": (weight, w2(z)["loss"])})

    return loss


MORE_HOSTS = Experiment(
    name="w2/more-hosts",
    paper="Fang et al. 2024, table 2, which has other hosts",
    title="SimCLR, VICReg, spectral contrastive and alignment alone with W2, on a toy task",
    claim="Added to whatever host, W2 raises the rank and the uniformity of the embedding.",
    minutes=0.77,
    run=more_hosts,
    caveat="Rank and uniformity are what W2 is: that they rise says nothing of accuracy. The weight 1 is not searched.",
    parts=(
        higher(_RANK, "SimCLR" + _ADDED, "SimCLR", DIMENSION, "ours"),
        *(higher(_RANK, host + _ADDED, host, DIMENSION, "ours") for host in HOSTS if host != "SimCLR"),
        *(lower(_W2, host + _ADDED, host, DISTANCE, "ours") for host in HOSTS),
    ),
)
