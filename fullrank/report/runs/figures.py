"""The figures of the report: what is drawn of which run, and the sentence that tells how to read it.

A run is its number: a color, and the digit at the end of its lines. Names can be anyone's text, so they stay
in the legend of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fullrank.report.draw.lines import Line, Panel, column, panel, spectrum
from fullrank.report.draw.scatter import cloud, edge_words, largest
from fullrank.report.draw.svg import INK, OTHER, SERIES, variable
from fullrank.runs.run import Run

STEPS = 6  # spectra of one run
LINES = 17  # eigenvalues of one spectrum, where they are drawn over the steps


@dataclass(frozen=True)
class Key:
    """One entry of a legend; line is "solid", "dashed" or "dotted" (dots, not lines)."""

    text: str
    color: str
    line: str = "solid"
    opacity: float = 1.0
    number: str = ""


@dataclass(frozen=True)
class Plot:
    """A figure of the page."""

    id: str
    title: str
    caption: str
    keys: Sequence[Key]
    panels: Sequence[Panel]


def run_keys(labels: Sequence[str]) -> list[Key]:
    """The legend of the runs, numbered when there are several."""
    return [
        Key(label, variable(SERIES[at]), number=str(at + 1) if len(labels) > 1 else "")
        for at, label in enumerate(labels)
    ]


SPACES = (Key("embedding", variable(INK)), Key("backbone", variable(INK), line="dashed"))


def losses(runs: Sequence[Run], labels: Sequence[str]) -> Plot | None:
    """The loss and each of its terms over the steps."""
    steps = [column(record.step for record in run.train) for run in runs]
    totals = [column(record.loss for record in run.train) for run in runs]
    lines = [Line(x, y, at) for at, (x, y) in enumerate(zip(steps, totals, strict=True))]
    found = [panel("loss", "loss", "value (no unit)", lines)]
    several = (record.terms for run in runs for record in run.train if [*record.terms.values()] != [record.loss])
    names = dict.fromkeys(name for terms in several for name in terms)  # a loss that is its one term is drawn already
    for index, name in enumerate(names):
        terms = [column(record.terms.get(name) for record in run.train) for run in runs]
        lines = [Line(x, y, at) for at, (x, y) in enumerate(zip(steps, terms, strict=True))]
        found.append(panel(f"term{index}", f"term: {name}", "value (no unit)", lines))
    caption = (
        "What is minimized, and its terms before they are weighted: a falling loss proves nothing by itself,"
        " since some losses also fall while the representation collapses."
    )
    return _plot("losses", "Loss", caption, run_keys(labels), found)


def collapse(runs: Sequence[Run], labels: Sequence[str]) -> Plot | None:
    """Relative spread, effective rank and W2 over the steps, at backbone and embedding."""
    found = [
        _metric(runs, "relative_spread", "relative spread", "0 (all embeddings equal) to 1", (-0.02, 1.04)),
        _metric(runs, "effective_rank", "effective rank", "dimensions", (0, None)),
        _metric(runs, "w2_uniformity", "W2 uniformity", "distance to uniform (no unit)", (0, None)),
    ]
    caption = (
        "Read spread and rank together: the rank is scale-free and can look high in a complete collapse, where"
        " the spread falls to 0, while in a dimensional collapse the spread stays and the rank falls."
    )
    return _plot("collapse", "Spread, rank and uniformity", caption, [*run_keys(labels), *SPACES], found)


def _metric(
    runs: Sequence[Run], name: str, title: str, unit: str, limits: tuple[float | None, float | None]
) -> Panel | None:
    lines = [
        Line(
            column(record.step for record in run.monitor),
            column(getattr(record, space).get(name) for record in run.monitor),
            at,
            dashed=space == "backbone",
        )
        for at, run in enumerate(runs)
        for space in ("embedding", "backbone")
    ]
    return panel(name, title, unit, lines, limits=limits)


def knn(runs: Sequence[Run], labels: Sequence[str]) -> Plot | None:
    """kNN accuracy over the steps."""
    lines = [
        Line(
            column(record.step for record in run.monitor),
            100 * column(record.knn for record in run.monitor),
            at,
        )
        for at, run in enumerate(runs)
    ]
    caption = (
        "How often an image's nearest neighbors name its class: a curve that bends down late is a warning that"
        " no loss shows, and the labels are used here only, never in training."
    )
    found = [panel("knn", "kNN accuracy", "% of the probe images", lines)]
    return _plot("knn", "Nearest-neighbor accuracy", caption, run_keys(labels), found)


def mutual_information(runs: Sequence[Run], labels: Sequence[str]) -> Plot | None:
    """How much one view of an image tells about the other, over the steps, beside what chance alone shows."""
    lines = [
        Line(
            column(record.step for record in run.monitor),
            column(record.embedding.get(name) for record in run.monitor),
            at,
            dashed=name != "ldmi",
        )
        for at, run in enumerate(runs)
        for name in ("ldmi", "ldmi_by_chance")
    ]
    keys = [Key("views of one image", variable(INK)), Key("views of two images", variable(INK), line="dashed")]
    caption = (
        "How much two views of one image tell about each other, by the log-determinants of their covariances, 4 I / D:"
        " 0 at one point or where the views share nothing, and the dashed line is what so few images show by chance."
    )
    found = [panel("ldmi", "mutual information", "4 I / D (nats)", lines, limits=(0, None))]
    return _plot("ldmi", "Mutual information of two views", caption, [*run_keys(labels), *keys], found)


def watched_spectra(run: Run, index: int, label: str) -> Plot | None:
    """What else has a spectrum, like a running covariance: some of its eigenvalues over the steps of one run."""
    if run.spectra is None:
        return None
    found = []
    for at, (name, values) in enumerate(run.spectra.others.items()):
        dims = values.shape[1]
        chosen = np.unique(np.linspace(0, dims - 1, LINES).round().astype(int))
        positive = np.where(values > 0, values, np.nan)
        lines = [Line(run.spectra.steps, positive[:, rank], index, opacity=0.7) for rank in chosen]
        title = name.replace("_", " ")
        found.append(panel(f"watched{index}-{at}", title, "eigenvalue (variance)", lines, log=True, level=1 / dims))
    keys = [
        Key(f"eigenvalues, at most {LINES} of D", variable(SERIES[index])),
        Key("1 / D: all D alike", variable(INK), line="dashed"),
    ]
    caption = (
        "What the loss itself keeps, eigenvalue by eigenvalue: where the lines close in on the dashed one, embeddings"
        " of unit length use every dimension alike, and a line that goes on falling is a dimension that dies."
    )
    return _plot(f"watched{index}", f"Eigenvalues over training: {label}", caption, keys, found)


def training_spectra(run: Run, index: int, label: str) -> Plot | None:
    """Both spectra of one run at some of its steps, in the run's color, faint to full."""
    if run.spectra is None:
        return None
    last = len(run.spectra.steps) - 1
    chosen = np.unique(np.linspace(0, last, STEPS).round().astype(int))
    shades = np.linspace(0.3, 1.0, len(chosen)) if last else np.ones(1)
    found = []
    for space in ("embedding", "backbone"):
        values = getattr(run.spectra, space)
        lines = [spectrum(values[at], index, float(shade)) for at, shade in zip(chosen, shades, strict=True)]
        unit = "eigenvalue (variance)"
        found.append(panel(f"spectra{index}-{space}", space, unit, lines, across="dimension", log=True))
    keys = [
        Key(f"step {int(run.spectra.steps[at]):,}", variable(SERIES[index]), opacity=float(shade))
        for at, shade in zip(chosen, shades, strict=True)
    ]
    caption = (
        "The variance along each principal direction, largest first, faint early and full late: where a line"
        " drops off, dimensions die, and where a whole line sinks, everything shrinks to a point."
    )
    return _plot(f"spectra{index}", f"Spectrum over training: {label}", caption, keys, found)


