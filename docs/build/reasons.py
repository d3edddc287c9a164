"""Why claims of the papers did not hold: each suspected reason, and the experiment that would refute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fullrank.report.papers.gallery import effect

GRAY = "gray"
SO = {
    "held": "the reason stands",
    "undecided": "open",
    "reversed": "the reason is refuted",
    "failed": "the reason is refuted",
}


@dataclass(frozen=True)
class Reason:
    """What may have kept a claim from holding, and the part of a result that holds if it did.

    `at` is "gray", or the steps of a training in color; `part` is the beginning of what a part says, and by default
    the headline is asked.
    """

    says: str
    test: str
    at: str = GRAY
    part: str = ""


_SHORT = "150 steps are too short"
_NO_BLOCK = "`tiny` ends in no residual block, as the encoder of the paper does"
_LITTLE = "In gray little is left to learn, whatever the projector"
_RATE = "The learning rate grows with the batch, under AdamW"
_DRAWN = "The crops have blur, solarize and another scale, which the two views do not"
REASONS: dict[str, tuple[Reason, ...]] = {
    "corinfomax/competitive": (Reason(_SHORT, "corinfomax/competitive", "900"),),
    "corinfomax/forgetting": (
        Reason(
            "The authors' factor for small images looks back over hardly more than one batch, and a longer memory does "
            "more",
            "corinfomax/forgetting",
            part="at the factor 0.5",
        ),
    ),
    "corinfomax/training": (Reason(_SHORT, "corinfomax/training", "900"),),
    "directclr/heads": (Reason(_NO_BLOCK, "directclr/residual-heads", "150"),),
    "directclr/projector": (
        Reason(_NO_BLOCK, "directclr/residual-projector", "150"),
        Reason(_NO_BLOCK, "directclr/residual-projector", "900"),
        Reason(_SHORT, "directclr/projector", "900"),
    ),
    "directclr/residual-heads": (
        Reason(_LITTLE, "directclr/residual-heads", "150"),
        Reason(_SHORT, "directclr/residual-heads", "900"),
    ),
    "directclr/residual-projector": (Reason(_LITTLE, "directclr/residual-projector", "150"),),
    "hsr/energy": (Reason(_SHORT, "hsr/energy", "900"),),
    "hsr/equal-energy": (
        Reason(
            "What gives the rank is rows that share no direction, and orthogonality asks for these at less energy",
            "hsr/equal-energy",
            part="effective rank: higher with orthogonality",
        ),
    ),
    "hsr/few-labels": (Reason(_SHORT, "hsr/few-labels", "900"),),
    "hsr/separability": (Reason(_SHORT, "hsr/separability", "900"),),
    "intl/batch-size": (
        Reason(_RATE, "intl/learning-rate"),
        Reason(_RATE, "intl/learning-rate", "150"),
    ),
    "intl/beta-rule": (
        Reason(
            "The rule follows the logarithm of the batch, which makes up for a part of what the batch does",
            "intl/beta-rule",
            part="it varies less",
        ),
    ),
    "intl/competitive": (
        Reason("The probe's penalty is chosen too weak for the higher rank", "intl/probe", "150"),
        Reason(_SHORT, "intl/competitive", "900"),
        Reason(_SHORT, "intl/competitive", "4000"),
    ),
    "intl/condition": (
        Reason(
            "The published order of the products lets rounding errors grow, and another order of the same does not",
            "intl/condition",
            part="stable order, condition 100:",
        ),
    ),
    "intl/other-g": (
        Reason("A ridge of a tenth of the mean variance is too far from whitening", "intl/other-g", part="ridge 0.01"),
    ),
    "intl/output-variance": (
        Reason(
            "An eigenvalue starts at one part in D, and four steps multiply it by a constant: fewer dimensions reach 1",
            "intl/output-variance",
            part="after T = 4 steps 8 equal",
        ),
    ),
    "intl/power-images": (
        Reason("It is for the gray images, which vary in few directions", "intl/power-images", "150"),
    ),
    "intl/teacher-crops": (
        Reason(_DRAWN, "intl/crops-alike"),
        Reason(_DRAWN, "intl/crops-alike", "150"),
        Reason(_SHORT, "intl/teacher-crops", "900"),
    ),
    "w2/floor": (
        Reason("The closed form is of infinitely many dimensions and samples", "w2/floor", part="N/D = 16: 32"),
    ),
    "w2/hosts": (Reason("Equal weights are not equal forces", "w2/finer-weights"),),
    "w2/weights": (Reason("The straight line between two weights of W2 is below the curve", "w2/finer-weights"),),
}

SECTION = """## What did not hold, and why

Every claim that did not hold, in gray or in color, with the reason that was suspected and what was run to test it. The
test's headline, or another part of it, holds if the reason is right: then the reason stands, which is not a proof.
Where it came out the other way round, the reason is refuted.

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
        for at, reason in enumerate(REASONS[name]):
            part = asked(reason, places)
            cells = [f"`{name}`", came] if at == 0 else ["", ""]
            cells += [f"{reason.says}.", f"`{reason.test}`, {names[reason.at]}"]
            if part is None:
                cells += ["not run", "open"]
            else:
                cells += [f"{part['says']}: **{part['label']}**, {effect(part)}", SO[part["label"]]]
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return SECTION + "\n".join(lines) + "\n"


def unheld(places: Places) -> list[str]:
    """The claims that did not hold in one place at least, but for those that are tests of a reason themselves."""
    tests = {reason.test for reasons in REASONS.values() for reason in reasons if reason.test not in REASONS}
    failed = {name for found in places.values() for name, result in found.items() if result["verdict"] != "held"}
    return sorted(failed - tests)


def asked(reason: Reason, places: Places) -> Mapping[str, Any] | None:
    """The part of a result that tests a reason; None where it was not run."""
    result = places[reason.at].get(reason.test)
    return None if result is None else next(part for part in result["parts"] if part["says"].startswith(reason.part))
