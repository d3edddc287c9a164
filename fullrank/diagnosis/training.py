"""The verdict on a run: its last reading compared with its first, the backbone first and the embedding beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

import torch

from fullrank.diagnosis.diagnose import diagnose_sketch
from fullrank.diagnosis.judge import Verdict, judge_row
from fullrank.diagnosis.known import RISES, YOUNG, Known, since_start
from fullrank.diagnosis.loss_plateau import CONTRASTIVE
from fullrank.diagnosis.profiles import Profile, find_profile
from fullrank.diagnosis.report import Report
from fullrank.runs.probe import ProbeRows
from fullrank.stats.sketch import sketch

Layer = Literal["backbone", "embedding"]
Look = Mapping[str, Any]  # a monitor row of metrics.jsonl: step, epoch, knn, and the numbers of both layers
NO_PARTS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class RunVerdict:
    """The verdict that counts, of which layer it is, and that of the other layer."""

    where: Layer
    verdict: Verdict
    beside: Verdict

    @property
    def sentence(self) -> str:
        """Both in words, the one that counts first; one is enough where both are early."""
        if self.verdict.state == self.beside.state == "early":
            return self.verdict.sentence
        other = "embedding" if self.where == "backbone" else "backbone"
        return f"{self.where.capitalize()}: {self.verdict.sentence} {other.capitalize()}: {self.beside.sentence}"


def profile_of(recipe: str) -> Profile:
    """The profile of what a recipe trains."""
    return find_profile("contrastive" if recipe in CONTRASTIVE else "non-contrastive")


def looks_of(rows: Sequence[Look]) -> list[Look]:
    """The monitor rows among those of metrics.jsonl that hold the numbers of both layers."""
    needed = ("n", "dims", "effective_rank", "relative_spread", "mean_cosine")

    def whole(numbers: object) -> bool:
        return isinstance(numbers, Mapping) and all(isinstance(numbers.get(name), int | float) for name in needed)

    return [
        row for row in rows if row["kind"] == "monitor" and whole(row.get("backbone")) and whole(row.get("embedding"))
    ]


def judge_looks(looks: Sequence[Look], profile: Profile) -> RunVerdict:
    """Judge a run by its monitor rows, the last of which decides.

    The backbone leads, because it is what people use. Only an embedding that has become one point, while the backbone
    has not, goes before it, since nothing trains the backbone then. Rules that need pairs of rows or labels are not
    checked here; the end of a training, and `fullrank diagnose RUN`, check them by `judge_run`.

    >>> row = {"relative_spread": 0.9, "mean_cosine": 0.1, "effective_rank": 40.0, "participation_ratio": 30.0,
    ...        "rankme_centered": 50.0, "n": 500, "dims": 64}
    >>> judge_looks([{"step": 10, "epoch": 5.0, "backbone": row, "embedding": row}], find_profile("generic")).sentence
    'Too early to judge (10 steps, 5.0 passes over the data).'
    """

    def judged(layer: Layer, known: Known) -> Verdict:
        return judge_row(looks[-1][layer], profile, known=known)

    return both_layers(looks, judged)


def diagnose_run(
    kept: ProbeRows,
    looks: Sequence[Look],
    *,
    profile: Profile,
    source: str,
    parts: Mapping[str, float] = NO_PARTS,
    layer: Layer | None = None,
    seed: int = 0,
) -> Report:
    """The full report on the rows that a run kept of its last reading, of the layer that decides or the one asked for.

    The other layer's verdict is beside it. parts: those of the run, by `known.parts_of`, for the advice.
    """
    found, reports = judge_run(kept, looks, profile=profile, source=source, parts=parts, seed=seed)
    where = found.where if layer is None else layer
    other: Layer = "embedding" if where == "backbone" else "backbone"
    return replace(reports[where], beside=(other, reports[other].verdict, reports[other].sentence))


def judge_run(
    kept: ProbeRows,
    looks: Sequence[Look],
    *,
    profile: Profile,
    source: str,
    parts: Mapping[str, float] = NO_PARTS,
    seed: int = 0,
) -> tuple[RunVerdict, dict[Layer, Report]]:
    """The verdict on the rows that a run kept of its last reading, and the report on either layer.

    Every rule is checked, with what the monitor rows `looks` tell. source: the folder of the run.
    """
    labels = None if kept.labels is None else torch.from_numpy(kept.labels)
    reports: dict[Layer, Report] = {}

    def judged(of: Layer, known: Known) -> Verdict:
        z = torch.from_numpy(kept.backbone if of == "backbone" else kept.embedding)
        rows, dims = z.shape
        of_step = f"{rows:,} rows of {dims:,} dimensions (float32), the {of} at step {kept.step:,}"
        told = f", in {len(labels.unique()):,} classes" if labels is not None else ", without labels"
        made = diagnose_sketch(
            sketch([z], seed=seed),
            labels=labels,
            profile=profile.name,
            where=of,
            source=source,
            read_as=f"Read {source}/probe.npz: {of_step}{told}.",
            seed=seed,
            known=replace(known, numbers={**known.numbers, **parts}),
        )
        reports[of] = made
        return Verdict(made.verdict, made.kind, made.sentence, made.findings)

    return both_layers(looks, judged), reports


def over_training(
    looks: Sequence[Look], profile: Profile, layer: Layer | None = None, *, end: tuple[int, Report] | None = None
) -> list[dict[str, Any]]:
    """The verdict at every reading of the training's monitor, by the rules that its numbers can answer.

    end: a step, and the report on the rows that were kept of it, whose reading is judged by all rules.
    """
    rows: list[dict[str, Any]] = []
    for at in range(1, len(looks) + 1):
        found = judge_looks(looks[:at], profile)
        where = found.where if layer is None else layer
        judged, numbers = found.verdict if where == found.where else found.beside, looks[at - 1][where]
        if end is not None and looks[at - 1]["step"] == end[0]:
            made = end[1]
            judged, numbers = Verdict(made.verdict, made.kind, made.sentence), looks[at - 1][made.where]
            where = "backbone" if made.where == "backbone" else "embedding"
        rows.append(
            {
                "step": looks[at - 1]["step"],
                "where": where,
                "verdict": judged.state,
                "kind": judged.kind,
                "sentence": judged.sentence,
                **{name: numbers[name] for name in ("relative_spread", "mean_cosine", "effective_rank")},
            }
        )
    return rows


def both_layers(looks: Sequence[Look], judged: Callable[[Layer, Known], Verdict]) -> RunVerdict:
    """The verdicts of `judged` on backbone and embedding, with what the readings tell, the deciding one first."""
    backbone = judged("backbone", known_of(looks, "backbone"))
    embedding = judged("embedding", known_of(looks, "embedding", backbone=backbone))
    point = embedding.state == "collapsed" and embedding.kind == "complete"
    if point and backbone.state != "collapsed":
        return RunVerdict("embedding", embedding, backbone)
    return RunVerdict("backbone", backbone, embedding)


def known_of(looks: Sequence[Look], layer: Layer, *, backbone: Verdict | None = None) -> Known:
    """What the readings of a training tell about a layer at the last of them, compared with the untrained network."""
    numbers: dict[str, float] = {}
    if backbone is not None:
        numbers["backbone_healthy"] = float(backbone.state == "healthy")
    if not looks:
        return Known(of_run=True, numbers=numbers)
    first, last = looks[0], looks[-1]
    numbers["steps"] = float(last["step"])
    if first["step"] == 0 and last["step"] > 0:
        numbers |= since_start(first[layer], last[layer])
        if first.get("knn") is not None and last.get("knn") is not None:
            numbers["knn_since_start"] = last["knn"] - first["knn"]
    step = int(last["step"])
    passes = float(last.get("epoch") or 0.0)
    so_far = f"{step:,} step{'s' * (step != 1)}, {passes:.{2 if 0 < passes < 1 else 1}f} passes over the data"
    if step < YOUNG:
        return Known(of_run=True, young=so_far, numbers=numbers)
    rises = _rises(looks, layer)
    return Known(of_run=True, rising=None if rises is None else f"{so_far}, and {rises}", numbers=numbers)


def _rises(looks: Sequence[Look], layer: Layer) -> str | None:
    """The sentence that the rank of a layer is still rising, if it is."""
    step = int(looks[-1]["step"])
    half = next((look for look in reversed(looks[:-1]) if look["step"] <= step / 2 and look["step"] > 0), None)
    rank = looks[-1][layer]["effective_rank"]
    if half is not None and step < 5 * YOUNG and rank > RISES * half[layer]["effective_rank"]:
        return f"the rank is still rising: {half[layer]['effective_rank']:.1f} to {rank:.1f}"
    return None
