"""Writes docs/results/bench/README.md from the cells of the bench: `python -m docs.build.bench`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

from benchmarks.bench.images import JUDGES
from docs.build import search, selection
from docs.build.agreement import agreement
from docs.build.numbers import verdicts, with_interval
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.profiles import PROFILES
from fullrank.papers.kit.parts import interval

RESULTS = Path(__file__).parents[1] / "results" / "bench"
SET, SEARCH, GRAY = "sprites-32", "sprites-32-search", "fashion-mnist"
Cell = Mapping[str, Any]

HEADER = """# All recipes at equal processor time, in color

`python -m benchmarks.sets sprites-32 --out SETS`, then `python -m benchmarks.bench --images SETS/sprites-32 --packages
SETS --out docs/results/bench/sprites-32 --seconds {seconds:g} --seeds {seeds}`: every recipe with its defaults, the
`tiny` encoder, {train:,} color sprites of {size} px without labels. {seconds:g} seconds of one core for the steps of
each training is **very short**, {fewest} to {most} steps: it says what a recipe does first, not where it ends. A step
of a recipe is timed once, and all its seeds take the same number of steps; the training then took {middle:.1f}
processor seconds in the median, {least:.1f} to {longest:.1f} in all. The whole bench took {minutes:.0f} minutes of one
core. Seeds were run on different days on a shared machine: the recipes' median of images per processor second is
{paces}.

{peers}
Accuracy is on {test:,} sprites of figures that no training saw: 20 nearest neighbors among the training images, and a
linear probe whose penalty is chosen on a fifth of the training images, frames of figures of which the probe learns
others: it may be chosen too weak. Nothing was chosen by the test images. Brackets and what stands behind ± are the 95 %
interval of Student's t over the seeds, which says nothing about other test images (their standard error is 0.016);
cells with one seed have none. Rank (effective), spread (relative) and W2 (0 is uniform) are means over the seeds, of
{looked:,} training images. "It is" has what the rules of `fullrank diagnose` say today of these numbers, for all seeds,
with the kinds; what it said on the day of the run is in the files. {older} cells lack numbers of their spectra that
rules ask for since, without which more is undetermined. Most of these recipes cannot be told apart.

Each cell is a file of [{set}]({set}), which `benchmarks/bench` writes; a bench that was stopped goes on.
`make docs` writes this page, and a test holds it to the files.
"""

PEERS = {
    "lightly_simclr": "lightly's SimCLR",
    "lightly_byol": "lightly's BYOL",
    "lightly_barlow_twins": "lightly's Barlow Twins",
    "lightly_vicreg": "lightly's VICReg",
}
LIGHTLY = """
Rows of lightly are its losses and heads with its own defaults, behind our encoder, views, batches, optimizer and
schedule (`pip install lightly`, or the extra `peers`). Nobody chose settings for these images, theirs or ours. They
take as many steps as ours, divided by the cost of their step relative to ours, timed in turn: {ratios}.
"""
MARKS = {
    "pixels": "raw pixels",
    "untrained": "`tiny`, untrained",
    "supervised": "`tiny`, trained on the labels for as long",
    "imagenet": "EfficientNet-lite0 of ImageNet, images enlarged to 96 px",
}

AGREEMENT = """## Do label-free numbers predict accuracy?

Kendall's tau-b over the recipes above, with the 95 % bootstrap interval over recipes: 1 is the same order, -1 the
opposite one, 0 none. **Across** orders the means of {recipes} recipes, the control without anything against collapse
(`invariance`) included. **Within** orders trainings of one recipe, which here differ in the seed alone: nothing of it
says whether a number helps to choose a setting, which the next section asks. W2, uniformity and the decay exponent are
low where features are spread; the others are high. LiDAR takes 128 images in 8 views. The verdict counts collapsed,
degraded, healthy as 0, 1, 2, without the undetermined; a dash says that too few recipes have two verdicts. After so
short a training these numbers are published as they came out; a bold one has an interval without 0, as one in twenty
has by chance. LiDAR of the backbone orders recipes the wrong way round; why was not looked into.

| number | of | kNN, across | linear, across | kNN, within | linear, within |
|---|---|---|---|---|---|
"""

GRAY_TEXT = """## In gray: Fashion-MNIST