def final_spectra(runs: Sequence[Run], labels: Sequence[str]) -> Plot | None:
    """The last spectra of all runs, each divided by its largest eigenvalue."""
    found = []
    for space in ("embedding", "backbone"):
        last = {at: getattr(run.spectra, space)[-1] for at, run in enumerate(runs) if run.spectra}
        lines = [spectrum(values / (values.max(initial=0) or 1), at) for at, values in last.items()]
        unit = "share of the largest eigenvalue"
        found.append(panel(f"final-{space}", space, unit, lines, across="dimension", log=True))
    caption = (
        "Each spectrum divided by its largest eigenvalue: a flat line uses every dimension alike, and dimensions"
        " to the right of a cliff are unused; the size, which is divided out, shows in the relative spread."
    )
    when = "Final" if all(run.result for run in runs) else "Latest"
    return _plot("final", f"{when} spectrum", caption, run_keys(labels), found)


def projection(run: Run, index: int, label: str) -> Plot | None:
    """The two-dimensional projection of one run, colored by class."""
    points, groups = run.samples.projection, run.samples.projection_labels
    if points is None or len(points) == 0:
        return None
    keys = []
    if groups is not None:
        named = largest(groups)
        keys = [
            Key(class_name(run, group), variable(SERIES[at % len(SERIES)]), "dotted", number=str(at + 1))
            for at, group in enumerate(named)
        ]
        rest = len(np.unique(groups)) - len(named)
        keys += [Key(f"{rest} smaller classes", variable(OTHER), "dotted")] if rest else []
    of = "groups" if groups is None else "classes"
    each = "" if groups is None else ", each number stands at the middle of its class"
    caption = (
        f"Each dot is an image{each}: {of} that lie apart are easily told apart, but a plane shows two dimensions only,"
        " so that an overlap here need not be one in full." + edge_words(points)
    )
    found = [cloud(f"projection{index}", points, groups)]
    return _plot(f"cloud{index}", f"Projection: {label}", caption, keys, found)


def class_name(run: Run, group: int) -> str:
    """The name of a class, or its number where the run has no name for it."""
    names = run.samples.classes
    return names[group] if 0 <= group < len(names) else f"class {group}"


def _plot(name: str, title: str, caption: str, keys: Sequence[Key], panels: Sequence[Panel | None]) -> Plot | None:
    found = [drawn for drawn in panels if drawn is not None]
    return Plot(name, title, caption, keys, found) if found else None
