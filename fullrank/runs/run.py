"""The typed reading of a run folder."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from fullrank.errors import UserError
from fullrank.runs import former
from fullrank.runs.advice import Advice, read_advice
from fullrank.runs.arrays import DAMAGE
from fullrank.runs.files import read_rows
from fullrank.runs.kind import require_training
from fullrank.runs.reading import is_run, read_json, require_file
from fullrank.runs.samples import Array, Samples, read_samples, require
from fullrank.runs.spectra import read_spectra

Numbers = Mapping[str, float | None]


@dataclass(frozen=True)
class Train:
    """One logged training step: the loss and its named terms."""

    step: int
    loss: float | None
    terms: Numbers


@dataclass(frozen=True)
class Monitor:
    """One look of the collapse monitor: kNN accuracy in [0, 1], and the metrics of both spaces."""

    step: int
    knn: float | None
    backbone: Numbers
    embedding: Numbers


@dataclass(frozen=True)
class Spectra:
    """Eigenvalues, descending: backbone (S, F) and embedding (S, D) at S steps, others (S, K) by name, NaN unknown."""

    steps: Array
    backbone: Array
    embedding: Array
    others: Mapping[str, Array]


@dataclass(frozen=True)
class Result:
    """What a finished run says of itself; accuracies in [0, 1], times in seconds."""

    state: str
    kind: str | None
    sentence: str
    advice: tuple[Advice, ...]
    knn: float | None
    linear: Numbers
    scored_on: str  # the images of these accuracies, and how many
    scored_images: str | None  # a hash of them and of their labels; None of version 0.2.0
    sub_vector: Numbers  # scores of the features that alone entered the loss
    separability: Numbers  # of the classes
    baselines: Mapping[str, Numbers]
    probe_baselines: Numbers  # kNN accuracies among the probe images, of pixels and of the untrained network
    collapse: Mapping[str, Numbers]
    seconds: Numbers
    images_per_second: Numbers  # of all, of reading and of the network; and how many workers and cores there were
    steps: float | None
    seed: float | None
    versions: Mapping[str, object]


@dataclass(frozen=True)
class Run:
    """One run folder; `result` is None while the run is unfinished."""

    path: Path
    recipe: str
    fullrank: str
    settings: Mapping[str, object]
    options: Mapping[str, object]
    environment: Mapping[str, object]
    train: tuple[Train, ...]
    monitor: tuple[Monitor, ...]
    unreadable: int  # lines of metrics.jsonl that a killed run left broken
    spectra: Spectra | None
    samples: Samples
    result: Result | None

    @property
    def step(self) -> int:
        """The last step that left a record; 0 before the first."""
        steps = [record.step for record in self.train] + [record.step for record in self.monitor]
        return max(steps, default=0)

    @property
    def knn(self) -> float | None:
        """The kNN accuracy of an evaluation, or the newest among the probe images of an unfinished run."""
        return self.result.knn if self.result else self.probe_knn

    @property
    def probe_knn(self) -> float | None:
        """The newest kNN accuracy among the probe images."""
        return next((record.knn for record in reversed(self.monitor) if record.knn is not None), None)

    def __repr__(self) -> str:
        """What a prompt shows: the folder, the recipe and the verdict."""
        return f"Run({str(self.path)!r}, {self.recipe!r}: {self._said})"

    @property
    def _said(self) -> str:
        return self.result.sentence if self.result else f"Unfinished, at step {self.step}."

    def _repr_html_(self) -> str:
        """What a notebook shows: the recipe, the verdict and the page."""
        page = self.path / "report.html"
        link = f' <a href="{escape(str(page))}">report</a>' if page.exists() else ""
        return f"<p><b>{escape(self.recipe)}</b> ({escape(str(self.path))}): {escape(self._said)}{link}</p>"

    def collapse(self, space: str) -> Numbers:
        """The final metrics of "backbone" or "embedding", or the newest ones of an unfinished run."""
        if self.result and space in self.result.collapse:
            return self.result.collapse[space]
        if not self.monitor:
            return {}
        return self.monitor[-1].backbone if space == "backbone" else self.monitor[-1].embedding


def read_run(path: Path) -> Run:
    """Read a run folder; a UserError says why a folder is none. Executes nothing that it reads.

    >>> read_run(Path("no/such/folder"))
    Traceback (most recent call last):
    fullrank.errors.UserError: no/such/folder is not a run folder (it has no config.json): pass a folder that...
    """
    if not is_run(path):
        if not os.path.isfile(path):
            require_file(path / "config.json")  # which says so where it may not be looked at
        raise UserError(f"{path} is not a run folder (it has no config.json): pass a folder that `train` wrote.")
    config = read_json(path / "config.json")
    require_training(path, config)
    records, unreadable = _records(path / "metrics.jsonl")
    return Run(
        path=path,
        recipe=str(config.get("recipe", "")),
        fullrank=str(config.get("fullrank", "")),
        settings=_mapping(config.get("settings")),
        options=_mapping(config.get("run")),
        environment=read_json(path / "env.json") if (path / "env.json").is_file() else {},
        train=tuple(_train(record) for record in records if record["kind"] == "train"),
        monitor=tuple(_monitor(record) for record in records if record["kind"] == "monitor"),
        unreadable=unreadable,
        spectra=_spectra(path),
        samples=read_samples(path / "samples.npz"),
        result=_result(path / "result.json"),
    )


def _records(path: Path) -> tuple[list[Mapping[str, Any]], int]:
    """The records in the order of their steps, and how many lines were broken.

    A resumed run repeats the steps after its checkpoint: the newest record of a step counts.
    """
    rows, broken = read_rows(path), 0
    with suppress(FileNotFoundError):
        broken = sum(bool(line.strip()) for line in path.read_bytes().splitlines()) - len(rows)
    newest = {(str(record["kind"]), int(record["step"])): record for record in rows}
    return sorted(newest.values(), key=lambda record: int(record["step"])), broken


def _mapping(value: object) -> Mapping[str, object]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    """A finite number or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _numbers(value: object) -> Numbers:
    return {key: _number(item) for key, item in _mapping(value).items()}


