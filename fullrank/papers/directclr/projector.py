"""Tables 1 and 2 of DirectCLR (Jing, Vincent, LeCun & Tian, 2022): what stands between representation and loss.

All trainings share loss, temperature and data; only the head differs. Table 2 also has an orthogonal projector, which
is left out: where all of the representation enters it, the loss and its gradient are those of no projector at all
(docs/checks.md, E10). The `tiny` encoder does not end in a residual block, as the paper's does: features that do not
enter the loss keep the last weights they started with, and with them some of the rank of an untrained encoder.
`tiny_residual` does: with it both tables are there again (residual.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from fullrank.nn.directclr_heads import Head
from fullrank.papers.directclr.probe import whole
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed
from fullrank.papers.kit.parts import DIMENSION, POINTS, Margin, Part, higher
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, spectra, train_all, usual_size
from fullrank.recipes.directclr import DirectCLR

_TABLE_1: dict[str, Head] = {"none": "none", "linear": "linear", "DirectCLR": "first", "MLP": "mlp"}
_TABLE_2: dict[str, Head] = {
    "random features": "random",
    "trainable linear": "linear",
    "trainable diagonal": "diagonal",
    "fixed low rank": "low-rank",
}
_PROBE, _RANK = "linear probe (%)", "rank of the representation"
_EQUAL = Margin(0.9, "points", "the paper's two differ by as much, of 18.1 points above random features")


def projector(settings: Settings, size: Size | None = None) -> Outcome:
    """Contrast behind no projector, a linear one, the first features alone (DirectCLR), and an MLP."""
    runs = _train(settings, _TABLE_1, size)
    probe, rank = whole(settings, runs)
    knn, _ = unseen_accuracies(settings, runs)
    embedded, widths = (numbers(runs, "embedding", number) for number in ("effective_rank", "dims"))
    return Outcome(
        measured=f"{_words('Effective rank of the representation', rank)}; "
        f"{_words('of the embedding', embedded, widths)}; {_words('linear probe (%)', probe)}; "
        f"{_words('kNN (%)', knn)} ({settings.averaged}).",
        panels=(
            spectra(runs, "backbone"),
            spectra(runs, "embedding"),
            by_case("effective rank of the representation", "dimensions of 512", rank),
            by_case("effective rank of the embedding", "dimensions", embedded),
            by_case("linear probe of the representation", "test accuracy (%)", probe),
            by_case("kNN in the representation", "accuracy (%)", knn),
        ),
        rows=by_seed(
            "projector",
            {
                "linear probe (%)": probe,
                "kNN (%)": knn,
                "rank of the representation": rank,
                "rank of the embedding": embedded,
                "dimensions of the embedding": widths,
            },
        ),
    )


def heads(settings: Settings, size: Size | None = None) -> Outcome:
    """Contrast behind linear projectors that are trainable, diagonal, or fixed and of low rank, or random features."""
    runs = _train(settings, _TABLE_2, size)
    probe, rank = whole(settings, runs)
    knn, _ = unseen_accuracies(settings, runs)
    return Outcome(
        measured=f"{_words('Linear probe (%)', probe)}; {_words('kNN (%)', knn)}; "
        f"{_words('effective rank of the representation', rank)} ({settings.averaged}).",
        panels=(
            by_case("linear probe of the representation", "test accuracy (%)", probe),
            by_case("kNN in the representation", "accuracy (%)", knn),
            by_case("effective rank of the representation", "dimensions of 512", rank),
            spectra(runs, "backbone"),
        ),
        rows=by_seed("projector", {"linear probe (%)": probe, "kNN (%)": knn, "effective rank": rank}),
    )


def _train(settings: Settings, named: Mapping[str, Head], size: Size | None) -> dict[str, list[Path]]:
    jobs = [Job(name, "directclr", DirectCLR(head=head)) for name, head in named.items()]
    return train_all(settings, jobs, size or usual_size(settings))


def _words(what: str, values: Mapping[str, Sequence[float]], of: Mapping[str, Sequence[float]] | None = None) -> str:
    parts = [f"{name} {mean(seeds):.1f}" + (f" of {of[name][0]:.0f}" if of else "") for name, seeds in values.items()]
    return f"{what}: {', '.join(parts)}"


TABLE_1_PARTS = (
    higher(_PROBE, "DirectCLR", "linear", POINTS, "abstract"),
    higher(_PROBE, "linear", "none", POINTS, "paper"),
    higher(_PROBE, "MLP", "DirectCLR", POINTS, "paper"),
    *(higher(_RANK, name, "none", DIMENSION, "paper") for name in ("linear", "DirectCLR", "MLP")),
)

TABLE_2_PARTS = (
    higher(_PROBE, "fixed low rank", "trainable linear", POINTS, "paper"),
    Part(
        says="linear probe (%): trainable linear and trainable diagonal are level",
        effect=lambda table: table.gain(_PROBE, "trainable diagonal", over="trainable linear"),
        margin=_EQUAL,
        source="paper",
        kind="level",
    ),
    *(
        higher(_PROBE, name, "random features", POINTS, "paper")
        for name in ("trainable linear", "trainable diagonal", "fixed low rank")
    ),
)

PROJECTOR = Experiment(
    name="directclr/projector",
    paper="Jing et al. 2022, table 1, figures 2, 7 and 9",
    title="With a projector, without one, and DirectCLR",
    claim="Without a projector the representation loses dimensions, which a linear one, DirectCLR and an MLP prevent, "
    "and a linear probe ranks the four in this order.",
    minutes=15,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=projector,
    caveat="`tiny` ends in no residual block, so DirectCLR sends no gradient to 422 of its 512 features; among "
    "the trained 90 there is no gain.",
    parts=TABLE_1_PARTS,
    data="fashion-mnist",
)

HEADS = Experiment(
    name="directclr/heads",
    paper="Jing et al. 2022, table 2 and appendix F",
    title="Linear projectors: trainable, diagonal, of low rank",
    claim="A linear projector need not be trained if it is of low rank: then it beats a trainable one, which a "
    "diagonal one equals; features drawn at random at each step are worse than all of them.",
    minutes=15,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=heads,
    caveat="`tiny` ends in no residual block, as the encoder of the paper does.",
    parts=TABLE_2_PARTS,
    data="fashion-mnist",
)
