"""Why claims of the papers did not hold: each suspected reason, and the experiment that would refute it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from docs.build.papers.results import seeds_of
from docs.build.papers.words import row
from fullrank.papers import load
from fullrank.papers.kit.parts import Table, weigh
from fullrank.report.papers.gallery import effect

GRAY = "gray"
SO = {
    "held": "the reason stands",
    "undecided": "open",
    "reversed": "the reason is refuted",
    "failed": "the reason is refuted",
}
_IN_COLOR = "In color "
_NEARER = {False: "more", True: "nearer to level"}


@dataclass(frozen=True)
class Reason:
    """What may have kept a claim from holding, and the part of a result that holds if it did.

    `at` is "gray", or a budget in color; `part` is the beginning of what a part says, and by default the headline is
    asked. `control` is where the effect must be smaller, seed by seed, lest the part held for another reason.
    """

    says: str
    test: str
    at: str = GRAY
    part: str = ""
    control: str = ""


_NO_BLOCK = "`tiny` ends in no residual block, as the encoder of the paper does"
_RATE = "The learning rate that grows with the batch is too high for the largest, under AdamW"
_DRAWN = "The crops have blur, solarize and another scale, which the two views do not"


def _short(name: str, budget: str = "900") -> Reason:
    return Reason(f"{_IN_COLOR}150 steps are too short", name, budget, control="arrays")


REASONS: dict[str, tuple[Reason, ...]] = {
    "corinfomax/competitive": (
        _short("corinfomax/competitive"),
        _short("corinfomax/competitive", "4000"),
    ),
    "corinfomax/dimension": (
        _short("corinfomax/dimension"),
        _short("corinfomax/dimension", "4000"),
    ),
    "corinfomax/forgetting": (
        Reason(
            "The authors' factor for small images looks back over hardly more than one batch, and a longer memory does "
            "more",
            "corinfomax/forgetting",
            part="at the factor 0.5",
        ),
    ),
    "corinfomax/small-batch": (
        Reason(
            "The gradient of a batch alone is nearer to the true one with a quarter as many samples as dimensions than "
            "with half as many, which leaves a memory less to add",
            "corinfomax/small-batch",
            part="N/D = 0.5: with the factor 0.9",
        ),
    ),
    "corinfomax/training": (_short("corinfomax/training"),),
    "directclr/heads": (
        Reason(_NO_BLOCK, "directclr/residual-heads"),
        Reason(_NO_BLOCK, "directclr/residual-heads", "150"),
        Reason(_NO_BLOCK, "directclr/residual-heads", "arrays"),
        Reason(_NO_BLOCK, "directclr/residual-heads", "900"),
        Reason(_NO_BLOCK, "directclr/residual-heads", "4000"),
        _short("directclr/heads"),
        _short("directclr/heads", "4000"),
    ),
    "directclr/projector": (
        Reason(_NO_BLOCK, "directclr/residual-projector"),
        Reason(_NO_BLOCK, "directclr/residual-projector", "150"),
        Reason(_NO_BLOCK, "directclr/residual-projector", "arrays"),
        Reason(_NO_BLOCK, "directclr/residual-projector", "900"),
        Reason(_NO_BLOCK, "directclr/residual-projector", "4000"),
        _short("directclr/projector"),
        _short("directclr/projector", "4000"),
    ),
    "directclr/residual-heads": (
        _short("directclr/residual-heads"),
        _short("directclr/residual-heads", "4000"),
    ),
    "directclr/residual-projector": (
        _short("directclr/residual-projector"),
        _short("directclr/residual-projector", "4000"),
    ),
    "hsr/energy": (_short("hsr/energy"),),
    "hsr/equal-energy": (
        Reason(
            "Orthogonality raises the rank as the energy does",
            "hsr/equal-energy",
            part="effective rank: higher with orthogonality",
        ),
    ),
    "hsr/few-labels": (_short("hsr/few-labels"),),
    "hsr/separability": (
        _short("hsr/separability"),
        _short("hsr/separability", "4000"),
    ),
    "intl/batch-size": (
        Reason(_RATE, "intl/learning-rate"),
        Reason(_RATE, "intl/learning-rate", "arrays"),
        _short("intl/batch-size"),
        _short("intl/batch-size", "4000"),
    ),
    "intl/beta-rule": (
        Reason(
            "The rule follows the logarithm of the batch, which makes up for a part of what the batch does",
            "intl/beta-rule",
            part="it varies less",
        ),
    ),
    "intl/competitive": (
        Reason(f"{_IN_COLOR}the probe's penalty is chosen too weak for the higher rank", "intl/probe", "150"),
        _short("intl/competitive"),
        _short("intl/competitive", "4000"),
    ),
    "intl/condition": (
        Reason(
            "The published order of the products lets rounding errors grow, and another order of the same does not",
            "intl/condition",
            part="stable order, condition 100:",
        ),
    ),
    "intl/output-variance": (
        Reason(
            "Each of D equal eigenvalues starts at one part in D, and four steps raise it by a bounded factor, enough "
            "where D is small",
            "intl/output-variance",
            part="after T = 4 steps 8 equal",
        ),
    ),
    "intl/teacher-crops": (
        Reason(_DRAWN, "intl/crops-alike"),
        Reason(_DRAWN, "intl/crops-alike", "150"),
        _short("intl/teacher-crops"),
        _short("intl/teacher-crops", "4000"),
    ),
    "w2/floor": (Reason("32 dimensions are few", "w2/floor", part="N/D = 4: 128 and 512"),),
    "w2/hosts": (
        Reason(
            "Equal weights are not equal forces, so that W2 is not behind beside BYOL, where both leave the views "
            "nearly equally well aligned",
            "w2/hosts",
            part="kNN (%): higher with BYOL + W2 than with BYOL + Wang",
        ),
        _short("w2/hosts"),
        _short("w2/hosts", "4000"),
    ),
    "w2/weights": (
        Reason(
            "In gray the straight line between two weights of W2 is below the curve, and without it W2 is not behind",
            "w2/finer-weights",
        ),
    ),
}

SECTION = """## What did not hold, and why