def _looked(value: object) -> Numbers:
    """The numbers of one space, by the names of today."""
    return former.by_todays_names(_numbers(value))


def _train(record: Mapping[str, Any]) -> Train:
    return Train(int(record["step"]), _number(record.get("loss")), _numbers(record.get("terms")))


def _monitor(record: Mapping[str, Any]) -> Monitor:
    return Monitor(
        int(record["step"]),
        _number(record.get("knn")),
        _looked(record.get("backbone")),
        _looked(record.get("embedding")),
    )


def _result(path: Path) -> Result | None:
    if not path.is_file():
        return None
    value = read_json(path)
    verdict = former.verdict(_mapping(value.get("verdict")))
    if "state" not in verdict:
        raise UserError(f"{path} has no verdict: delete it to report the run as unfinished.")
    return Result(
        state=str(verdict["state"]),
        kind=None if verdict.get("kind") is None else str(verdict["kind"]),
        sentence=str(verdict.get("sentence", "")),
        advice=read_advice(verdict.get("findings")),
        knn=_number(value.get("knn")),
        linear=_numbers(value.get("linear")),
        scored_on=str(value.get("scored_on", "")),
        scored_images=None if value.get("scored_images") is None else str(value["scored_images"]),
        sub_vector=_numbers(value.get("sub_vector")),
        separability=_numbers(value.get("separability")),
        probe_baselines=_numbers(value.get("probe_baselines")),
        baselines={name: _numbers(scores) for name, scores in _mapping(value.get("baselines")).items()},
        collapse={space: _looked(metrics) for space, metrics in _mapping(value.get("collapse")).items()},
        seconds=_numbers(value.get("seconds")),
        images_per_second=_numbers(value.get("images_per_second")),
        steps=_number(value.get("steps")),
        seed=_number(value.get("seed")),
        versions=_mapping(value.get("versions")),
    )


def _spectra(run: Path) -> Spectra | None:
    path = run / ("spectra.rows" if (run / "spectra.rows").is_file() else "spectra.npz")
    try:
        arrays = read_spectra(run)
    except DAMAGE as error:
        raise UserError(f"{path} cannot be read ({str(error)[:120]}): delete it to report without it.") from error
    if not arrays:
        return None
    require(path, [({"steps", "backbone", "embedding"} <= set(arrays), "steps, backbone or embedding missing")])
    steps = arrays.pop("steps")
    shaped = steps.ndim == 1 and all(array.ndim == 2 and len(array) == len(steps) for array in arrays.values())
    require(path, [(shaped, "one spectrum per step expected")])
    return Spectra(steps, arrays.pop("backbone"), arrays.pop("embedding"), arrays) if len(steps) else None