`python -m benchmarks.bench --images fashion-mnist --size 28 --out docs/results/bench/{set} --seconds {seconds:g}
--seeds {seeds}`: the same, with {train:,} training images of clothes, of which {judges:,} judge {test:,} test images.
Pixels already separate these classes well, so that little is left for a training of {seconds:g} seconds to show.
The verdicts are again those of today's rules; {older} cells lack the same numbers.

"""

NUMBERS = {
    "effective_rank": "effective rank",
    "rankme": "RankMe",
    "participation_ratio": "participation ratio",
    "nesum": "NESum",
    "decay_exponent": "decay exponent (alpha-ReQ)",
    "lidar": "LiDAR",
    "w2_uniformity": "W2",
    "uniformity": "uniformity",
    "relative_spread": "relative spread",
    "verdict": "the judge's verdict",
}
_SPACES = ("backbone", "embedding")
_LOW_IS_SPREAD = ("decay_exponent", "w2_uniformity", "uniformity")
_STATES = {"collapsed": 0.0, "degraded": 1.0, "healthy": 2.0}


def page() -> str:
    """The whole of docs/results/bench/README.md."""
    about, cells = read(RESULTS / SET)
    recipes = [cell for cell in cells if cell["of"] == "recipe"]
    steps, seconds = [cell["steps"] for cell in recipes], [cell["cpu_seconds"] for cell in recipes]
    head = HEADER.format(
        **about,
        set=SET,
        seeds=1 + max(cell["seed"] for cell in cells),
        fewest=min(steps),
        most=max(steps),
        least=min(seconds),
        middle=median(seconds),
        longest=max(seconds),
        minutes=sum(cell["cpu_seconds_of_the_cell"] for cell in cells) / 60,
        looked=recipes[0]["backbone"]["n"],
        older=_older(cells),
        paces=_paces(recipes),
        peers=_lightly() if any(cell["of"] == "peer" for cell in cells) else "",
    )
    return "\n".join(
        [
            head,
            _table(cells, SET),
            AGREEMENT.format(recipes=len(_by_name(recipes))) + _agreements(recipes) + _settings(cells),
            search.section(*read(RESULTS / SEARCH), SEARCH, NUMBERS, _score),
            _gray(),
        ]
    )


def _gray() -> str:
    """The bench of Fashion-MNIST."""
    about, cells = read(RESULTS / GRAY)
    seeds = 1 + max(cell["seed"] for cell in cells)
    text = GRAY_TEXT.format(**about, judges=JUDGES, set=GRAY, seeds=seeds, older=_older(cells))
    return text + _table(cells, GRAY)


def _older(cells: Sequence[Cell]) -> str:
    """Which cells were measured before all that the rules ask for."""
    older = sum("signal_rank" not in cell["backbone"] for cell in cells)
    return f"All {older}" if older == len(cells) else f"{older} of the {len(cells)}"


def _lightly() -> str:
    """What the rows of lightly are, with the costs of their steps."""
    timed = {name: json.loads((RESULTS / SET / "cost" / f"{name}.json").read_text(encoding="utf-8")) for name in PEERS}
    ratios = {name: of["seconds_of_a_step"] / of["seconds_of_our_step"] for name, of in timed.items()}
    return LIGHTLY.format(ratios=", ".join(f"{ratio:.2f} ({PEERS[name]})" for name, ratio in ratios.items()))


def _paces(cells: Sequence[Cell]) -> str:
    """Images per processor second by seed, so that a reader sees whether the seeds had the same machine."""
    found = [
        (
            seed,
            median(cell["steps"] * cell["batch_size"] / cell["cpu_seconds"] for cell in cells if cell["seed"] == seed),
        )
        for seed in sorted({cell["seed"] for cell in cells})
    ]
    return ", ".join(f"{pace:,.0f} with seed {seed}" for seed, pace in found)


def read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the bench is of, and all of its cells, with the verdicts of today's rules on their numbers."""
    about = json.loads((folder / "bench.json").read_text(encoding="utf-8"))
    cells = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*-*.json"))]
    return about, [cell | {space: _judged(cell, space) for space in _SPACES if space in cell} for cell in cells]


