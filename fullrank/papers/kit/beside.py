"""One method beside others, with the same encoder, images, views, optimizer and steps."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from fullrank.papers.kit.experiment import Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, kept_panel, used
from fullrank.papers.kit.parts import KEPT, POINTS, Part, Source, Table
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size

WIDTH = 64  # of the embedding
PROJECTOR = (256, WIDTH)
KNN, LINEAR, RANK, SPREAD = "kNN (%)", "linear (%)", "effective rank", "relative spread"


def beside(settings: Settings, jobs: Sequence[Job], size: Size | None) -> Outcome:
    """Accuracy of the representation, and what is used of the embedding of 64 dimensions, of every method."""
    runs = train_all(settings, jobs, size or usual_size(settings))
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    knn, linear = unseen_accuracies(settings, runs)
    words = ", ".join(f"{name} {mean(knn[name]):.1f} and {mean(linear[name]):.1f}" for name in runs)
    return Outcome(
        measured=f"Accuracy (%) of neighbors and of a linear probe: {words} ({settings.averaged}).",
        panels=(
            by_case("kNN accuracy of the representation", "test images (%)", knn),
            by_case("linear accuracy of the representation", "test images (%)", linear),
            by_case("effective rank of the embedding", f"dimensions of {WIDTH}", rank),
            kept_panel({name: used(rank[name], spread[name], WIDTH) for name in runs}),
        ),
        rows=by_seed("method", {KNN: knn, LINEAR: linear, RANK: rank, SPREAD: spread}),
    )


def not_behind(column: str, own: str, other: str, source: Source) -> Part:
    """The part that a method is less than half a point behind another."""
    return Part(
        says=f"{column}: {own} is less than {POINTS.least:g} points behind {other}",
        effect=lambda table: table.gain(column, own, over=other),
        margin=POINTS,
        source=source,
        kind="not behind",
    )


def fuller(own: str, other: str) -> Part:
    """The part that a method keeps more of its embedding, as `used` has it, than another; ours."""

    def more(table: Table) -> list[float]:
        ours, theirs = (used(table.of(RANK, case), table.of(SPREAD, case), WIDTH) for case in (own, other))
        return [a - b for a, b in zip(ours, theirs, strict=True)]

    return Part(says=f"{own} keeps more of its embedding than {other}", effect=more, margin=KEPT, source="ours")