Every claim that did not hold, in gray or in color, but for those that test a reason themselves, with the reason that
was suspected and a test of it: if the reason is right, the headline of the test holds, or the part that is named.

- **The reason stands** where the test held, which is not a proof, and is **refuted** where it came out the other way
  round. A reason with several tests in gray, or in color, is either only where all of them agree.
- **It fits** where the test held and is a part of the same result, which was known when the reason was written.
- "Too short" stands only where more steps have a larger effect than 150 steps of the same images, seed by seed: that
  the one held and the other did not may be for the width of the intervals alone.
- All else is **open**.

| experiment | came out | suspected reason | its test | which came out | so |
|---|---|---|---|---|---|
"""

Places = Mapping[str, Mapping[str, Mapping[str, Any]]]


def section(places: Places, names: Mapping[str, str]) -> str:
    """The section of the page, from the results by place and experiment; `names` has the words for every place."""
    lines = []
    for name in unheld(places):
        came = "; ".join(
            f"{names[place]}: {found[name]['verdict']}" for place, found in places.items() if name in found
        )
        judged = [_judged(name, reason, places) for reason in REASONS[name]]
        for at, (reason, (which, own)) in enumerate(zip(REASONS[name], judged, strict=True)):
            same = reason.test == name and reason.at == GRAY
            cells = [f"`{name}`", came] if at == 0 else ["", ""]
            cells += [f"{reason.says}.", "the same result" if same else f"`{reason.test}`, {names[reason.at]}", which]
            alike = [so for other, (_, so) in zip(REASONS[name], judged, strict=True) if _alike(other, reason)]
            agree = len({so.split(":")[0] for so in alike}) == 1
            cells.append(own if agree or own.startswith("open") else f"open, as the tests differ; by this one {own}")
            lines.append(row(cells))
        if name in places[GRAY] and places[GRAY][name]["verdict"] != "held" and _only_in_color(REASONS[name]):
            lines.append(row(["", "", "In gray none is suspected.", "", "", "open"]))
    return SECTION + "\n".join(lines) + "\n"


def _only_in_color(reasons: Sequence[Reason]) -> bool:
    return all(reason.says.startswith(_IN_COLOR) for reason in reasons)


def _alike(one: Reason, other: Reason) -> bool:
    """Whether two tests are of the same reason, both in gray or both in color."""
    return one.says == other.says and (one.at == GRAY) == (other.at == GRAY)


def _judged(name: str, reason: Reason, places: Places) -> tuple[str, str]:
    """What came out of the test of a reason why the claim `name` did not hold, and what that makes of the reason."""
    part = asked(reason, places)
    if part is None:
        return "not run", "open"
    so = SO[part["label"]]
    if reason.control and part["label"] == "held":
        so = beside_fewer_steps(reason, places)
    elif part["label"] == "held" and (reason.test, reason.at) == (name, GRAY):
        so = "it fits"
    return f"{part['says']}: **{part['label']}**, {effect(part)}", so


def beside_fewer_steps(reason: Reason, places: Places) -> str:
    """Whether the effect of a part that held is larger than in the control, by the seeds that both have."""
    fewer = asked(replace(reason, at=reason.control), places)
    if fewer is None:
        return "open: no control"
    if fewer["label"] == "held":
        return "open: it held with fewer steps, too"
    results = [places[at][reason.test] for at in (reason.at, reason.control)]
    seeds = set.intersection(*(set(seeds_of(result)) for result in results))
    if len(seeds) < 2:
        return "open: no two seeds in common"
    part = next(part for part in load(reason.test).parts if part.says.startswith(reason.part))
    more, less = (part.effect(Table([row for row in one["rows"] if row["seed"] in seeds])) for one in results)
    if part.kind == "level":
        more, less = ([-abs(value) for value in values] for values in (more, less))
    grew = weigh([a - b for a, b in zip(more, less, strict=True)], "more", 0.0)
    by = f"{grew.effect:.3g} [{grew.low:.3g}, {grew.high:.3g}] {_NEARER[part.kind == 'level']} than after 150"
    return f"the reason stands: {by}" if grew.label == "held" else f"open: {by}"


def unheld(places: Places) -> list[str]:
    """The claims that did not hold in one place at least, but for those that are tests of a reason themselves."""
    failed = {name for found in places.values() for name, result in found.items() if result["verdict"] != "held"}
    return sorted(failed - tests_of_reasons())


def tests_of_reasons() -> set[str]:
    """The experiments that were made to test a reason, and nothing else."""
    return {reason.test for reasons in REASONS.values() for reason in reasons if reason.test not in REASONS}


def asked(reason: Reason, places: Places) -> Mapping[str, Any] | None:
    """The part of a result that tests a reason; None where it was not run."""
    result = places[reason.at].get(reason.test)
    return None if result is None else next(part for part in result["parts"] if part["says"].startswith(reason.part))
