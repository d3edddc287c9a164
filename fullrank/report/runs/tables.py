"""The words and the tables of the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fullrank.report.numbers import NONE, duration, fixed, number, percent
from fullrank.report.words import STATES, verdict_words
from fullrank.runs.run import Numbers, Run


@dataclass(frozen=True)
class Card:
    """The verdict on one run: its state, a sentence, and the numbers behind it."""

    label: str
    state: str
    words: str
    sentence: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """One row of a table: a name, a remark, and a cell for each run; `best` are the places of the best ones."""

    name: str
    cells: Sequence[str]
    remark: str = ""
    best: Sequence[int] = ()


def short_names(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell them all apart.

    >>> short_names([Path("a/run"), Path("b/run")])
    ['a/run', 'b/run']
    """
    full = [path.resolve() for path in paths]
    for length in range(1, max(len(path.parts) for path in full)):
        names = [Path(*path.parts[-length:]).as_posix() for path in full]
        if len(set(names)) == len(names):
            return names
    return [path.as_posix() for path in full]


def words(run: Run) -> str:
    """The verdict in a word or two."""
    return STATES["unfinished"] if run.result is None else verdict_words(run.result.state, run.result.kind)


def answer(runs: Sequence[Run], labels: Sequence[str]) -> str:
    """The whole report in one line."""
    if len(runs) == 1:
        at = "" if runs[0].result else f", at step {runs[0].step:,}"
        return f"{labels[0]}: {words(runs[0])}{at}"
    said = [words(run) for run in runs]
    counts = [f"{name} ({said.count(name)})" for name in dict.fromkeys(said)]
    line = f"{len(runs)} runs: {', '.join(counts)}."
    scored = [(run.knn, label) for run, label in zip(runs, labels, strict=True) if run.knn is not None]
    if scored and not on_same_data([run for run in runs if run.knn is not None]):
        line += " They were scored on different data, so their accuracies are not compared."
    elif scored:
        knn, label = max(scored)
        line += f" The best kNN accuracy is {percent(knn)}, by {label}."
    return line


def on_same_data(runs: Sequence[Run]) -> bool:
    """Whether all were trained and scored on the same images, as far as their settings and results tell."""
    told = [[*(run.settings.get(name) for name in ("data", "data_root", "reading")), _scored_on(run)] for run in runs]
    hashes = {run.result.scored_images for run in runs if run.result} - {None}
    return all(one == told[0] for one in told) and len(hashes) <= 1


def _scored_on(run: Run) -> str | None:
    """What a result says of it; None of an unfinished run, whose accuracy is that among its probe images."""
    return run.result.scored_on if run.result else None


def sentence(run: Run) -> str:
    """The verdict in words."""
    if run.result:
        return run.result.sentence
    if not run.step:
        return "The run has not finished, and has not recorded anything yet."
    return f"The run has not finished: its last record is of step {run.step:,}, and so are the numbers here."


def card(run: Run, label: str) -> Card:
    """The verdict card: spread and rank always together, then what the representation is good for."""
    facts = []
    for space in ("backbone", "embedding"):
        metrics = run.collapse(space)
        facts.append((f"{space}: relative spread", fixed(metrics.get("relative_spread"), 3)))
        facts.append((f"{space}: effective rank", _of_dimensions(metrics, "effective_rank")))
        facts.append((f"{space}: directions, by singular values", _of_dimensions(metrics, "rankme_centered")))
    if run.result is not None and run.knn is None:
        facts.append(("kNN accuracy among the probe images", percent(run.probe_knn)))
        for name, title in (("untrained", "the same of the untrained network"), ("pixels", "the same of raw pixels")):
            facts.append((title, percent(run.result.probe_baselines.get(name))))
    else:
        facts.append(("kNN accuracy", percent(run.knn)))
        facts.append(("linear accuracy (test)", percent(_linear(run, "test"))))
        facts.append(("scored on", _scored_on(run) or NONE))
    state = "unfinished" if run.result is None else run.result.state
    return Card(label, state, words(run), sentence(run), [fact for fact in facts if fact[1] != NONE])


def comparison(runs: Sequence[Run]) -> list[Row]:
    """Everything that can be compared; a row that no run can fill is left out."""
    rows = [
        Row("verdict", [words(run) for run in runs]),
        Row("kNN accuracy", [percent(run.knn) for run in runs], *_higher(runs, [run.knn for run in runs])),
    ]
    linear = [_linear(run, "test") for run in runs]
    rows += [Row("linear accuracy, test", [percent(score) for score in linear], *_higher(runs, linear))]
    rows += [
        Row(f"linear accuracy, {part}", [percent(_linear(run, part)) for run in runs], remark)
        for part, remark in (("validation", "chose the penalty"), ("train", ""))
    ]
    rows += [
        Row(f"{title}, loss's features alone", [_sub_vector(run, score) for run in runs], "the first of the backbone's")
        for score, title in (("knn", "kNN accuracy"), ("linear", "linear accuracy"))
    ]
    rows += [
        Row(title, [fixed(_separability(run, name), 3) for run in runs], remark)
        for name, title, remark in (
            ("between", "distance between classes", "of their centroids, 1 − cosine"),
            ("within", "distance within classes", "of two of their images, 1 − cosine"),
            ("ratio", "distance between / within", "higher is better"),
            ("silhouette", "silhouette of the classes", "0 is overlap, 1 is apart"),
        )
    ]
    for space in ("embedding", "backbone"):
        rows += _space(runs, space)
    for name in dict.fromkeys(name for run in runs if run.result for name in run.result.baselines):
        rows += [
            Row(f"{title}, {name}", [percent(_baseline(run, name, score)) for run in runs], "to be beaten")
            for score, title in (("knn", "kNN accuracy"), ("linear", "linear accuracy"))
        ]
    rows += [
        Row("steps", [f"{run.step:,}" if run.step else NONE for run in runs]),
        Row("training time", [duration(_seconds(run, "train")) for run in runs]),
        *_speed(runs),
        Row("evaluation time", [duration(_seconds(run, "evaluate")) for run in runs]),
        Row("seed", [fixed(run.result.seed if run.result else None, 0) for run in runs]),
    ]
    return [row for row in rows if any(cell != NONE for cell in row.cells)]