def _judged(cell: Cell, space: str) -> dict[str, Any]:
    numbers = {key: value for key, value in cell[space].items() if isinstance(value, int | float)}
    verdict = judge_row(numbers, PROFILES[cell["profile"]])
    return {**cell[space], "verdict": verdict.state, "kind": verdict.kind}


def _by_name(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell["name"], []).append(cell)
    return found


_SAID = ("backbone: rank, spread, W2", "it is", "embedding: rank, spread, W2", "it is")
_COLUMNS = ("", "seeds", "steps", "kNN", "linear", *_SAID)
_HEAD = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


def _table(cells: Sequence[Cell], of: str) -> str:
    rows = _by_name(cells)
    trained = sorted((name for name in rows if name not in MARKS), key=lambda name: -_mean(rows[name], "knn"))
    marks = [name for name in MARKS if name in rows]
    return "\n".join([_HEAD, *(_row(name, rows[name], of) for name in [*marks, *trained])]) + "\n"


def _row(name: str, cells: Sequence[Cell], of: str) -> str:
    files = " ".join(f"[{cell['seed']}]({of}/{name}-{cell['seed']}.json)" for cell in cells)
    said = [(MARKS | PEERS).get(name, f"`{name}`"), files, str(cells[0].get("steps", "")), _accuracy(cells, "knn")]
    said.append(_accuracy(cells, "linear"))
    for space in _SPACES:
        known = [cell[space] for cell in cells if space in cell]
        keys = ("effective_rank", "relative_spread", "w2_uniformity")
        said.append(", ".join(_around(known, key) for key in keys) if known else "")
        said.append(verdicts(known))
    return f"| {' | '.join(said)} |"


def _around(cells: Sequence[Cell], key: str) -> str:
    """The mean over seeds, and half of its interval."""
    ends = interval([float(cell[key]) for cell in cells])
    return f"{_mean(cells, key):.3g}" + (f" ± {(ends[1] - ends[0]) / 2:.2g}" if ends else "")


def _mean(cells: Sequence[Cell], key: str) -> float:
    return mean(float(cell[key]) for cell in cells)


def _accuracy(cells: Sequence[Cell], key: str) -> str:
    return with_interval([float(cell[key]) for cell in cells], 3)


def _agreements(cells: Sequence[Cell]) -> str:
    return "\n".join(_agreement(cells, space, name) for space in _SPACES for name in NUMBERS) + "\n"


def _agreement(cells: Sequence[Cell], space: str, name: str) -> str:
    known = [cell for cell in cells if _number(cell[space].get(name)) is not None]
    x = [_number(cell[space][name]) or 0.0 for cell in known]
    said = [NUMBERS[name], space]
    for within in (False, True):
        for accuracy in ("knn", "linear"):
            y = [float(cell[accuracy]) for cell in known]
            said.append(selection.said(*agreement(x, y, [cell["name"] for cell in known], within=within)))
    return f"| {' | '.join(said)} |"


def _number(value: object) -> float | None:
    if isinstance(value, str):
        return _STATES.get(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _settings(cells: Sequence[Cell]) -> str:
    """Whether the numbers choose among settings of one recipe."""
    recipes = _by_name(cell for cell in cells if cell["of"] == "recipe")
    untrained = [cell for cell in cells if cell["name"] == "untrained"]
    rows = []
    for key, name in NUMBERS.items():
        if key in untrained[0]["backbone"]:
            found = selection.against_no_training(recipes, untrained, partial(_score, "backbone", key))
            rows.append(f"| {name} | backbone | {found} |")
    before = _mean(untrained, "knn")
    better = sum(_mean(of, "knn") > before for of in recipes.values())
    counts = {"recipes": len(recipes), "better": better}
    return "\n" + selection.TEXT.format(gray=selection.gray(), color="\n".join(rows), **counts)


def _score(space: str, key: str, cell: Cell) -> float:
    found = _number(cell[space].get(key))
    return math.nan if found is None else -found if key in _LOW_IS_SPREAD else found


if __name__ == "__main__":
    (RESULTS / "README.md").write_text(page(), encoding="utf-8")
