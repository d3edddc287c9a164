"""DirectCLR (Jing, Vincent, LeCun & Tian, 2022), appendices E and F: the sub-vector that is trained, and the rest.

The paper explains by its last residual block how the rest learns (gradient.py). The `tiny` encoder ends in
none: there, the rest can only learn through the layers before the last. `tiny_residual` and, with --full, ResNet-18
end in one (residual.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from fullrank.metrics import effective_rank
from fullrank.papers.directclr.probe import UNTRAINED, probe, represented, untrained
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_number
from fullrank.papers.kit.parts import POINTS, Part, Source, Table, higher
from fullrank.papers.kit.represented import Labeled, unseen_accuracies
from fullrank.papers.kit.training import Job, Size, train_all, usual_size
from fullrank.recipes.directclr import DirectCLR

PARTS = (8, 32, 128, 512)  # d0, of the 512 features of the encoder
BETWEEN = 128  # of them the nearest to the paper's best, 360 of 2048
_WHOLE, _PART, REST, FRESH = "whole representation", "first d0", "the rest", "the rest, untrained"

ByPart = dict[str, dict[int, list[float]]]
"""By what is measured and by d0, in the order of the seeds."""


def sub_vector(settings: Settings, size: Size | None = None) -> Outcome:
    """Train on the first d0 features of the representation; probe the whole, the part, and the rest."""
    jobs = [Job(str(d0), "directclr", DirectCLR(d0=d0)) for d0 in PARTS]
    runs = train_all(settings, jobs, size or usual_size(settings))
    found, rank = _measured(settings, runs)
    knn = {int(d0): seeds for d0, seeds in unseen_accuracies(settings, runs)[0].items()}
    whole, small = found[_WHOLE], PARTS[:-1]
    words = "; ".join(
        f"{what} {', '.join(f'{mean(seeds):.1f}' for seeds in by.values())}" for what, by in found.items()
    )
    x_label = "features d0 in the loss, of 512"
    return Outcome(
        measured=f"Accuracy (%) of a linear probe for d0 = {', '.join(map(str, small))}, and of the whole for 512: "
        f"{words} ({settings.averaged}{_ending(settings, size)}).",
        panels=(
            by_number("linear probe of part, rest and whole", x_label, "test accuracy (%)", found, log_x=True),
            by_number("linear probe of the whole", x_label, "test accuracy (%)", {_WHOLE: whole}, log_x=True),
            by_number("kNN in the whole", x_label, "test images (%)", {_WHOLE: knn}, log_x=True),
            by_number("effective rank of the whole", x_label, "dimensions of 512", rank, log_x=True),
        ),
        rows=tuple(
            {
                "d0": d0,
                "seed": seed,
                **{f"{what} (%)": by[d0][seed] if d0 in by else "" for what, by in found.items()},
                "kNN (%)": knn[d0][seed],
                "effective rank": rank[_WHOLE][d0][seed],
            }
            for d0 in PARTS
            for seed in range(settings.seeds)
        ),
    )


def _ending(settings: Settings, size: Size | None) -> str:
    plain = (size or usual_size(settings)).backbone == "tiny"
    return "; an encoder that ends in no residual block" if plain else ""


def _measured(settings: Settings, runs: Mapping[str, Sequence[Path]]) -> tuple[ByPart, ByPart]:
    """Accuracy (%) of linear probes, and effective rank of the whole for the test images."""
    first = zip(settings.each_seed, next(iter(runs.values())), strict=True)
    fresh = [untrained(settings, folder, seed) for seed, folder in first]
    fresh_rank = [effective_rank(test[0]) for _, test in fresh]
    found: ByPart = {what: {} for what in (_WHOLE, _PART, REST, FRESH)}
    rank: ByPart = {_WHOLE: {d0: [] for d0 in PARTS}, UNTRAINED: dict.fromkeys(PARTS, fresh_rank)}

    def add(what: str, train: Labeled, test: Labeled, part: slice) -> None:
        found[what].setdefault(d0, []).append(probe(train, test, part))

    for name, seed, train, test in represented(settings, runs):
        d0 = int(name)
        rank[_WHOLE][d0].append(effective_rank(test[0]))
        add(_WHOLE, train, test, slice(None))
        if d0 < train[0].shape[1]:
            add(_PART, train, test, slice(d0))
            add(REST, train, test, slice(d0, None))
            add(FRESH, *fresh[seed], slice(d0, None))
    return found, rank


def columns(what: str, than: str, d0: int, source: Source) -> Part:
    """The part that of one d0 a column has more than another."""

    def more(table: Table) -> list[float]:
        pairs = zip(table.of(f"{what} (%)", d0), table.of(f"{than} (%)", d0), strict=True)
        return [a - b for a, b in pairs]

    return Part(says=f"d0 = {d0}: {what} probes better than {than}", effect=more, margin=POINTS, source=source)


def figure_12(rest: Source) -> tuple[Part, ...]:
    """The parts of figure 12; where the rest learns through a residual block, the paper says that it does."""
    return (
        *(columns(REST, FRESH, d0, rest) for d0 in (BETWEEN, 8, 32)),
        *(columns(_WHOLE, _PART, d0, "paper") for d0 in (BETWEEN, 8, 32)),
        *(higher(f"{_WHOLE} (%)", BETWEEN, end, POINTS, "paper") for end in (PARTS[0], PARTS[-1])),
    )


SUB_VECTOR = Experiment(
    name="directclr/sub-vector",
    paper="Jing et al. 2022, figure 12, appendices E and F",
    title="DirectCLR: the sub-vector in the loss, its size, and the rest",
    claim="The rest of the representation learns too, so that a probe of the whole beats one of the trained "
    "sub-vector, and it does best for a sub-vector that is neither too small nor the whole.",
    minutes=17,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=sub_vector,
    caveat="`tiny` ends in no residual block: what is not in the loss learns only through the layers before the last. "
    "The headline was at first that the whole probes better than the sub-vector, which the untrained rest alone does.",
    parts=figure_12("ours"),
    data="fashion-mnist",
)