def _speed(runs: Sequence[Run]) -> list[Row]:
    return [
        Row(f"images per second{of}", [number(_rate(run, name)) for run in runs], remark)
        for name, of, remark in (
            ("all", "", ""),
            ("reading", ", reading", "what its workers could read"),
            ("network", ", network", "views and network, without waiting for images"),
        )
    ]


def _higher(runs: Sequence[Run], values: Sequence[float | None]) -> tuple[str, Sequence[int]]:
    """The remark of a row, and where its best values are; across different data none is."""
    known = [value for value in values if value is not None]
    with_one = [run for run, value in zip(runs, values, strict=True) if value is not None]
    if len(known) < 2 or not on_same_data(with_one):
        return "higher is better", ()
    return "higher is better, the best in bold", [at for at, value in enumerate(values) if value == max(known)]


def _space(runs: Sequence[Run], space: str) -> list[Row]:
    found = [run.collapse(space) for run in runs]
    metrics = (
        ("relative_spread", "relative spread", "0: all embeddings are equal, 1: they are centered"),
        ("mean_cosine", "mean cosine", "1 is one direction"),
        ("w2_uniformity", "W2 uniformity", "0 is uniform"),
        ("uniformity", "uniformity", "lower is more uniform"),
        ("alignment", "alignment", "0 is views alike"),
        ("ldmi", "mutual information of views", "0 is nothing in common"),
        ("ldmi_by_chance", "mutual information of two images", "what chance shows"),
    )
    rows = [
        Row(f"{title}, {space}", [fixed(values.get(name), 3) for values in found], remark)
        for name, title, remark in metrics
    ]
    ranks = [
        Row(f"{title}, {space}", [_of_dimensions(values, name) for values in found], remark)
        for name, title, remark in (
            ("effective_rank", "effective rank", "of the variances: few large ones make it low; read with the spread"),
            ("rankme", "RankMe", "the same of the singular values, about the origin"),
            ("rankme_centered", "RankMe, centered", "about the mean: the directions that the verdict counts"),
        )
    ]
    dead = Row(
        f"dead dimensions, {space}", [percent(values.get("dead_dimensions")) for values in found], "which never vary"
    )
    return [rows[0], *ranks, dead, *rows[1:]]


def differences(tables: Sequence[Mapping[str, object]]) -> tuple[list[Row], list[Row]]:
    """The rows in which the tables differ, and the rows in which they agree.

    >>> [row.name for row in differences([{"lr": 1, "seed": 0}, {"lr": 1, "seed": 3}])[0]]
    ['seed']
    """
    names = dict.fromkeys(name for table in tables for name in table)
    rows = [Row(name, [value(table.get(name)) for table in tables]) for name in names]
    differ = [row for row in rows if len(set(row.cells)) > 1]
    return differ, [row for row in rows if row not in differ]


def settings(run: Run) -> dict[str, object]:
    """All that was chosen for a run, under one roof."""
    return {"recipe": run.recipe, **run.settings, **{f"run: {name}": item for name, item in run.options.items()}}


def environment(run: Run) -> dict[str, object]:
    """Where the run ran, and with which versions."""
    versions = run.result.versions if run.result else {}
    return {"folder": run.path.as_posix(), "fullrank": run.fullrank, **run.environment, **versions}


def value(item: object) -> str:
    """A setting as text."""
    if item is None:
        return NONE
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)


def _of_dimensions(metrics: Numbers, name: str) -> str:
    """A rank, of as many directions as the dimensions, or the rows about their mean, can have."""
    amount, dims, n = (metrics.get(key) for key in (name, "dims", "n"))
    text = fixed(amount, 1)
    return text if amount is None or dims is None else f"{text} of {min(dims, dims if n is None else n - 1):,.0f}"


def _linear(run: Run, part: str) -> float | None:
    return run.result.linear.get(part) if run.result else None


def _sub_vector(run: Run, score: str) -> str:
    part = run.result.sub_vector if run.result else {}
    features, width = part.get("features"), part.get("of")
    if features is None or width is None:
        return NONE
    return f"{percent(part.get(score))} ({features:,.0f} of {width:,.0f})"


def _separability(run: Run, name: str) -> float | None:
    return run.result.separability.get(name) if run.result else None


def _baseline(run: Run, name: str, score: str) -> float | None:
    return run.result.baselines.get(name, {}).get(score) if run.result else None


def _seconds(run: Run, part: str) -> float | None:
    return run.result.seconds.get(part) if run.result else None


def _rate(run: Run, part: str) -> float | None:
    return run.result.images_per_second.get(part) if run.result else None
