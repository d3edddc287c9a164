"""What came out, counted: by paper and place, by source of the parts, and which trainings stand in several claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from docs.build.papers.reasons import tests_of_reasons
from docs.build.papers.results import BUDGETS, PLACES, Result, Results, trains
from docs.build.papers.words import row
from fullrank.papers.kit.parts import Source
from fullrank.report.papers.gallery import VERDICTS

PAPERS = {
    "w2": "W2 uniformity (Fang et al.)",
    "intl": "INTL (Weng et al.)",
    "corinfomax": "CorInfoMax (Ozsoy et al.)",
    "directclr": "DirectCLR (Jing et al.)",
    "hsr": "HSR-BYOL (Durrant & Leontidis)",
    "ours": "ours, of what they do not say",
    "reasons": "ours, tests of suspected reasons",
}
SOURCES: dict[Source, str] = {
    "abstract": "that an abstract says",
    "paper": "that a paper says elsewhere",
    "code": "that official code stands for",
    "ours": "of ours",
}
SHARED = (  # experiments of which each trains the same recipe with the same settings and seeds as another of its group
    (
        *("corinfomax/ablation", "corinfomax/competitive", "corinfomax/dimension", "corinfomax/log-determinant"),
        *("corinfomax/no-batch-norm", "corinfomax/training", "intl/competitive", "intl/probe"),
        *("hsr/energy", "hsr/energy-kinds", "hsr/few-labels", "hsr/layers", "hsr/separability", "hsr/uniformity"),
    ),
    ("directclr/heads", "directclr/projector", "directclr/sub-vector"),
    ("directclr/residual-heads", "directclr/residual-projector", "directclr/residual-sub-vector"),
    ("intl/batch-size", "intl/learning-rate"),
    ("intl/collapse", "intl/iterations", "intl/weight"),
    ("intl/crops-alike", "intl/teacher-crops"),
    ("w2/finer-weights", "w2/weights"),
)
_WRONG = ("reversed", "failed")


def summary(gray: Results, places: Mapping[str, Results]) -> str:
    """The section of all counts."""
    hours = sum(result["cpu_seconds"] for result in gray.values()) / 3600
    theirs = sum(_whose(name, one) in ("ours", "reasons") for name, one in gray.items())
    return (
        f"## What came out\n\n"
        f"Headlines, by whose claim they are: {len(gray) - theirs} of {len(gray)} are said by a paper, its abstract or "
        f"its code, and {theirs} are ours.\n\n"
        f"{_by_paper(gray, places)}\n"
        "The columns of 900 and 4,000 steps are of claims that did not hold after 150, with files or in memory, and so "
        "of the harder ones. No column corrects another: what was decided after 150 steps and is undecided after 4,000 "
        "has not been refuted, for three seeds differ as much there.\n\n"
        f"All parts in gray and without images, by who says them:\n\n{_by_source(gray)}\n"
        f"{_above_the_margin(gray)}\n\n"
        "A claim is more than its headline. Beside these headlines other parts were reversed, or failed; in color "
        "those are listed that a paper, an abstract or code says:\n\n"
        f"{_beside_headlines(gray, places)}\n"
        f"{_shared(gray)}\n\n"
        f"All without images and in gray took {hours:.1f} hours of one CPU core.\n"
    )


def _whose(name: str, result: Result) -> str:
    """Whose the headline is: of the paper that the experiment is about, or ours."""
    if name in tests_of_reasons():
        return "reasons"
    return "ours" if result["parts"][0]["source"] == "ours" else name.split("/")[0]


def _by_paper(gray: Results, places: Mapping[str, Results]) -> str:
    """Verdicts by paper and place."""
    columns: dict[str, Mapping[str, Result]] = {
        "without images": {name: one for name, one in gray.items() if not trains(name)},
        "gray": {name: one for name, one in gray.items() if trains(name)},
        **{PLACES[budget]: places[budget] for budget in BUDGETS},
    }
    lines = [row(["headlines of", *columns]), "|---|" + "---|" * len(columns)]
    for key, title in {**PAPERS, "": "all"}.items():
        cells = [
            count(one["verdict"] for name, one in column.items() if not key or _whose(name, one) == key)
            for column in columns.values()
        ]
        lines.append(row([title, *cells]))
    return "\n".join(lines) + "\n"


def _by_source(gray: Results) -> str:
    parts = [part for one in gray.values() for part in one["parts"]]
    lines = [row(["parts", *VERDICTS]), "|---|" + "---|" * len(VERDICTS)]
    for source, title in [*SOURCES.items(), ("", "all")]:
        found = Counter(part["label"] for part in parts if source in ("", part["source"]))
        lines.append(row([title, *(str(found[label]) for label in VERDICTS)]))
    return "\n".join(lines) + "\n"


def _above_the_margin(gray: Results) -> str:
    """Of how many held parts the whole interval is above the margin, and not the mean alone."""
    held = [
        part
        for one in gray.values()
        for part in one["parts"]
        if part["label"] == "held" and part["kind"] in ("more", "above") and part["margin"] > 0
    ]
    above = sum(part["low"] >= part["margin"] for part in held)
    return (
        f"Of the {len(held)} held parts that ask for more than a margin, {above} have their whole interval above it; "
        f"the other {len(held) - above} have the mean above it, and the interval above zero."
    )


def _beside_headlines(gray: Results, places: Mapping[str, Results]) -> str:
    """The parts beside the headline that were reversed or failed, by place and claim: three of each, ours last."""
    lines = []
    for place, results in {"gray": gray, **places}.items():
        for name, one in results.items():
            wrong = [part for part in one["parts"][1:] if part["label"] in _WRONG]
            wrong.sort(key=lambda part: part["source"] == "ours")
            if wrong:
                said = "; ".join(f"{part['says']} ({part['label']}, {part['source']})" for part in wrong[:3])
                more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
                where = PLACES[place] if trains(name) else "no images"
                lines.append(f"- `{name}`, {where}, headline {one['verdict']}: {said}{more}")
    return "\n".join(lines) + "\n"


def _shared(gray: Results) -> str:
    """Which experiments have trainings in common."""
    said = "; ".join(", ".join(f"`{name}`" for name in group) for group in SHARED)
    images = sum(map(trains, gray))
    sets = images - sum(len(group) - 1 for group in SHARED)
    return (
        "The same training, with the same seed, is a case of several experiments, so that their verdicts are not "
        f"independent; each of these shares one with another of its group: {said}. The {images} claims about trainings "
        f"stand on {sets} sets of them."
    )


def count(verdicts: Iterable[str]) -> str:
    """How many of which verdict.

    >>> count(["held", "undecided", "held"])
    '2 held, 1 undecided'
    """
    found = Counter(verdicts)
    return ", ".join(f"{found[label]} {label}" for label in VERDICTS if found[label])
