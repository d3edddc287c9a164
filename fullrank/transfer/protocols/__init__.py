"""Protocols by name: how a paper judged a finished encoder, each value with its source; one TOML file per paper.

A file has a table for each kind of images, with a `source`, `notes`, and parts: `linear`, `knn`, `sphere`, and
`finetune` with what differs at a tenth of the labels in `finetune-10`. A setting is [value, source]. `up_to` is the
largest image size that a table is for, `like` the table of the file that it begins with.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from fullrank.errors import UserError, suggest

NAMES = ("intl", "corinfomax", "directclr", "w2", "moco", "ours")
PARTS = ("linear", "knn", "finetune", "sphere")

Sources = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Classify:
    """How a classifier is trained on an encoder: the head alone (`backbone_lr` is 0), or all of it.

    Rates change from epoch to epoch; `sources` says where each value is from.
    """

    epochs: int
    batch_size: int
    optimizer: Literal["sgd", "adam", "lbfgs"]
    lr: float
    schedule: Literal["constant", "step", "cosine", "exponential"]
    on: Literal["crops", "features"] = "crops"
    backbone_lr: float = 0.0
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    backbone_gamma: float | None = None
    final_lr: float = 0.0
    std: float | None = None
    scale: tuple[float, float] = (0.08, 1.0)
    flip: float = 0.5
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    sources: Sources = field(default_factory=dict, compare=False)

    def share(self, epoch: int, *, backbone: bool = False) -> float:
        """The share of the first learning rate at an epoch, from 0.

        >>> of = {"epochs": 20, "batch_size": 2, "optimizer": "sgd", "lr": 1.0, "schedule": "step"}
        >>> steps = Classify(**of, milestones=(5, 10), backbone_gamma=0.2)
        >>> [round(steps.share(epoch), 3) for epoch in (0, 5, 10)], round(steps.share(10, backbone=True), 3)
        ([1.0, 0.1, 0.01], 0.04)
        """
        last = self.final_lr / self.lr
        if self.schedule == "step":
            gamma = self.backbone_gamma if backbone and self.backbone_gamma is not None else self.gamma
            return gamma ** sum(epoch >= milestone for milestone in self.milestones)
        if self.schedule == "cosine":
            return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        return float(last ** (epoch / self.epochs)) if self.schedule == "exponential" else 1.0


@dataclass(frozen=True, kw_only=True)
class Neighbors:
    """How neighbors vote: which are near, and how much each counts."""

    k: int
    distance: Literal["cosine", "euclidean"]
    vote: Literal["majority", "weighted"]
    temperature: float = 1.0
    sources: Sources = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class Sphere:
    """The published views of the test images whose alignment is measured."""

    views: str
    sources: Sources = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How one paper judged its encoders; None for what it did not do."""

    name: str
    source: str
    notes: tuple[str, ...]
    linear: Classify | None
    knn: Neighbors | None
    finetune: Classify | None
    sphere: Sphere | None


def protocol(name: str, *, image_size: int, labels: float = 1.0) -> Protocol:
    """A paper's protocol for images of a size: PAPER chooses the table of that size, PAPER/TABLE is that one.

    `labels` is the share of the labels that a fine-tuning gets.

    >>> protocol("intl", image_size=32).name, protocol("intl", image_size=224).name
    ('intl/cifar', 'intl/imagenet')
    >>> protocol("corinfomax/imagenet", image_size=28, labels=0.1).finetune.lr
    20.0
    >>> protocol("intl/imagenett", image_size=32)
    Traceback (most recent call last):
    fullrank.errors.UserError: intl has no protocol imagenett: did you mean imagenet?
    """
    paper, _, table = name.partition("/")
    if paper not in NAMES:
        hint = suggest(paper, NAMES, otherwise=f"the protocols are {', '.join(NAMES)}.")
        raise UserError(f"There is no protocol {paper}: {hint}")
    known = _tables(paper)
    if table and table not in known:
        hint = suggest(table, known, otherwise=f"it has {', '.join(known)}.")
        raise UserError(f"{paper} has no protocol {table}: {hint}")
    return _made(paper, table or _of_size(known, image_size), known, labels)


def tables(paper: str) -> tuple[str, ...]:
    """The names of a paper's protocols, as PAPER/TABLE.

    >>> tables("intl")
    ('intl/cifar', 'intl/imagenet', 'intl/imagenet-multicrop')
    """
    return tuple(f"{paper}/{table}" for table in _tables(paper))


def with_finetuning(name: str, *, image_size: int, labels: float) -> Protocol:
    """The protocol of that name, or where it has no fine-tuning the first of its paper that has.

    >>> with_finetuning("intl", image_size=32, labels=0.01).name
    'intl/imagenet'
    >>> with_finetuning("moco", image_size=32, labels=0.01)
    Traceback (most recent call last):
    fullrank.errors.UserError: moco has no protocol of fine-tuning: pass --protocol intl, corinfomax or ours.
    """
    found = protocol(name, image_size=image_size, labels=labels)
    if found.finetune is None and "/" not in name:
        others = [protocol(other, image_size=image_size, labels=labels) for other in tables(name)]
        found = next((other for other in others if other.finetune is not None), found)
    if found.finetune is None:
        raise UserError(f"{name} has no protocol of fine-tuning: pass --protocol intl, corinfomax or ours.")
    return found


def _tables(paper: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads((Path(__file__).parent / f"{paper}.toml").read_text(encoding="utf-8"))


def _of_size(tables: Mapping[str, Mapping[str, Any]], size: int) -> str:
    """The first table that is for images of this size, else the last that is for smaller ones."""
    fitting = [name for name, table in tables.items() if size <= table.get("up_to", math.inf)]
    return fitting[0] if fitting else [*tables][-1]


def _made(paper: str, name: str, tables: Mapping[str, Mapping[str, Any]], labels: float) -> Protocol:
    table = _whole(name, tables)
    finetune = table.get("finetune", {})
    if labels > math.sqrt(0.01 * 0.1):  # nearer to 10 % than to 1 %, in ratio
        finetune = {**finetune, **table.get("finetune-10", {})}
    return Protocol(
        name=f"{paper}/{name}",
        source=table["source"],
        notes=tuple(table.get("notes", ())),
        linear=_record(Classify, table.get("linear", {})),
        knn=_record(Neighbors, table.get("knn", {})),
        finetune=_record(Classify, finetune),
        sphere=_record(Sphere, table.get("sphere", {})),
    )


def _whole(name: str, tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A table with what it takes over from the one that it is like."""
    table = dict(tables[name])
    if "like" not in table:
        return table
    base = _whole(table.pop("like"), tables)
    parts = [part for part in {**base, **table} if part.startswith(PARTS)]
    merged = {part: {**base.get(part, {}), **table.get(part, {})} for part in parts}
    return {**base, **table, **merged}


_R = TypeVar("_R", Classify, Neighbors, Sphere)


def _record(kind: type[_R], settings: Mapping[str, tuple[Any, str]]) -> _R | None:
    if not settings:
        return None
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, (value, _) in settings.items()
    }
    known = {one.name for one in fields(kind)}
    assert set(values) <= known, set(values) - known
    return kind(**values, sources={name: source for name, (_, source) in settings.items()})
